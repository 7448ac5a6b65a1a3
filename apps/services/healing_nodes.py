"""Answers for the workloads when a node is lost (clusters.services.node_loss): who consented, what is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from apps.healing import ladder
from apps.models import HealingDecision, Workload
from apps.services import healing
from clusters.healing.pods import Placed
from clusters.models import NodeDecision

_RUNG: ladder.Rung = "node-loss"


class _Owner:
    """See clusters.services.node_loss.Owner. Pods of no known workload are nobody's to refuse."""

    def refused(self, cluster_pk: int, pods: Iterable[Placed]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for workload, mine in _by_workload(cluster_pk, pods):
            mode = healing.consents_of(workload)[_RUNG]
            if mode == "automatic" or _approved(workload):
                continue
            found.update({each.path: mode for each in mine})
            self._ask(workload, mode, mine)
        return found

    def told(self, row: NodeDecision, replaced: Iterable[Placed], waiting: Iterable[Placed]) -> None:
        for workload, mine in _by_workload(row.cluster_id, replaced):
            _record(workload, row, mine, state="done")
        for workload, mine in _by_workload(row.cluster_id, waiting):
            _record(workload, row, mine, state="held", until_fenced=True)

    def _ask(self, workload: Workload, mode: ladder.Mode, pods: list[Placed]) -> None:
        asked = HealingDecision.objects.filter(
            workload=workload, rung=_RUNG, release=workload.release_id, state__in=("open", "declined")
        )
        if not asked.exists():
            healing.record(
                workload=workload,
                rung=_RUNG,
                state="open",
                why="node",
                mode=mode,
                seen={"items": [each.name for each in pods]},
            )


OWNER = _Owner()


def _record(
    workload: Workload, row: NodeDecision, pods: list[Placed], *, state: str, until_fenced: bool = False
) -> None:
    seen = {"node": row.node, "witnesses": row.witnesses, "items": [each.name for each in pods]}
    healing.record(
        workload=workload, rung=_RUNG, state=state, why="fence" if until_fenced else "node", seen=seen
    )


def _approved(workload: Workload) -> bool:
    """Whether a person agreed to the newest suggestion, and nothing was decided since."""
    newest = healing.newest_of(workload, _RUNG)
    return newest is not None and newest.state == "done" and newest.decided_by != ""


def _by_workload(cluster_pk: int, pods: Iterable[Placed]) -> list[tuple[Workload, list[Placed]]]:
    by_key: dict[tuple[str, str], list[Placed]] = {}
    for each in pods:
        by_key.setdefault((each.namespace, each.app), []).append(each)
    rows = Workload.objects.filter(
        environment__cluster_id=cluster_pk,
        environment__namespace__in={key[0] for key in by_key},
        app__name__in={key[1] for key in by_key},
    ).select_related("app", "environment", "tenant")
    keyed = {(row.environment.namespace, row.app.name): row for row in rows}
    return [(keyed[key], mine) for key, mine in by_key.items() if key in keyed]
