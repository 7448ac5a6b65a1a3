"""Chinese and English are both complete: every text the code marks has its translation."""

import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ["kcloud_site", "clusters", "apps", "scaling", "stacks", "templates"]
CATALOGUE = Path("kcloud_site/locale/zh_Hans/LC_MESSAGES/django.po")


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """A copy of the tree whose catalogue has just been brought up to date with the sources."""
    tree = tmp_path_factory.mktemp("tree")
    for source in SOURCES:
        shutil.copytree(
            ROOT / source, tree / source, ignore=shutil.ignore_patterns("__pycache__", "*.mo", "modules")
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tree)
        patch.setattr("django.conf.settings.LOCALE_PATHS", [tree / "kcloud_site/locale"])
        call_command("makemessages", locale=["zh_Hans"], no_location=True, no_obsolete=True, verbosity=0)
    return tree / CATALOGUE


def entries(catalogue, *selection):
    """The catalogue's msgids that msgattrib selects, without the header."""
    text = subprocess.run(
        ["msgattrib", *selection, "--no-wrap", str(catalogue)], check=True, capture_output=True, text=True
    ).stdout
    return [line for line in text.splitlines() if line.startswith("msgid ") and line != 'msgid ""']


def test_no_text_is_without_a_translation(extracted):
    assert entries(extracted, "--untranslated") == []


def test_no_translation_is_a_guess(extracted):
    assert entries(extracted, "--only-fuzzy") == []


def test_the_extraction_finds_the_texts_of_templates_and_code(extracted):
    found = entries(extracted, "--translated")
    assert len(found) > 100
    assert any("Sign in" in line for line in found)


def test_the_catalogue_is_valid(tmp_path):
    # msgfmt -c compares the placeholders of each text with those of its translation
    done = subprocess.run(
        ["msgfmt", "-c", "-o", str(tmp_path / "django.mo"), str(ROOT / CATALOGUE)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
