"""Plans for the tests of planning: a good one with changes, what is wrong with it, and plans at random."""

import re

import pytest
from hypothesis import strategies as st

from clusters.planning.plan import PlanInvalid, parse


def data(**changes):
    return {
        "name": "prod",
        "region": "east",
        "version": "1.34.4",
        "masters": ["m1"],
        "pools": [{"name": "workers", "hosts": ["w1", "w2"]}],
        **changes,
    }


def refused(given_data):
    with pytest.raises(PlanInvalid) as caught:
        parse(given_data)
    return caught.value.problems


def problems_in(given_data):
    """What parse says of it; [] when it is a plan."""
    try:
        parse(given_data)
    except PlanInvalid as invalid:
        return invalid.problems or ["an error without a problem"]
    return []


def codes(given_data):
    return {(problem.path, problem.code) for problem in refused(given_data)}


def spec(*pools, masters=("m1",)):
    return parse(data(masters=list(masters), pools=list(pools)))


names = st.from_regex(re.compile(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?"), fullmatch=True)


@st.composite
def plans(draw):
    hosts = draw(st.lists(names, min_size=5, max_size=14, unique=True))
    masters = draw(st.sampled_from([1, 3]))
    workers = hosts[masters:]
    cut = draw(st.integers(1, len(workers)))
    labels = st.dictionaries(names, names, max_size=3)
    pools = [{"name": "a", "hosts": workers[:cut], "labels": draw(labels), "count": draw(st.integers(0, 3))}]
    if workers[cut:]:
        pools.append(
            {"name": "b", "hosts": workers[cut:], "taints": [{"key": draw(names), "effect": "NoExecute"}]}
        )
    window = st.none() | st.fixed_dictionaries({"day": st.integers(0, 6), "hours": st.integers(1, 24)})
    return parse(
        data(
            masters=hosts[:masters],
            pools=pools,
            version=f"1.{draw(st.integers(20, 40))}.{draw(st.integers(0, 30))}",
            network={
                "pod_cidr": f"10.{draw(st.integers(128, 250))}.0.0/16",
                "proxy_mode": draw(st.sampled_from(["iptables", "nftables"])),
            },
            maintenance_window=draw(window),
        )
    )
