"""Building from source: a suitable compiler is found or asked for, and pinned inputs decide the result."""

import json
import re
from pathlib import Path

import pytest

from clusters.bundle import catalogue, golang
from clusters.bundle.catalogue import GoBuild
from clusters.bundle.errors import ComponentFailed, GoMissing
from clusters.bundle.golang import GoBuilder, Toolchain, find_toolchain, new_enough, recipe
from clusters.bundle.process import Processes

FAKE_GO = """#!/bin/sh
echo "$PWD $*" >> {log}
env > {log}.env
case "$1" in
  env) echo {version} ;;
  list) printf 'a\\nb\\nc\\nd\\n' ;;
  version) printf 'bin: go1.26.8\\n\\tpath\\tthing\\n\\tmod\\tkcloud.local/bundle\\t(devel)\\t\\n'
     printf '\\tdep\\texample.org/Upper\\tv1.2.3\\th1:x=\\n'
     printf '\\tdep\\tk8s.io/api\\tv0.0.0\\n\\t=>\\tk8s.io/api\\tv0.34.4\\th1:y=\\n' ;;
  build) printf 'a\\nb\\n' >&2
     while [ "$1" != -o ]; do shift; done; target=$2; shift 2
     case "$target" in
       */) for p in "$@"; do echo "$p" > "$target${{p##*/}}"; done ;;
       *) echo "$1" > "$target" ;;
     esac ;;
esac
"""


@pytest.fixture
def fake_go(tmp_path):
    """Writes a `go` that answers this version; answers the folder it is in."""

    def write(folder, version="go1.26.8", script=FAKE_GO):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        path = tmp_path / folder / "go"
        path.write_text(script.format(version=version, log=tmp_path / "log"))
        path.chmod(0o755)
        return path.parent

    return write


@pytest.fixture(autouse=True)
def no_go_of_this_machine(monkeypatch, tmp_path):
    """Only what a test puts there is found: neither /usr/local/go nor this environment's own."""
    real = golang._candidates

    def candidates(path):
        return [found for found in real(path) if found.startswith(str(tmp_path))]

    monkeypatch.setattr(golang, "_candidates", candidates)


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("go1.26.8", True),
        ("go1.26", True),
        ("go1.27rc1", True),
        ("go2.0", True),
        ("go1.25.9", False),
        ("go1.9", False),
        ("devel", False),
        ("", False),
    ],
)
def test_a_compiler_is_new_enough_from_the_pinned_version_on(version, enough):
    assert new_enough(version) == enough


def test_the_first_suitable_compiler_on_the_path_is_taken(fake_go):
    old, new, newer = fake_go("a", "go1.21.0"), fake_go("b"), fake_go("c", "go1.27.0")
    found = find_toolchain({"PATH": f"{old}:{new}:{newer}"})
    assert found == Toolchain(f"{new}/go", "go1.26.8")


def test_a_named_compiler_is_taken_before_the_path(fake_go):
    named, other = fake_go("named"), fake_go("path", "go1.27.0")
    found = find_toolchain({"PATH": str(other), "KCLOUD_GO": f"{named}/go"})
    assert found.path == f"{named}/go"


def test_this_environments_compiler_comes_last(fake_go, tmp_path, monkeypatch):
    own, installed = fake_go("venv/bin", "go1.26.6"), fake_go("installed")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    assert find_toolchain({"PATH": f"{own}:{installed}"}).path == f"{installed}/go"
    assert find_toolchain({"PATH": ""}).path == f"{own}/go"


def test_no_compiler_says_how_to_get_one():
    with pytest.raises(GoMissing, match=r"needs Go 1\.26 or newer; none was found") as caught:
        find_toolchain({"PATH": ""})
    assert "uv sync --group toolchain" in caught.value.remedy
    assert "KCLOUD_GO" in caught.value.remedy


def test_a_compiler_that_is_too_old_is_named(fake_go):
    with pytest.raises(GoMissing, match=r"/a/go is go1\.21\.0"):
        find_toolchain({"PATH": str(fake_go("a", "go1.21.0"))})


