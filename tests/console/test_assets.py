"""Third-party static files: pinned without addresses, cut to what is used, honest when something is missing."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

ROOT = Path(settings.BASE_DIR)


@pytest.fixture
def checkout(tmp_path, settings, monkeypatch):
    """A checkout with packages installed already; npm is nowhere to be found."""
    settings.BASE_DIR = tmp_path
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("kcloud_site.management.commands.assets.icons_in_use", lambda root: {"box", "x"})
    lock = {
        "packages": {
            "": {},
            "node_modules/@tabler/core": {"version": "1"},
            "node_modules/lucide-static": {"version": "2"},
        }
    }
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    for name, version in (("@tabler/core", "1"), ("lucide-static", "2")):
        package = tmp_path / "node_modules" / name
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"version": version}))
    css = tmp_path / "node_modules/@tabler/core/dist/css"
    css.mkdir(parents=True)
    (css / "tabler.min.css").write_text("a{color:red}\n/*# sourceMappingURL=tabler.min.css.map */")
    symbols = "".join(f'<symbol id="{name}"><path d="M1"/></symbol>' for name in ("box", "x", "zap"))
    (tmp_path / "node_modules/lucide-static/sprite.svg").write_text(f"<svg>{symbols}</svg>")
    return tmp_path


def test_what_is_used_is_copied_and_nothing_else(checkout):
    call_command("assets", verbosity=0)
    sprite = (checkout / "static/vendor/icons.svg").read_text()
    assert re.findall(r'id="(\w+)"', sprite) == ["box", "x"]


def test_the_style_sheet_refers_to_no_file_that_is_not_served(checkout):
    call_command("assets", verbosity=0)
    assert (checkout / "static/vendor/tabler.min.css").read_text() == "a{color:red}\n"


def test_a_missing_icon_stops_with_its_name(checkout, monkeypatch):
    monkeypatch.setattr("kcloud_site.management.commands.assets.icons_in_use", lambda root: {"bx"})
    with pytest.raises(CommandError, match="bx"):
        call_command("assets", verbosity=0)


def test_another_version_than_pinned_is_not_taken(checkout):
    (checkout / "node_modules/lucide-static/package.json").write_text('{"version": "3"}')
    with pytest.raises(CommandError, match="make setup"):
        call_command("assets", verbosity=0)


def test_packages_are_pinned_by_digest_and_name_no_address():
    lock = json.loads((ROOT / "package-lock.json").read_text())
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    for name, entry in lock["packages"].items():
        assert "resolved" not in entry
        assert not name or entry["integrity"].startswith("sha512-")


def test_our_style_sheet_names_no_colour_outside_its_tokens():
    # Dark mode works because every colour is a token; shadows are the exception, black with an alpha of their own.
    rules = (ROOT / "static/kcloud.css").read_text().split("}", 1)[1]
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b", rules)) <= {"#0002", "#0003", "#0006"}
    assert "url(" not in rules


def test_no_template_writes_script_style_or_inline_handlers():
    bad = re.compile(
        # A script of its own file is let through: the API's documentation is Swagger UI.
        r"<script(?! src=)|<style\b|\sstyle=|\son[a-z]+=|hx-on|hx-vals=.?js:|javascript:|\|safe\b|autoescape off"
    )
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in (ROOT / "templates").rglob("*.html")
        for match in bad.finditer(path.read_text())
    }
    assert found == set()


def test_every_file_that_pages_name_can_be_collected(settings, tmp_path):
    """The manifest refuses a style sheet or script that names a file which is not collected."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    collected = json.loads((tmp_path / "staticfiles.json").read_text())["paths"]
    assert {"kcloud.css", "vendor/tabler.min.css", "admin/css/base.css"} <= set(collected)
