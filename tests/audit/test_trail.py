"""The audit trail: each event sealed with the one before it, and what `verify` notices."""

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.audit import chain, trail
from kcloud_site.audit.models import AuditEvent, ChainHead
from kcloud_site.audit.trail import Subject
from kcloud_site.tenants.scopes import Scope

EAST = Subject("clusters.cluster", "1", "east", tenant_id=4)


def events(count):
    return [
        trail.record(
            by=None, action="cluster.deploy", subject=EAST, before={"n": n}, after={"n": n + 1}, reason="r"
        )
        for n in range(count)
    ]


def test_an_untouched_trail_is_intact(db):
    events(3)
    assert trail.verify() == trail.Verdict(events=3)
    assert trail.verify().intact


def test_an_empty_trail_is_intact(db):
    assert trail.verify() == trail.Verdict(events=0)


CHANGES = {
    "at": datetime(2020, 1, 1, tzinfo=UTC),
    "actor": "somebody",
    "actor_kind": "rule",
    "via": "other",
    "tenant_id": 5,
    "action": "cluster.reset",
    "object_type": "clusters.host",
    "object_id": "2",
    "object_name": "west",
    "before": {"n": 7},
    "after": None,
    "reason": "",
    "operation_id": 7,
    "previous_hash": "f" * 64,
    "hash": "e" * 64,
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_changed_field_of_an_event_is_noticed_there(db, field):
    rows = events(4)
    AuditEvent.objects.filter(pk=rows[1].pk).update(**{field: CHANGES[field]})
    assert trail.verify().broken_id == rows[1].pk


def test_every_sealed_field_is_among_those_tried():
    columns = {field.attname for field in AuditEvent._meta.concrete_fields} - {"id"}
    assert columns == set(CHANGES)
    assert columns == {*chain.FIELDS, "hash"}


@pytest.mark.parametrize(("removed", "found"), [(0, 1), (1, 2), (2, 3)])
def test_a_removed_event_is_noticed_at_the_next(db, removed, found):
    rows = events(4)
    rows[removed].delete()
    assert trail.verify().broken_id == rows[found].pk


def test_a_removed_end_is_noticed(db):
    rows = events(3)
    rows[2].delete()
    verdict = trail.verify()
    assert (verdict.broken_id, verdict.intact) == (0, False)
    assert verdict.why == "events are missing at the end: 3 were written, 2 are left"


def test_a_changed_event_sealed_anew_is_noticed_at_the_next(db):
    rows = events(3)
    changed = {name: getattr(rows[1], name) for name in chain.FIELDS} | {"reason": "forged"}
    AuditEvent.objects.filter(pk=rows[1].pk).update(reason="forged", hash=chain.seal(changed))
    assert trail.verify().broken_id == rows[2].pk


def test_a_trail_forged_from_the_middle_to_its_end_does_not_meet_its_head(db):
    rows = events(3)
    forged = {name: getattr(rows[2], name) for name in chain.FIELDS} | {"reason": "forged"}
    AuditEvent.objects.filter(pk=rows[2].pk).update(reason="forged", hash=chain.seal(forged))
    assert not trail.verify().intact
    assert ChainHead.objects.get().events == 3


def test_the_command_says_the_trail_is_intact(db, capsys):
    events(2)
    call_command("audit", "verify")
    assert capsys.readouterr().out == "The audit trail is intact: 2 events.\n"


def test_the_command_names_the_first_broken_event_and_fails(db):
    rows = events(3)
    AuditEvent.objects.filter(pk__in=[rows[1].pk, rows[2].pk]).update(reason="forged")
    with pytest.raises(CommandError, match=f"broken at event {rows[1].pk}, .* cluster.deploy: its content"):
        call_command("audit", "verify")


def test_the_command_names_a_missing_end(db):
    events(2)[1].delete()
    with pytest.raises(CommandError, match="broken at the end: events are missing"):
        call_command("audit", "verify")


@pytest.mark.parametrize(
    "value",
    [
        {"f": 1.0, "g": 1e16, "h": 1e-7, "i": -0.5},
        {"nul": "a\x00b", "half": "\ud800"},
        {"at": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
)
def test_values_databases_give_back_differently_do_not_break_the_seal(db, value):
    trail.record(by=None, action="x.y", subject=Subject("a.b", "1", "n\x00"), after=value)
    assert trail.verify().intact


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_the_canonical_form_of_a_plain_value_is_its_own(value):
    assert chain.canonical(chain.plain(value)) == chain.canonical(value)


@given(_json, _json)
def test_different_plain_values_have_different_digests(one, other):
    same = chain.canonical(one) == chain.canonical(other)
    assert (chain.digest(one) == chain.digest(other)) is same


@given(st.dictionaries(st.text(max_size=6), st.integers(), min_size=2, max_size=5))
def test_the_order_of_keys_does_not_matter(value):
    backwards = dict(reversed(list(value.items())))
    assert chain.digest(value) == chain.digest(backwards)


def test_numbers_without_a_json_form_are_refused():
    with pytest.raises(ValueError):
        chain.canonical({"load": float("inf")})


def test_an_event_says_whose_it_is_by_its_subject_or_by_name(tenant):
    assert trail.record(by=None, action="x.y", subject=EAST).tenant_id == 4
    assert trail.record(by=None, action="x.y", subject=EAST, tenant=tenant).tenant_id == tenant.pk
    assert trail.record(by=None, action="x.y", subject=tenant).tenant_id == tenant.pk


def test_the_portal_a_person_a_token_and_a_rule_are_told_apart(operator):
    def told(by):
        event = trail.record(by=by, action="x.y", subject=EAST)
        return event.actor_kind, event.actor, event.via

    assert told(None) == ("system", "system", "")
    assert told(operator) == ("person", "operator", "")
    operator.scope = Scope("ci", None, "viewer")
    assert told(operator) == ("token", "operator", "ci")
    assert told(trail.Actor("rule", "quota return", "loan 7")) == ("rule", "quota return", "loan 7")
