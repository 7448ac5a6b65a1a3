"""Labs up, down and observed: the door for the commands, the demo and the tests.

Contract: ``up`` ends with every host answering by SSH, its host key recorded, and says in ``Lab.changes``
what it did; run again it does nothing. When it fails, what that call made is removed again. ``down`` leaves
nothing: no container, volume, network, key, nor the engine if it is ours and no other lab needs it. Errors
are LabError.
"""

import json
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network

from clusters.lab import daemon, image, plan, ssh, state
from clusters.lab.engine import Engine
from clusters.lab.errors import BrokenState, LabError
from clusters.lab.state import Lab, LabHost

__all__ = ["HostStatus", "Lab", "LabHost", "down", "get", "names", "status", "up"]

Progress = Callable[[str], None]
Todo = list[tuple[plan.HostPlan, list[plan.HostAction]]]
_WIDTH = 8


@dataclass(frozen=True, kw_only=True)
class HostStatus:
    """A host as it is now. ``state``: running, paused, exited or absent, '(cut off)' when off its network."""

    name: str
    address: str
    state: str
    started_at: datetime | None


def _quiet(_: str) -> None:
    return None


def names() -> list[str]:
    return state.names()


def get(name: str = plan.DEFAULT_NAME) -> Lab:
    """A lab as recorded; UnknownLab when there is none."""
    plan.check_name(name)
    return state.load(name)


def up(
    *,
    name: str = plan.DEFAULT_NAME,
    hosts: int | None = None,
    subnet: str | None = None,
    prefix: str | None = None,
    memory: str | None = None,
    cpus: float | None = None,
    progress: Progress = _quiet,
) -> Lab:
    """Bring a lab up, let it grow, or mend it: whatever is missing. None means as it is, or the default."""
    plan.check_name(name)
    with state.exclusive():
        before = state.load(name) if name in state.names() else None
        wanted = plan.settle(
            before.spec if before else None, {} if before else _taken(),
            name=name, hosts=hosts, subnet=subnet, prefix=prefix, memory=memory, cpus=cpus,
        )  # fmt: skip
        try:
            return _up(wanted, before, progress)
        except BaseException:
            # Also on Ctrl-C: a lab that never was ready is nobody's, one that did not grow is as before.
            with suppress(LabError):
                _undo(name, before)
            raise


def _undo(name: str, before: Lab | None) -> None:
    if before:
        state.save(before)
    else:
        _down(name, _quiet)


def _up(wanted: plan.LabSpec, before: Lab | None, progress: Progress) -> Lab:
    engine = daemon.obtain(progress)
    todo = plan.actions(plan.host_plans(wanted), engine.observe(wanted.name, wanted.network))
    lab = _lab(wanted, before, engine)
    created = [one for one, steps in todo if "create" in steps]
    if len(created) < len(lab.hosts):
        _check_key(lab)
    public_key = ssh.make_key(lab.key_path)
    tag = image.ensure(engine, progress) if created else ""
    # Recorded before anything is made: an interrupted 'up' can be found and taken down.
    state.save(lab)
    if wanted.network not in engine.networks(wanted.name):
        engine.run(*plan.network_arguments(wanted))
    try:
        _act(engine, wanted, todo, tag, public_key, progress)
        progress(f"Waiting for {len(lab.hosts)} hosts to answer by SSH")
        ssh.wait(lab.hosts)
    except BaseException:
        begun = {one.container for one in created}.intersection(engine.containers(wanted.name))
        _remove(engine, sorted(begun))
        raise
    lab = _with_host_keys(lab, engine)
    state.save(lab)
    state.write_known_hosts(lab)
    return replace(lab, changes=tuple(f"{one.name}: {', '.join(steps)}" for one, steps in todo))


def _check_key(lab: Lab) -> None:
    if not lab.key_path.exists():
        raise BrokenState(
            f"The key of lab {lab.name!r} is gone",
            why=f"there is no {lab.key_path}, and its hosts let nobody else in",
            remedy=f"Run 'lab down --name {lab.name}', then 'lab up' again.",
        )


def _lab(wanted: plan.LabSpec, before: Lab | None, engine: Engine) -> Lab:
    recorded = {host.name: host for host in before.hosts} if before else {}
    key_path = state.folder(wanted.name) / "id_ed25519"
    hosts = tuple(
        recorded.get(one.name)
        or LabHost(
            name=one.name, address=one.address, ssh_port=plan.SSH_PORT, user=plan.SSH_USER,
            key_path=key_path, lab=wanted.name, container=one.container,
        )
        for one in plan.host_plans(wanted)
    )  # fmt: skip
    return Lab(
        name=wanted.name, subnet=str(wanted.subnet), prefix=wanted.prefix, engine=engine.address,
        hosts=hosts, memory=wanted.memory, cpus=wanted.cpus,
    )  # fmt: skip


