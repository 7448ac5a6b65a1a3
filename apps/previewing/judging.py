"""Judges what a deployment would do: `preview(facts)`. Pure, and never raises on odd content of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apps.previewing.changes import fields_of, object_changes, template_of
from apps.previewing.facts import Facts, Object, Refusal, as_map, as_maps, count, key_of
from apps.previewing.needs import RECREATE, Wave, amount, asks, peak_of
from apps.previewing.placing import Places, places
from apps.previewing.prerequisites import prerequisites
from apps.previewing.report import BLOCK, PASS, REFUSED, WARN, Finding, Preview, Restart, Use, finding
from clusters.observing.nodes import quantity
from clusters.problems import gettext_noop as _

_KINDS = ("Deployment", "StatefulSet")


def preview(facts: Facts) -> Preview:
    """All that is known of it beforehand."""
    workload = next((each for each in facts.wanted if each.get("kind") in _KINDS), {})
    template, before = template_of(workload), _present(facts, workload)
    because = _because(facts, workload, before)
    wave = _wave(facts, workload, before, bool(because))
    asked, old = asks(template, facts.limits), asks(template_of(before), facts.limits) if before else {}
    uses = tuple(_uses(facts, wave, old, asked))
    room = None if facts.nodes is None else places(facts.nodes, template, asked)
    findings = [
        *_refused(facts),
        *prerequisites(facts, workload, before),
        *_quota(uses, wave),
        *_capacity(room, wave),
        *_advice(facts, wave, template),
    ]
    restart = Restart(
        replaced=wave.before if wave.replaced else 0,
        made=wave.after if wave.replaced or not before else max(0, wave.after - wave.before),
        surge=wave.surge,
        unavailable=wave.unavailable,
        because=because,
    )
    return Preview(object_changes(facts), restart, tuple(findings), uses, room.against if room else ())


def _present(facts: Facts, workload: Object) -> Object | None:
    """What runs there now: the same object, or, with another slot or kind, the one with pods."""
    same = facts.found.get(key_of(workload)) if workload else None
    if same is not None:
        return same
    others = [each for (kind, _name), each in facts.found.items() if kind in _KINDS]
    return max(others, key=lambda each: count(as_map(each.get("spec")).get("replicas")), default=None)


def _because(facts: Facts, workload: Object, before: Object | None) -> tuple[str, ...]:
    """The fields of the pods that differ; nothing when they stay as they are."""
    if before is None or not workload:
        return ()
    answer = facts.answers.get(key_of(workload))
    after = workload if answer is None or isinstance(answer, Refusal) else answer
    found = [each.path for each in fields_of(template_of(before), template_of(after))]
    if not found and key_of(before) != key_of(workload):
        return ("slot",)
    return tuple(path.removeprefix("spec.") for path in found)


def _wave(facts: Facts, workload: Object, before: Object | None, replaced: bool) -> Wave:
    after = count(as_map(workload.get("spec")).get("replicas"), 1)
    now = count(as_map(before.get("spec")).get("replicas"), 1) if before else 0
    if workload.get("kind") == "StatefulSet" or facts.strategy == RECREATE:
        down = after if facts.strategy == RECREATE else min(1, after)
        return Wave(now, after, 0, down, replaced, facts.strategy if replaced else "rolling")
    surge = amount(facts.surge, after, up=True) if replaced else 0
    less = amount(facts.unavailable, after, up=False)
    return Wave(now, after, surge, less, replaced, facts.strategy)


# ---- what the server said


def _refused(facts: Facts) -> Iterator[Finding]:
    refused = [(key, answer) for key, answer in facts.answers.items() if isinstance(answer, Refusal)]
    for (kind, name), answer in refused:
        told = {"object": f"{kind} {name}", "why": " ".join(filter(None, (answer.what, answer.why)))}
        yield finding(
            BLOCK,
            REFUSED,
            _("The cluster refuses %(object)s: %(why)s"),
            told,
            _("Publish a release, or a configuration, that it takes."),
        )
    if not refused:
        yield finding(PASS, "accepted", _("The cluster accepts all objects."))


# ---- quota


def _uses(facts: Facts, wave: Wave, old: Mapping[str, float], new: Mapping[str, float]) -> Iterator[Use]:
    for each in facts.quotas:
        status, spec = as_map(each.get("status")), as_map(each.get("spec"))
        hard = as_map(status.get("hard")) or as_map(spec.get("hard"))
        for name, limit in sorted(hard.items()):
            asked = str(name) if str(name) in ("pods",) or "." in str(name) else f"requests.{name}"
            if asked not in new:
                continue
            now = quantity(as_map(status.get("used")).get(name, 0))
            others = max(0.0, now - wave.before * old.get(asked, 0.0))
            peak = others + peak_of(wave, old.get(asked, 0.0), new[asked])
            yield Use(str(name), now, peak, others + wave.after * new[asked], quantity(limit))


def _quota(uses: tuple[Use, ...], wave: Wave) -> Iterator[Finding]:
    for use in uses:
        told = {"resource": use.resource, "after": _told(use, use.after), "hard": _told(use, use.hard)}
        if use.after > use.hard:
            yield finding(
                BLOCK,
                "quota",
                _("The quota does not suffice: %(resource)s would be %(after)s of %(hard)s."),
                told,
                _("Ask for a larger share, run fewer pods, or publish a release that asks for less."),
            )
        elif use.lacking:
            told["after"] = _told(use, use.peak)
            stalls = not wave.unavailable and wave.strategy != RECREATE
            yield finding(
                BLOCK if stalls else WARN,
                "quota_surge",
                _(
                    "While old and new pods run side by side, %(resource)s would be %(after)s of %(hard)s: the"
                    " rollout would stall."
                ),
                told,
                _("Allow one pod fewer while it rolls, choose recreate, or ask for a larger share."),
            )
    if uses and not any(use.lacking or use.after > use.hard for use in uses):
        yield finding(PASS, "quota_fits", _("The quota suffices, also while it rolls."))


def _told(use: Use, value: float) -> str:
    """An amount for people: cores, MiB, or pieces."""
    if "memory" in use.resource or "storage" in use.resource:
        return f"{value / 2**20:.0f} MiB"
    return f"{value:.2f}".rstrip("0").rstrip(".")


# ---- room on the nodes


def _capacity(found: Places | None, wave: Wave) -> Iterator[Finding]:
    if found is None:
        yield finding(WARN, "nodes_unseen", _("Whether the nodes have room could not be seen."))
        return
    grown = max(0, wave.after - wave.before)
    more = max(grown, wave.most - wave.before)
    if wave.after and not found.pods and (grown or wave.replaced):
        yield _nowhere(blocks=bool(grown) or not wave.unavailable)
    elif more > found.pods:
        told = {"more": more, "room": found.pods}
        yield finding(
            BLOCK if grown > found.pods else WARN,
            "no_room",
            _("%(more)s more pods are needed at a time, and the nodes have room for %(room)s."),
            told,
            _("Add a node, run fewer pods, or publish a release that asks for less."),
        )
    else:
        yield finding(
            PASS,
            "fits",
            _("The nodes have room: %(nodes)s of them could take a pod, %(room)s pods in all."),
            {"nodes": len(found.nodes), "room": found.pods},
        )


def _nowhere(*, blocks: bool) -> Finding:
    return finding(
        BLOCK if blocks else WARN,
        "unschedulable",
        _("No node could take a pod of this release."),
        {},
        _("Add a node, or publish a release that asks for less."),
    )


# ---- what is worth a thought


def _advice(facts: Facts, wave: Wave, template: Mapping[str, Any]) -> Iterator[Finding]:
    containers = as_maps(as_map(template.get("spec")).get("containers"))
    if wave.after == 1:
        yield finding(
            WARN,
            "single",
            _("There is one pod only: while its node fails or is drained, nobody is served."),
            {},
            _("Run two or more."),
        )
    if containers and not any(each.get("readinessProbe") for each in containers):
        yield finding(
            WARN,
            "no_readiness",
            _("No container has a readiness check: pods are served to before they can answer."),
            {},
            _("Publish a release with a readiness probe."),
        )
    if wave.replaced and facts.strategy == RECREATE and wave.before:
        yield finding(WARN, "downtime", _("All old pods end before new ones start: it is down meanwhile."))
    elif wave.replaced and wave.before and wave.unavailable >= wave.after > 0:
        yield finding(WARN, "downtime", _("All pods may be away at once while it rolls: it may be down."))
