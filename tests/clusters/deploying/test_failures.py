"""Every failure of a host becomes what, why and a remedy; what the host said is quoted, never a format."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.adapters.ansible import ROOT
from clusters.deploying import failures
from clusters.deploying.failures import explain, is_connection

CODES = sorted(failures._WORDS)


def failure(code="task", subject="etcd.service", evidence="last words"):
    return {"code": code, "subject": subject, "evidence": evidence}


@pytest.mark.parametrize("code", CODES)
def test_each_code_names_the_host_or_subject_and_ends_with_what_to_do(code):
    told = explain("w1", failure(code))
    assert "w1" in told.what or "etcd.service" in told.what
    assert told.why == "last words"
    assert "resume" in told.remedy
    assert "%(" not in told.what + told.remedy


def test_every_code_our_modules_use_has_words():
    texts = [path.read_text() for path in Path(ROOT / "plugins").rglob("*.py")]
    used = {code for text in texts for code in re.findall(r'Failure\(\s*"([a-z-]+)"', text)}
    used |= {code for text in texts for code in re.findall(r'"code": "([a-z-]+)"', text)}
    used |= {code for text in texts for code in re.findall(r'run\(\[[^][]*\], "([a-z-]+)"', text)}
    assert len(used) > 8
    assert used - {"journal", "mount"} <= set(CODES), "journal and mount are never raised: check=False"


@given(
    code=st.text(), subject=st.text(), evidence=st.text(), host=st.from_regex(r"[a-z]{1,9}", fullmatch=True)
)
def test_hostile_text_is_quoted_and_never_breaks_it(code, subject, evidence, host):
    told = explain(host, failure(code, subject, evidence))
    assert told.what
    assert told.remedy
    assert len(told.why) <= failures.LONGEST_EVIDENCE


def test_a_format_in_a_subject_stays_as_it_is():
    assert "%(host)s" in explain("w1", failure("file", "%(host)s")).what


def test_the_end_of_long_evidence_is_kept_since_causes_are_there():
    assert explain("w1", failure(evidence="x" * 5000 + "the cause")).why.endswith("the cause")


def test_a_full_disk_is_recognised_in_anything_a_task_said():
    assert (
        explain("w1", failure(evidence="tar: write error: No space left on device")).what
        == "The disk of w1 is full"
    )


@pytest.mark.parametrize(
    ("told", "connection"),
    [
        (failure("unreachable"), True),
        (failure(evidence="sudo: a password is required"), True),
        (failure(evidence="Missing sudo password"), True),
        (failure("unit-start"), False),
        ({}, False),
    ],
)
def test_what_is_about_reaching_the_host_is_known(told, connection):
    assert is_connection(told) is connection
