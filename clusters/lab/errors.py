"""What can go wrong with a lab, each saying what, why and what to do."""


class LabError(Exception):
    """Base: ``what`` happened, ``why``, and the ``remedy`` a person can follow."""

    def __init__(self, what: str, *, why: str, remedy: str) -> None:
        super().__init__(what, why, remedy)
        self.what, self.why, self.remedy = what, why, remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.why}. {self.remedy}"


class InvalidLab(LabError):
    """A value asked for cannot be had; ``field`` names it as the command line does."""

    def __init__(self, field: str, *, why: str, remedy: str) -> None:
        super().__init__(f"--{field}", why=why, remedy=remedy)
        self.field = field


class ToolsMissing(LabError):
    """Programs, packages or rights this machine needs for a lab are absent."""


class EngineUnavailable(LabError):
    """No container engine answers, or ours did not start or stop."""


class EngineRefused(LabError):
    """The engine answered a docker command with an error."""


class ImageBuildFailed(LabError):
    """The root file system of lab hosts could not be made."""


class HostsNotReady(LabError):
    """Hosts were started but did not offer SSH in time."""


class UnknownLab(LabError):
    """There is no lab, or no host in it, of that name."""


class BrokenState(LabError):
    """The record of a lab cannot be read."""
