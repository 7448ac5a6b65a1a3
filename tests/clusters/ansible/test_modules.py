"""Our modules, run here as Python: what they change, what they leave, what they say when it goes wrong."""

import fcntl
import json
import os
import signal
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clusters.ansible.modules import module, part
from tests.operations import processes

fence, files, host, packages, units = (
    part(f"kcloud_{name}") for name in ("fence", "files", "host", "packages", "units")
)
bundle = module("kcloud_bundle")

root_only = pytest.mark.skipif(os.getuid() != 0, reason="files belong to root")


def take(folder, operation=1, fencing=1, owner="us", **options):
    return fence.take(owner, operation, fencing, directory=str(folder), **options)


class TestFence:
    def test_numbers_may_stay_or_grow(self, tmp_path):
        for operation, fencing in ((1, 1), (1, 1), (1, 2), (2, 1)):
            os.close(take(tmp_path, operation, fencing))

    @pytest.mark.parametrize(("operation", "fencing"), [(2, 2), (1, 9)])
    def test_a_stray_with_an_older_number_is_refused(self, tmp_path, operation, fencing):
        os.close(take(tmp_path, 2, 3))
        with pytest.raises(fence.Refused, match="too late"):
            take(tmp_path, operation, fencing)

    def test_another_portal_counts_anew(self, tmp_path):
        os.close(take(tmp_path, 99, 9))
        os.close(take(tmp_path, 1, 1, owner="others"))

    def test_a_refused_run_gives_the_host_back(self, tmp_path):
        os.close(take(tmp_path, 2, 1))
        with pytest.raises(fence.Refused):
            take(tmp_path, 1, 1)
        os.close(take(tmp_path, 2, 1, patience=0))

    def test_a_stray_that_does_not_end_is_ended(self, tmp_path):
        ready, told = os.pipe()

        def hold():
            take(tmp_path, 1, 1)
            os.write(told, b"x")
            signal.pause()

        stray = processes.fork(hold)
        os.read(ready, 1)
        os.close(take(tmp_path, 1, 2, patience=0.1))
        assert processes.wait(stray) == -signal.SIGKILL

    def test_an_innocent_process_with_the_strays_number_is_left_alone(self, tmp_path):
        lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
        number = {"owner": "us", "number": [1, 1], "pid": os.getpid(), "start": "1"}
        os.pwrite(lock, json.dumps(number).encode(), 0)
        os.close(lock)
        assert fence._end_stray(number) is True  # still alive to say so

    def test_programs_we_start_do_not_hold_the_host(self, tmp_path):
        lock = take(tmp_path)
        assert fcntl.fcntl(lock, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        os.close(lock)

    def test_a_torn_lock_file_is_no_obstacle(self, tmp_path):
        (tmp_path / "lock").write_text('{"owner": "us", "num')
        os.close(take(tmp_path))


def wanted(path, content="text", mode="0600"):
    return {"path": str(path), "content": content, "secret_content": None, "mode": mode}


@root_only
class TestFiles:
    def test_a_file_is_written_once(self, tmp_path):
        item = wanted(tmp_path / "deep" / "file")
        assert files.files([item]) == [f"wrote {item['path']}"]
        assert files.files([item]) == []
        assert (tmp_path / "deep" / "file").read_text() == "text"
        assert (tmp_path / "deep" / "file").stat().st_mode & 0o7777 == 0o600

    def test_what_differs_is_changed_and_named(self, tmp_path):
        item = wanted(tmp_path / "file")
        files.files([item])
        (tmp_path / "file").write_text("somebody was here")
        assert files.files([item]) == [f"changed {item['path']}"]
        os.chmod(tmp_path / "file", 0o644)
        assert files.files([item]) == [f"set the mode of {item['path']}"]

    def test_a_secret_goes_to_the_same_place(self, tmp_path):
        files.files([{**wanted(tmp_path / "key", None), "secret_content": "private"}])
        assert (tmp_path / "key").read_text() == "private"

    def test_nothing_half_written_stays(self, tmp_path):
        (tmp_path / "file").mkdir()
        with pytest.raises(host.Failure) as failed:
            files.files([wanted(tmp_path / "file")])
        assert failed.value.code == "file"
        assert os.listdir(tmp_path) == ["file"]

    def test_directories_get_their_mode(self, tmp_path):
        item = {"path": str(tmp_path / "a"), "mode": "0700"}
        assert files.directories([item]) == [f"made {item['path']}"]
        assert files.directories([item]) == []
        os.chmod(tmp_path / "a", 0o755)
        assert files.directories([item]) == [f"set the mode of {item['path']}"]

    def test_paths_that_shall_not_be_go(self, tmp_path):
        (tmp_path / "folder" / "in").mkdir(parents=True)
        (tmp_path / "file").touch()
        (tmp_path / "link").symlink_to("nowhere")
        paths = [str(tmp_path / name) for name in ("folder", "file", "link", "absent")]
        assert len(files.absent(paths)) == 3
        assert os.listdir(tmp_path) == []
        assert files.absent(paths) == []

    def test_a_kernel_setting_that_fits_is_left(self):
        with open("/proc/sys/kernel/pid_max") as file:
            assert files.kernel_settings({"kernel.pid_max": file.read().strip()}) == []

    def test_a_kernel_setting_that_cannot_be_is_named(self):
        with pytest.raises(host.Failure) as failed:
            files.kernel_settings({"kernel.no_such_setting": "1"})
        assert (failed.value.code, failed.value.subject) == ("kernel-setting", "kernel.no_such_setting=1")


@given(contents=st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=20)))
def test_the_digest_follows_contents_and_presence(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("digest")
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    paths = [str(folder / name) for name in "abcd"]
    before = files.digest(paths)
    assert before == files.digest(reversed(paths))
    (folder / "a").write_bytes(contents.get("a", b"") + b"!")
    assert files.digest(paths) != before


class TestPrograms:
    def test_output_is_given(self):
        assert host.run(["echo", "well"], "test") == "well\n"

    def test_a_bad_end_carries_what_was_said(self):
        with pytest.raises(host.Failure) as failed:
            host.run(["sh", "-c", "echo because; exit 3"], "unit-start", "etcd.service")
        assert failed.value.as_result() == {
            "code": "unit-start",
            "subject": "etcd.service",
            "evidence": "because\n",
        }

    def test_a_full_disk_is_recognised_whatever_failed(self):
        with pytest.raises(host.Failure) as failed:
            host.run(["sh", "-c", "echo 'dpkg: No space left on device'; exit 1"], "package-install")
        assert failed.value.code == "disk-full"

    def test_a_program_that_hangs_is_ended(self):
        with pytest.raises(host.Failure) as failed:
            host.run(["sleep", "60"], "test", timeout=0.1)
        assert failed.value.code == "time-out"

    def test_a_missing_program_is_a_failure_like_others(self):
        with pytest.raises(host.Failure) as failed:
            host.run(["no-such-program"], "runtime")
        assert failed.value.code == "runtime"

    @pytest.mark.parametrize(
        ("number", "code"), [(28, "disk-full"), (122, "disk-full"), (30, "read-only"), (13, "file")]
    )
    def test_errors_of_the_system_have_codes(self, number, code):
        failure = host.from_os_error(OSError(number, "x", "/opt/file"))
        assert (failure.code, failure.subject) == (code, "/opt/file")


class TestPackages:
    @pytest.fixture
    def apt(self, monkeypatch, tmp_path):
        """A package system that writes down what it is asked."""
        state = {"installed": {"libc6": "2.36"}, "asked": []}

        def run(arguments, code, subject="", timeout=120, check=True):
            state["asked"].append(arguments)
            if "install" in arguments:
                if state.get("fails"):
                    state["installed"] |= {"runc": "1.1"}
                    raise host.Failure("package-install", subject, "E: broken")
                state["installed"] |= {"containerd": "1.6", "runc": "1.1"}
            return ""

        monkeypatch.setattr(packages, "run", run)
        monkeypatch.setattr(packages, "installed", lambda: dict(state["installed"]))
        monkeypatch.setattr(packages, "RECORD", str(tmp_path / "packages.json"))
        monkeypatch.setattr(packages, "SOURCE", str(tmp_path / "kcloud.list"))
        return state

    @root_only
    def test_only_what_is_missing_is_asked_for_and_remembered(self, apt):
        changes = packages.install("/opt/kcloud/debs", ["libc6", "containerd"])
        assert changes == ["installed containerd 1.6", "installed runc 1.1"]
        assert apt["asked"][-1][-1] == "containerd"
        assert packages.recorded() == ["containerd", "runc"]

    def test_nothing_missing_asks_nobody(self, apt):
        assert packages.install("/opt/kcloud/debs", ["libc6"]) == []
        assert apt["asked"] == []

    @root_only
    def test_the_hosts_own_sources_are_never_read(self, apt):
        packages.install("/opt/kcloud/debs", ["containerd"])
        for arguments in apt["asked"]:
            if arguments[0] == "apt-get":
                assert "Dir::Etc::sourceparts=-" in arguments
                assert f"Dir::Etc::sourcelist={packages.SOURCE}" in arguments

    @root_only
    def test_what_a_failed_installation_left_is_remembered_too(self, apt, monkeypatch):
        monkeypatch.setitem(apt, "fails", True)
        with pytest.raises(host.Failure, match="package-install"):
            packages.install("/opt/kcloud/debs", ["containerd"])
        assert packages.recorded() == ["containerd", "runc"]

    def test_an_archive_tells_its_images(self, tmp_path):
        archive = tmp_path / "image.tar"
        (tmp_path / "manifest.json").write_text(json.dumps([{"RepoTags": ["kcloud.local/pause:1"]}]))
        with tarfile.open(archive, "w") as tar:
            tar.add(tmp_path / "manifest.json", "manifest.json")
        assert packages.names_in(str(archive)) == {"kcloud.local/pause:1"}

    def test_an_archive_that_is_none_is_named(self, tmp_path):
        (tmp_path / "image.tar").write_text("no tar")
        with pytest.raises(host.Failure) as failed:
            packages.names_in(str(tmp_path / "image.tar"))
        assert (failed.value.code, failed.value.subject) == ("image-import", "image.tar")


@root_only
class TestUnits:
    @pytest.fixture
    def systemd(self, monkeypatch, tmp_path):
        """A systemd that starts whatever it is told, unless it is told to fail."""
        state = {"active": set(), "asked": [], "broken": set()}

        def run(arguments, code, subject="", timeout=120, check=True):
            state["asked"].append(arguments[1:])
            name = arguments[-1]
            if arguments[1] == "is-active":
                return "active\n" if name in state["active"] else "inactive\n"
            if arguments[1] == "restart":
                if name in state["broken"]:
                    raise host.Failure("unit-start", name, "exit 1")
                state["active"].add(name)
            return ""

        monkeypatch.setattr(units, "run", run)
        monkeypatch.setattr(units, "journal", lambda name: f"last words of {name}")
        monkeypatch.setattr(units, "UNITS", str(tmp_path / "units"))
        monkeypatch.setattr(units, "APPLIED", str(tmp_path / "applied"))
        (tmp_path / "units").mkdir()
        (tmp_path / "units" / "etcd.service").write_text("[Service]")
        (tmp_path / "key").write_text("one")
        return state

    def item(self, tmp_path, **changes):
        return {
            "name": "etcd.service", "restart_on": [str(tmp_path / "key")], "block": True, "timeout": 5, **changes
        }  # fmt: skip

    def restarts(self, systemd):
        return [asked for asked in systemd["asked"] if asked[0] == "restart"]

    def test_a_unit_is_enabled_and_started_once(self, systemd, tmp_path):
        assert units.converge([self.item(tmp_path)], True) == ["enabled etcd.service", "started etcd.service"]
        assert units.converge([self.item(tmp_path)], False) == []
        assert len(self.restarts(systemd)) == 1

    def test_a_changed_file_restarts_it(self, systemd, tmp_path):
        units.converge([self.item(tmp_path)], True)
        (tmp_path / "key").write_text("two")
        assert units.converge([self.item(tmp_path)], False) == ["restarted etcd.service"]

    def test_a_run_cut_off_before_the_restart_is_made_good(self, systemd, tmp_path):
        units.converge([self.item(tmp_path)], True)
        (tmp_path / "units" / "etcd.service").write_text("[Service]\nNice=5")  # written, then the worker died
        assert units.converge([self.item(tmp_path)], False) == ["restarted etcd.service"]
        assert ["daemon-reload"] in systemd["asked"]

    def test_a_unit_somebody_stopped_is_started_again(self, systemd, tmp_path):
        units.converge([self.item(tmp_path)], True)
        systemd["active"].clear()
        assert units.converge([self.item(tmp_path)], False) == ["started etcd.service"]

    def test_a_unit_that_does_not_start_speaks_last_words(self, systemd, tmp_path):
        systemd["broken"].add("etcd.service")
        for _attempt in range(2):  # a failed start is not taken for done
            with pytest.raises(host.Failure) as failed:
                units.converge([self.item(tmp_path)], True)
            assert failed.value.code == "unit-start"
            assert failed.value.evidence == "last words of etcd.service"

    def test_a_unit_may_be_started_without_waiting(self, systemd, tmp_path):
        units.converge([self.item(tmp_path, block=False)], True)
        assert self.restarts(systemd) == [["restart", "--no-block", "etcd.service"]]

    def test_waiting_ends_when_the_unit_has_failed(self, systemd, tmp_path, monkeypatch):
        monkeypatch.setattr(units, "_state", lambda name: "failed")
        wait = {"url": "http://127.0.0.1:1/healthz", "authority": "", "unit": "etcd.service", "timeout": 30}
        with pytest.raises(host.Failure) as failed:
            units.wait_all([wait])
        assert (failed.value.code, failed.value.evidence) == ("unit-start", "last words of etcd.service")

    def test_waiting_in_vain_says_what_was_seen(self, systemd):
        wait = {"url": "http://127.0.0.1:1/healthz", "authority": "", "unit": "", "timeout": 0}
        with pytest.raises(host.Failure) as failed:
            units.wait_all([wait])
        assert failed.value.code == "not-ready"
        assert "refused" in failed.value.evidence


class TestBundle:
    def items(self, folder, **files_):
        import hashlib

        for name, content in files_.items():
            (folder / name).write_bytes(content)
        return [
            {
                "path": name,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "mode": "0644",
            }
            for name, content in files_.items()
        ]

    def test_only_what_is_absent_or_other_is_missing(self, tmp_path):
        items = self.items(tmp_path, a=b"aaa", b=b"bbb", c=b"ccc")
        (tmp_path / "b").write_bytes(b"bXb")
        (tmp_path / "c").unlink()
        assert bundle.missing(str(tmp_path), items) == ["b", "c"]

    def test_a_disk_that_cannot_hold_it_is_refused_before_the_copy(self, tmp_path):
        with pytest.raises(host.Failure) as failed:
            bundle.refuse_full(str(tmp_path), 1 << 60)
        assert failed.value.code == "disk-full"
        assert "MB are needed" in failed.value.evidence

    def test_nothing_to_copy_needs_no_room(self, tmp_path):
        bundle.refuse_full(str(tmp_path), 0)
