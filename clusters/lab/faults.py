"""Things that happen to machines: power cuts, freezes and pulled cables, done to lab hosts.

Contract: each returns when the fault (or its undoing) is in effect; ``start``, ``reboot`` and ``connect``
return when the host answers by SSH again. UnknownLab when the lab is gone, EngineRefused when docker says no
(a host that is off cannot be paused).
"""

from clusters.lab import hosts, ssh, state
from clusters.lab.engine import Engine
from clusters.lab.state import LabHost


def _engine(host: LabHost) -> Engine:
    return Engine(state.load(host.lab).engine)


def _network(host: LabHost) -> str:
    return state.load(host.lab).spec.network


def kill(host: LabHost) -> None:
    """Power off, without a goodbye."""
    _engine(host).run("kill", "--signal=KILL", host.container)


def start(host: LabHost) -> None:
    """Power on."""
    _engine(host).run("start", host.container)
    ssh.wait([host])


def reboot(host: LabHost) -> None:
    """Power off and on again."""
    kill(host)
    start(host)


def pause(host: LabHost) -> None:
    """Freeze every process: the host holds its connections and answers nothing."""
    _engine(host).run("pause", host.container)


def unpause(host: LabHost) -> None:
    _engine(host).run("unpause", host.container)


def disconnect(host: LabHost) -> None:
    """Take the host off the lab's network; it runs on, alone, and loses its routes."""
    _engine(host).run("network", "disconnect", "--force", _network(host), host.container)


def connect(host: LabHost) -> None:
    """Back on the network at the same address. Routes to pods of other hosts are the product's to restore."""
    hosts.attach(_engine(host), _network(host), host.container, host.address)
    ssh.wait([host])
