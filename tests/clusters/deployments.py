"""Deployments for tests: masters m1…, workers w1…, on 10.0.0.0/24."""

from clusters.deploying import inventory
from clusters.deploying.inventory import Connection, Deployment, Member
from clusters.planning.plan import parse


def plan_data(masters=1, workers=2, **changes):
    return {
        "name": "prod",
        "region": "east",
        "version": "1.34.4",
        "masters": [f"m{n}" for n in range(1, masters + 1)],
        "pools": [
            {
                "name": "general",
                "hosts": [f"w{n}" for n in range(1, workers + 1)],
                "labels": {"tier": "web"},
                "taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}],
            }
        ],
        **changes,
    }


def make(masters=1, workers=2, **changes):
    spec = parse(plan_data(masters, workers, **changes))
    names = [f"w{n}" for n in range(1, workers + 1)]
    shares = inventory.assign_pod_networks(spec.network.pod_cidr, names, {})
    members = [
        Member(name=f"m{n}", address=f"10.0.0.{n}", port=22, role="master") for n in range(1, masters + 1)
    ]
    members += [
        Member(
            name=name, address=f"10.0.0.{n}", port=22, role="worker", pool="general", pod_cidr=shares[name]
        )
        for n, name in enumerate(names, start=11)
    ]
    return Deployment(spec=spec, members=tuple(members))


def connections(deployment):
    return {
        name: Connection("kcloud", key_file=f"/keys/{name}", ssh_arguments="-F /dev/null")
        for name in deployment.names
    }
