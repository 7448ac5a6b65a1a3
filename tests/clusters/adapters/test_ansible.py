"""The door to Ansible, tried with real playbooks on this machine: events, failures, cancelling, secrets, values."""

import json
import os
import signal
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.adapters import ansible
from clusters.adapters.ansible import AnsibleBroken, VariableRefused, refuse_keys, unsafe
from kcloud_site.operations.processes import start_time
from tests.operations import processes

LOCAL = {
    "all": {
        "hosts": {
            name: {
                "ansible_connection": "local",
                "ansible_become": False,
                "ansible_python_interpreter": "/usr/bin/python3",
            }
            for name in ("h1", "h2", "h3")
        }
    }
}


@pytest.fixture
def playbooks(tmp_path, monkeypatch):
    """Write playbooks; the adapter finds them, with the product's own settings and modules."""
    root = tmp_path / "ansible"
    (root / "playbooks").mkdir(parents=True)
    for name in ("ansible.cfg", "plugins"):
        (root / name).symlink_to(ansible.ROOT / name)
    monkeypatch.setattr(ansible, "ROOT", root)

    def write(tasks, name="try"):
        head = "- hosts: all\n  gather_facts: false\n  tags: [now]\n  tasks:\n"
        text = head + textwrap.indent(textwrap.dedent(tasks), "    ")
        (root / "playbooks" / f"{name}.yml").write_text(text)

    return write


def run(variables=None, hosts=("h1",), cancelled=lambda: False, on_event=None, **options):
    events = []
    result = ansible.run_playbook(
        "try",
        inventory=options.pop("inventory", LOCAL),
        variables=variables or {},
        hosts=hosts,
        on_event=on_event or events.append,
        cancelled=cancelled,
        sockets=f"test-{os.getpid()}",
        **options,
    )
    return result, events


def test_each_host_is_told_as_it_starts_and_as_it_is_done(playbooks):
    playbooks("- name: Look\n  ansible.builtin.command: 'true'\n  changed_when: inventory_hostname == 'h1'\n")
    result, events = run(hosts=("h1", "h3"), tags=("now",))
    assert sorted(result.succeeded) == ["h1", "h3"]
    assert result.failed == ()
    assert {(event.kind, event.host) for event in events} == {
        ("started", "h1"), ("started", "h3"), ("done", "h1"), ("done", "h3"),
    }  # fmt: skip
    assert {event.host: event.changed for event in events if event.kind == "done"} == {
        "h1": True,
        "h3": False,
    }
    assert {event.task for event in events} == {"Look"}


def test_a_failing_host_is_explained_and_the_others_go_on(playbooks):
    playbooks(
        """
        - name: Break one
          ansible.builtin.shell: '[ {{ inventory_hostname }} != h2 ] || { echo no space left >&2; exit 3; }'
        - name: Go on
          ansible.builtin.command: 'true'
        """
    )
    result, events = run(hosts=("h1", "h2", "h3"))
    assert sorted(result.succeeded) == ["h1", "h3"]
    assert result.failed == ("h2",)
    (failed,) = [event for event in events if event.kind == "failed"]
    assert (failed.host, failed.task) == ("h2", "Break one")
    assert failed.failure["code"] == "task"
    assert {event.host for event in events if event.task == "Go on"} == {"h1", "h3"}


def test_a_failure_of_our_modules_keeps_its_code(playbooks, tmp_path):
    (tmp_path / "blocked").write_text("a file where a directory must be")
    playbooks(
        """
        - name: Converge
          kcloud_converge:
            fence: {owner: test, operation: 1, fencing: 1}
            directories: [{path: "{{ place }}/inside", mode: "0755"}]
        """
    )
    if os.getuid() != 0:
        pytest.skip("the host's lock belongs to root")
    result, events = run({"place": str(tmp_path / "blocked")})
    assert result.failed == ("h1",)
    assert events[-1].failure["code"] == "file"
    assert str(tmp_path / "blocked") in events[-1].failure["subject"]


def test_an_unreachable_host_is_called_so(playbooks):
    playbooks("- name: Reach\n  ansible.builtin.ping:\n")
    nobody = {
        "all": {"hosts": {"h1": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "nobody"}}}
    }
    result, events = run(inventory=nobody)
    assert result.failed == ("h1",)
    assert events[-1].kind == "unreachable"
    assert events[-1].failure["code"] == "unreachable"
    assert "refused" in events[-1].failure["evidence"]


def test_no_hosts_is_nothing_to_do(playbooks):
    assert run(hosts=()) == (ansible.Result((), ()), [])


@pytest.mark.parametrize(
    "value", ["{{ 7 * 7 }}", "{% for x in y %}", "{{ lookup('pipe', 'id') }}", "!unsafe x", "a\nb: c"]
)
def test_a_users_value_is_text_and_never_a_template(playbooks, tmp_path, value):
    playbooks(
        """
        - name: Write it
          ansible.builtin.copy:
            content: "{{ told.deep[0].value }}"
            dest: "{{ told.file }}"
            mode: "0600"
        """
    )
    file = tmp_path / "seen"
    result, _events = run({"told": {"deep": [{"value": value}], "file": str(file)}})
    assert result.succeeded == ("h1",)
    assert file.read_text() == value


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_connection": "local"},
        {"ok": {"ansible_ssh_common_args": "-o ProxyCommand=id"}},
        {"ok": [{"deep": {"ANSIBLE_BECOME": True}}]},
        {"{{ evil }}": 1},
        {"a b": 1},
        {"": 1},
        {3: "not a name"},
        {"__ansible_unsafe": "x"},
    ],
)
def test_keys_that_would_steer_ansible_are_refused_before_anything_runs(playbooks, variables):
    with pytest.raises(VariableRefused) as refused:
        run(variables)
    assert refused.value.remedy


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_string_inside_is_marked_unsafe(value):
    def strings(data, marked=False):
        if isinstance(data, str):
            yield marked
        elif isinstance(data, dict):
            for key, inner in data.items():
                yield from strings(inner, key == "__ansible_unsafe")
        elif isinstance(data, list):
            for inner in data:
                yield from strings(inner)

    assert all(strings(unsafe(value)))


