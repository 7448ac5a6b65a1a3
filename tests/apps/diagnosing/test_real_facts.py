"""What real clusters said about each trouble is named right, in words of both languages, with evidence."""

import copy
import importlib
import pkgutil
from pathlib import Path

import pytest
from django.utils.translation import gettext, override

import apps.diagnosing
from apps.diagnosing import doctor
from apps.diagnosing.diagnosis import Wording, per_pod, reason_of
from apps.diagnosing.facts import Facts
from apps.views.health import CLICKS
from tests.apps.diagnosing import kept

ROOT = Path(__file__).resolve().parents[3]
TROUBLES = [name for name in kept.names() if kept.read(name)[0]]


def report_of(name):
    return doctor.diagnose(Facts.of(kept.read(name)[1]))


@pytest.mark.parametrize("name", kept.names())
def test_each_is_named_and_nothing_else_is_said(name):
    codes, _facts = kept.read(name)
    report = report_of(name)
    assert sorted({each.code for each in report.diagnoses}) == codes
    assert report.is_well == (not codes)


@pytest.mark.parametrize("name", TROUBLES)
def test_each_has_evidence_and_a_reason_in_both_languages(name):
    report = report_of(name)
    assert all(each.evidence for each in report.diagnoses)
    said = {}
    for language in ("en", "zh-hans"):
        with override(language):
            said[language] = reason_of(report, gettext)
            assert all(said[language].values())
            assert "%(" not in "".join(said[language].values())
    assert not any("\u4e00" <= sign <= "\u9fff" for sign in "".join(said["en"].values()))
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in each) for each in said["zh-hans"].values())


def test_the_last_lines_of_a_crash_are_its_evidence():
    (crash,) = report_of("crash").diagnoses
    lines = next(each.text for each in crash.evidence if each.kind == "log")
    assert "cannot listen on :99999" in lines
    assert not [
        each for each in report_of("crash").without_logs().diagnoses[0].evidence if each.kind == "log"
    ]


def test_quota_says_what_is_used_and_what_there_is():
    (quota,) = report_of("quota").diagnoses
    assert "memory=" in quota.facts["requested"]
    assert quota.facts["limited"]


def test_a_missing_key_comes_with_those_that_are_like_it():
    _codes, facts = kept.read("key")
    (missing,) = doctor.diagnose(Facts.of({**facts, "keys": ["greeting", "port"]})).diagnoses
    assert (missing.facts["key"], missing.facts["similar"]) == ("greetings", "greeting")


def test_one_cause_at_many_pods_is_said_once():
    _codes, facts = kept.read("no-image")
    (pod,) = facts["pods"]
    others = []
    for number in range(20):
        other = copy.deepcopy(pod)
        other["metadata"] |= {"name": f"no-image-{number}", "uid": str(number)}
        others.append(other)
    report = doctor.diagnose(Facts.of({**facts, "pods": [pod, *others]}))
    (cause,) = report.diagnoses
    assert len(cause.pods) == 21
    assert len(cause.evidence) <= 8
    assert set(per_pod(report)) == {each["metadata"]["name"] for each in [pod, *others]}


def test_worst_comes_first():
    _codes, slow = kept.read("slow")
    _codes, crash = kept.read("crash")
    both = {key: slow[key] + crash[key] for key in ("pods", "events")}
    report = doctor.diagnose(Facts.of({**both, "now": crash["now"]}))
    assert [each.code for each in report.diagnoses] == ["crash_loop", "probe_timeout"]


def test_a_lost_node_is_the_cause_and_not_what_its_pods_last_said():
    _codes, facts = kept.read("crash")
    (node,) = [each for each in facts["nodes"] if each["name"] == facts["pods"][0]["spec"]["nodeName"]]
    node["ready"] = "Unknown"
    (lost,) = doctor.diagnose(Facts.of(facts)).diagnoses
    assert lost.code == "node_down"


def test_a_failure_of_the_past_is_no_trouble_now():
    _codes, facts = kept.read("readiness")
    (status,) = facts["pods"][0]["status"]["containerStatuses"]
    status["ready"] = True
    facts["slices"][0]["endpoints"][0]["conditions"]["ready"] = True
    assert doctor.diagnose(Facts.of(facts)).is_well


def wordings():
    for module in pkgutil.iter_modules(apps.diagnosing.__path__):
        content = vars(importlib.import_module(f"apps.diagnosing.{module.name}"))
        yield from (each for each in content.values() if isinstance(each, Wording))


def test_every_code_is_documented_and_every_action_leads_somewhere():
    page = (ROOT / "docs/diagnosis.md").read_text()
    assert {each.code for each in wordings() if f"`{each.code}`" not in page} == set()
    assert {each.action for each in wordings()} <= set(CLICKS)