def test_a_named_compiler_that_does_not_run_is_named(tmp_path):
    with pytest.raises(GoMissing, match=r"KCLOUD_GO=.*nothing does not run"):
        find_toolchain({"PATH": "", "KCLOUD_GO": str(tmp_path / "nothing")})


def test_a_compiler_that_only_complains_is_passed_over(fake_go):
    broken = fake_go("broken", script="#!/bin/sh\nexit 1\n")
    good = fake_go("good")
    assert find_toolchain({"PATH": f"{broken}:{good}"}).path == f"{good}/go"


@pytest.fixture
def builder(fake_go, tmp_path):
    return GoBuilder(Toolchain(f"{fake_go('go')}/go", "go1.26.8"), tmp_path / "cache", Processes())


def logged(tmp_path):
    return (tmp_path / "log").read_text().splitlines()


def test_programs_named_like_their_package_are_built_in_one_go(builder, tmp_path):
    build = catalogue.kubernetes_build("1.34.4")
    builder.build("kubernetes", build, tmp_path / "out", lambda share: None)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(catalogue.KUBERNETES_BINARIES)
    assert len([line for line in logged(tmp_path) if " build " in line]) == 1
    assert "gitVersion=v1.34.4" in logged(tmp_path)[-1]
    assert "-trimpath" in logged(tmp_path)[-1]


def test_programs_with_another_name_than_their_package_are_built_one_by_one(builder, tmp_path):
    builder.build("etcd", catalogue.etcd_build(), tmp_path / "out", lambda share: None)
    assert (tmp_path / "out/etcd").read_text() == "go.etcd.io/etcd/server/v3\n"
    assert (tmp_path / "out/etcdutl").read_text() == "go.etcd.io/etcd/etcdutl/v3\n"


def test_progress_counts_the_packages_that_are_compiled(builder, tmp_path):
    shares = []
    builder.build("coredns", catalogue.coredns_build(), tmp_path / "out", shares.append)
    assert shares == pytest.approx([0.225, 0.45, 1.0])


def test_a_build_is_static_pinned_and_checked_whatever_the_operator_has_set(builder, tmp_path, monkeypatch):
    for name, value in {
        "GOFLAGS": "-mod=mod",
        "GONOSUMDB": "*",
        "GOINSECURE": "*",
        "GOSUMDB": "off",
        "CGO_ENABLED": "1",
        "GOWORK": "/x",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOMODCACHE", raising=False)
    builder.build("pause", catalogue.own_build("pause", "1"), tmp_path / "out", lambda share: None)
    environment = dict(
        line.split("=", 1) for line in (tmp_path / "log.env").read_text().splitlines() if "=" in line
    )
    assert environment["CGO_ENABLED"] == "0"
    assert "-mod=readonly" in environment["GOFLAGS"]
    assert not {"GONOSUMDB", "GOINSECURE", "GOSUMDB"} & environment.keys()
    assert environment["GOCACHE"] == str(tmp_path / "cache/go-build")
    assert environment["GOMODCACHE"] == str(tmp_path / "cache/go-modules")
    assert environment["GOWORK"] == "off"


def test_licences_of_every_module_in_a_program_are_collected_once(builder, tmp_path, monkeypatch):
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    for folder, name in [("example.org/!upper@v1.2.3", "LICENSE"), ("k8s.io/api@v0.34.4", "LICENSE.md")]:
        (tmp_path / "modules" / folder).mkdir(parents=True)
        (tmp_path / "modules" / folder / name).write_text(f"terms of {folder}")
    (tmp_path / "modules/k8s.io/api@v0.34.4/main.go").write_text("package main")
    text = builder.licences("kubernetes", [tmp_path / "one", tmp_path / "two"])
    assert text.count("==== example.org/Upper v1.2.3: LICENSE\nterms of example.org/!upper@v1.2.3") == 1
    assert "==== k8s.io/api v0.34.4: LICENSE.md" in text
    assert "package main" not in text


def test_a_program_without_modules_says_so(builder, tmp_path, monkeypatch):
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "empty"))
    assert "standard library" in builder.licences("pause", [tmp_path / "pause"])