@given(st.dictionaries(st.text(), st.integers(), min_size=1))
def test_what_passes_the_check_has_only_plain_keys(value):
    try:
        refuse_keys({"inner": value})
    except VariableRefused:
        return
    assert all(key.isascii() and not key.lower().startswith("ansible_") for key in value)


def test_the_environment_holds_nothing_of_the_portals(playbooks, tmp_path, monkeypatch):
    monkeypatch.setenv("KCLOUD_MASTER_KEY", "very-secret-master-key")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "minimal")
    playbooks(
        """
        - name: Show it
          ansible.builtin.shell: env > {{ file }}
        """
    )
    run({"file": str(tmp_path / "env")}, environment={"KCLOUD_OPERATION": "7"})
    seen = (tmp_path / "env").read_text()
    assert "very-secret-master-key" not in seen
    assert "KCLOUD_OPERATION=7" in seen


def test_the_run_lives_in_a_private_directory_that_is_gone_afterwards(playbooks, tmp_path):
    playbooks(
        """
        - name: Show it
          ansible.builtin.shell: stat -c '%a %n' "$HOME" "$HOME/variables.json" > {{ file }}
        """
    )
    run({"file": str(tmp_path / "seen"), "secret": "s3cret-value"})
    directory, variables = (line.split() for line in (tmp_path / "seen").read_text().splitlines())
    assert directory[0] == "700"
    assert variables[0] == "600"
    assert not Path(directory[1]).exists()


def test_secrets_and_keys_are_blacked_out(playbooks):
    playbooks(
        """
        - name: Blurt
          ansible.builtin.shell: 'echo password=hunter2-hunter2; echo "{{ key }}"; exit 1'
        """
    )
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBxyz\n-----END EC PRIVATE KEY-----"
    _result, events = run({"key": key}, secrets=["hunter2-hunter2"])
    told = json.dumps([event.failure for event in events if event.kind == "failed"])
    assert "hunter2" not in told
    assert "MHcCAQEEIBxyz" not in told
    assert "[not shown]" in told or "non-zero" in told


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
        "before -----BEGIN RSA PRIVATE KEY-----\\nabc\\n-----END RSA PRIVATE KEY----- after",
        "cut off -----BEGIN OPENSSH PRIVATE KEY-----\nabc",
    ],
)
def test_a_private_key_is_never_passed_on(text):
    assert "abc" not in ansible.redact(text)


def test_a_broken_playbook_is_ansibles_failure_and_no_hosts(playbooks):
    playbooks("- name: Nonsense\n  no_such_module_at_all:\n")
    with pytest.raises(AnsibleBroken) as broken:
        run()
    assert "no_such_module_at_all" in broken.value.why


WAITS = "- name: Wait\n  ansible.builtin.shell: echo $$ > {{ file }}; sleep 300\n"


def pid_in(file):
    return int(file.read_text()) if file.exists() and file.read_text().strip() else 0


def test_cancel_stops_ansible_and_what_it_started(playbooks, tmp_path):
    playbooks(WAITS)
    file = tmp_path / "pid"
    result, _events = run({"file": str(file)}, cancelled=lambda: pid_in(file) > 0)
    assert result.cancelled
    assert result.succeeded == ()
    processes.until(lambda: not _alive(pid_in(file)), 10)


def test_an_error_of_the_listener_stops_the_run_and_comes_back(playbooks, tmp_path):
    playbooks(WAITS)

    def refuse(event):
        raise LookupError(event.host)

    with pytest.raises(LookupError, match="h1"):
        run({"file": str(tmp_path / "pid")}, on_event=refuse)
    processes.until(lambda: not pid_in(tmp_path / "pid") or not _alive(pid_in(tmp_path / "pid")), 10)


def test_a_killed_worker_takes_ansible_with_it(playbooks, tmp_path):
    playbooks(WAITS)
    file = tmp_path / "pid"
    worker = processes.fork(lambda: run({"file": str(file)}))
    child = processes.until(lambda: pid_in(file), 30)
    processes.kill(worker)
    processes.until(lambda: not _alive(child), 10)


def test_a_run_that_lasts_too_long_is_ended(playbooks, tmp_path):
    playbooks(WAITS)
    file = tmp_path / "pid"
    with pytest.raises(AnsibleBroken):
        run({"file": str(file)}, timeout=4)
    if pid_in(file):
        processes.until(lambda: not _alive(pid_in(file)), 10)


def _alive(pid):
    return start_time(pid) is not None


def test_signals_of_the_worker_are_left_alone(playbooks):
    playbooks("- name: Look\n  ansible.builtin.command: 'true'\n")
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    run()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == before