def _act(
    engine: Engine, wanted: plan.LabSpec, todo: Todo, tag: str, public_key: str, progress: Progress
) -> None:
    def one_host(item: tuple[plan.HostPlan, list[plan.HostAction]]) -> None:
        host, steps = item
        for step in steps:
            if step == "create":
                engine.run(*plan.run_arguments(wanted, host, image=tag, public_key=public_key))
            elif step == "connect":
                attach(engine, wanted.network, host.container, host.address)
            else:
                engine.run(step, host.container)
            progress(f"{host.name} {host.address}: {step}")

    with ThreadPoolExecutor(max_workers=_WIDTH) as pool:
        list(pool.map(one_host, todo))


def attach(engine: Engine, network: str, container: str, address: str) -> None:
    """Give a host its place on the network back, without the way out that the engine adds to it."""
    engine.run("network", "connect", f"--ip={address}", network, container)
    if engine.run("inspect", "--format={{.State.Running}}", container).strip() == "true":
        engine.execute(container, "ip", "route", "del", "default")


def _with_host_keys(lab: Lab, engine: Engine) -> Lab:
    """Host keys read from below, not over the network they shall protect."""

    def one(host: LabHost) -> LabHost:
        line = engine.execute(host.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()
        return replace(host, host_key=" ".join(line[:2]))

    with ThreadPoolExecutor(max_workers=_WIDTH) as pool:
        return replace(lab, hosts=tuple(pool.map(one, lab.hosts)))


def down(*, name: str = plan.DEFAULT_NAME, progress: Progress = _quiet) -> bool:
    """Remove a lab and all it left; False when there was nothing to remove."""
    plan.check_name(name)
    with state.exclusive():
        return _down(name, progress)


def _down(name: str, progress: Progress) -> bool:
    found = state.folder(name).exists()
    engine = _engine_of_labs(progress)
    if engine:
        containers = engine.containers(name)
        networks = engine.networks(name)
        found = bool(found or containers or networks)
        if containers:
            progress(f"Removing {len(containers)} hosts")
        _remove(engine, containers)
        for network in networks:
            engine.run("network", "rm", network)
    state.forget(name)
    if daemon.exists() and not state.names():
        progress("Stopping the container engine")
        daemon.stop()
    return found


def _engine_of_labs(progress: Progress) -> Engine | None:
    """The engine that may hold a lab's remains; ours is started again when it died before its containers."""
    if daemon.exists():
        return daemon.obtain(progress)
    try:
        return Engine() if Engine().answers() else None
    except LabError:
        return None


def _remove(engine: Engine, containers: Sequence[str]) -> None:
    """Containers with their volumes, at once: a host's own shutdown waits for pods and is not needed here."""

    def one(container: str) -> None:
        engine.run("rm", "--force", "--volumes", container)

    with ThreadPoolExecutor(max_workers=_WIDTH) as pool:
        list(pool.map(one, containers))


def status(*, name: str = plan.DEFAULT_NAME) -> list[HostStatus]:
    """Every host of a lab as it is now; UnknownLab when there is no such lab."""
    lab = get(name)
    engine = Engine(lab.engine)
    seen = engine.observe(lab.name, lab.spec.network) if engine.answers() else {}
    return [_host_status(host, seen.get(host.name)) for host in lab.hosts]


def _host_status(host: LabHost, seen: plan.Observed | None) -> HostStatus:
    if seen is None:
        return HostStatus(name=host.name, address=host.address, state="absent", started_at=None)
    on = seen.state in {"running", "paused"}
    word = seen.state if seen.attached else f"{seen.state} (cut off)"
    started_at = datetime.fromisoformat(seen.started_at[:19] + "+00:00") if on else None
    return HostStatus(name=host.name, address=host.address, state=word, started_at=started_at)


def local_routes() -> dict[IPv4Network, str]:
    """Networks this machine has a route to, each with who uses it in words."""
    answer = subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, text=True, check=False)
    routes = [route for route in json.loads(answer.stdout or "[]") if route["dst"] != "default"]
    return {
        IPv4Network(route["dst"]): f"this machine's route by {route.get('dev', 'no device')}"
        for route in routes
    }


def _taken() -> dict[IPv4Network, str]:
    labs = {IPv4Network(state.load(name).subnet): f"lab {name!r}" for name in state.names()}
    return {**local_routes(), **labs}