def test_a_failing_compiler_is_quoted(fake_go, tmp_path):
    go = fake_go("go", script="#!/bin/sh\necho 'undefined: thing' >&2\nexit 2\n")
    builder = GoBuilder(Toolchain(f"{go}/go", "go1.26.8"), tmp_path / "cache", Processes())
    with pytest.raises(ComponentFailed, match="undefined: thing"):
        builder.build("etcd", catalogue.etcd_build(), tmp_path / "out", lambda share: None)


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A module of the test's own in the place of the package's."""
    monkeypatch.setattr(golang, "SOURCES", tmp_path)
    (tmp_path / "m").mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        (tmp_path / "m" / name).write_text(name)
    return tmp_path / "m"


BUILD = GoBuild("m", {"thing": "example.org/thing"}, "example.org/thing", "1.0", "-s -w")
GO = Toolchain("/somewhere/go", "go1.26.8")


def test_the_same_inputs_are_the_same_recipe_wherever_the_compiler_lies(sources):
    assert recipe(BUILD, GO, arch="amd64") == recipe(BUILD, Toolchain("/else/go", "go1.26.8"), arch="amd64")


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_a_changed_source_is_another_recipe(sources, name):
    before = recipe(BUILD, GO, arch="amd64")
    (sources / name).write_text("changed")
    assert recipe(BUILD, GO, arch="amd64") != before


@pytest.mark.parametrize(
    "changed",
    [
        lambda: recipe(BUILD, Toolchain("/somewhere/go", "go1.26.9"), arch="amd64"),
        lambda: recipe(BUILD, GO, arch="arm64"),
        lambda: recipe(GoBuild("m", BUILD.packages, BUILD.module, "1.1", "-s -w"), GO, arch="amd64"),
        lambda: recipe(GoBuild("m", BUILD.packages, BUILD.module, "1.0", "-s"), GO, arch="amd64"),
        lambda: recipe(
            GoBuild("m", {"thing": "example.org/x"}, BUILD.module, "1.0", "-s -w"), GO, arch="amd64"
        ),
    ],
)
def test_another_compiler_machine_version_flag_or_package_is_another_recipe(sources, changed):
    assert changed() != recipe(BUILD, GO, arch="amd64")


ALL_BUILDS = [
    *(catalogue.kubernetes_build(version) for version in catalogue.KUBERNETES),
    catalogue.etcd_build(),
    catalogue.coredns_build(),
    catalogue.network_policy_build(),
]


@pytest.mark.parametrize("build", ALL_BUILDS, ids=lambda build: f"{build.module} {build.version}")
def test_the_pinned_module_is_the_version_that_is_promised(build):
    folder = Path(golang.__file__).parent / build.folder
    go_mod = (folder / "go.mod").read_text()
    assert re.search(
        rf"^\s*(require )?{re.escape(build.module)} v{re.escape(build.version)}( // indirect)?$",
        go_mod,
        re.MULTILINE,
    )
    assert f"{build.module} v{build.version} h1:" in (folder / "go.sum").read_text()
    for path in build.packages.values():
        own = rf"^module {re.escape(path)}$"
        assert re.search(rf"^(tool|\s)\s*{re.escape(path)}$|{own}", go_mod, re.MULTILINE)


@pytest.mark.parametrize("build", ALL_BUILDS, ids=lambda build: f"{build.module} {build.version}")
def test_no_module_is_replaced_by_a_changed_copy(build):
    """Only the versions that Kubernetes' own modules need are pinned by replace: the same path, no folder."""
    go_mod = (Path(golang.__file__).parent / build.folder / "go.mod").read_text()
    for old, new in re.findall(r"^replace (\S+) => (\S+)", go_mod, re.MULTILINE):
        assert old == new


@pytest.mark.parametrize("name", ["pause", "hello"])
def test_our_own_programs_need_nothing_but_the_standard_library(name):
    folder = Path(golang.__file__).parent / "images" / name
    assert "require" not in (folder / "go.mod").read_text()
    assert not (folder / "go.sum").exists()


def test_recipes_are_plain_text(sources):
    made = recipe(BUILD, GO, arch="amd64")
    assert json.loads(json.dumps(made)) == made
