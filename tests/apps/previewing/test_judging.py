"""What a preview says, from raw objects; and that it holds for any of them."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.manifests.workload import Place, objects
from apps.previewing.changes import keys_of
from apps.previewing.facts import Configuration, Facts, ImageAnswer, Refusal, Room, Storage, key_of
from apps.previewing.judging import preview
from apps.previewing.needs import BLUE_GREEN, RECREATE, Wave, amount, asks, peak_of
from apps.specs.reading import parse

GIB = 2**30


def wanted(image="web:1", replicas=2, **container):
    spec = {
        "containers": [
            {
                "name": "web",
                "image": image,
                "ports": [{"name": "http", "port": 8080}],
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
                "probes": {"readiness": {"type": "tcp", "port": 8080}},
                **container,
            }
        ],
        "service": {"ports": [{"name": "http", "port": 80}]},
    }
    place = Place("retail-dev", "web", "retail", "dev", 1, replicas)
    return tuple(objects(parse(spec), place))


def running(objs):
    """As a server keeps them: with its own bookkeeping."""
    kept = {}
    for each in objs:
        found = copy.deepcopy(each)
        found["metadata"] |= {"uid": "u", "resourceVersion": "7", "managedFields": [{}], "generation": 3}
        found["status"] = {"replicas": 2}
        kept[key_of(found)] = found
    return kept


def facts(then, now=(), **values):
    answers = {key_of(each): each for each in then}
    values = {"nodes": (Room("w1", 8, 16 * GIB, 110),), **values}
    return Facts(wanted=tuple(then), found=running(now), **{"answers": answers, **values})


def quota(**hard_used):
    hard = {name: str(pair[0]) for name, pair in hard_used.items()}
    used = {name: str(pair[1]) for name, pair in hard_used.items()}
    names = {"cpu": "requests.cpu", "memory": "requests.memory"}
    rename = lambda found: {names.get(name, name): value for name, value in found.items()}  # noqa: E731
    return ({"status": {"hard": rename(hard), "used": rename(used)}},)


def codes(found, level=None):
    return {each.problem.code for each in found.findings if level in (None, each.level)}


def test_the_first_deployment_creates_everything_and_replaces_nothing():
    found = preview(facts(wanted()))
    assert {each.what for each in found.objects} == {"create"}
    assert (found.restart.replaced, found.restart.made, found.blocked) == (0, 2, False)


def test_the_servers_bookkeeping_is_no_change():
    found = preview(facts(wanted(), wanted()))
    assert found.changes_nothing
    assert found.restart.replaced == 0


def test_another_image_is_named_field_by_field_and_replaces_every_pod():
    found = preview(facts(wanted("web:2"), wanted("web:1")))
    changed = next(each for each in found.objects if each.kind == "Deployment")
    assert [(each.before, each.after) for each in changed.fields] == [("web:1", "web:2")]
    assert "containers.web.image" in changed.fields[0].path
    assert (found.restart.replaced, found.restart.surge) == (2, 1)
    assert found.restart.because == ("containers.web.image",)


def test_scaling_replaces_no_pod():
    found = preview(facts(wanted(replicas=5), wanted(replicas=2)))
    assert (found.restart.replaced, found.restart.made) == (0, 3)


def test_what_is_not_wanted_any_more_is_deleted_but_what_the_way_back_needs_stays():
    old = {"kind": "ConfigMap", "metadata": {"name": "web-variables-3"}, "data": {}}
    assert preview(facts(wanted(), (*wanted(), old))).count("delete") == 1
    assert preview(facts(wanted(), (*wanted(), old), kept=keys_of([old]))).count("delete") == 0


def test_a_secret_shows_which_keys_change_and_no_value():
    before = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"KEY": "aGlkZGVu"}}
    after = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"KEY": "c2VjcmV0"}}
    found = preview(facts((*wanted(), after), (before,)))
    (change,) = next(each for each in found.objects if each.kind == "Secret").fields
    assert change.path.endswith("KEY")
    assert "aGlkZGVu" not in repr(found)
    assert "c2VjcmV0" not in repr(found)


def test_what_the_server_refuses_is_named_and_blocks():
    answers = {("Deployment", "web"): Refusal("violates PodSecurity", "runAsNonRoot")}
    found = preview(facts(wanted(), answers=answers))
    assert codes(found, "block") == {"refused"}
    assert next(each.why for each in found.objects if each.what == "refused").startswith("violates")


def test_a_quota_that_does_not_suffice_blocks_and_says_what_lacks():
    found = preview(facts(wanted(replicas=4), quotas=quota(cpu=(1, 0), pods=(10, 0))))
    assert codes(found, "block") == {"quota"}
    use = next(each for each in found.uses if each.resource == "requests.cpu")
    assert (use.after, use.hard, use.lacking) == (2.0, 1.0, 1.0)


def test_a_quota_without_room_for_the_surge_stalls_a_rollout():
    full = quota(cpu=(1, 1))
    found = preview(facts(wanted("web:2"), wanted("web:1"), quotas=full))
    assert codes(found, "block") == {"quota_surge"}
    found = preview(facts(wanted("web:2"), wanted("web:1"), quotas=full, surge="0", unavailable="1"))
    assert not found.blocked
    found = preview(facts(wanted("web:2"), wanted("web:1"), quotas=full, strategy="recreate"))
    assert not found.blocked
    assert "downtime" in codes(found, "warn")


@pytest.mark.parametrize(
    ("room", "reason"),
    [
        (Room("w", 8, GIB * 8, 10, ready=False), "not ready"),
        (Room("w", 8, GIB * 8, 10, schedulable=False), "closed to new pods"),
        (Room("w", 8, GIB * 8, 10, taints=(("gpu", "NoSchedule"),)), "a taint the pods do not tolerate"),
        (Room("w", 0.2, GIB * 8, 10), "too little CPU"),
        (Room("w", 8, GIB // 2, 10), "too little memory"),
        (Room("w", 8, GIB * 8, 0), "its number of pods is reached"),
    ],
)
def test_each_reason_that_keeps_pods_from_a_node_is_named(room, reason):
    found = preview(facts(wanted(), nodes=(room,)))
    assert codes(found, "block") == {"unschedulable"}
    assert found.against == ((reason, 1),)


def test_too_little_room_for_all_is_told_in_numbers():
    found = preview(facts(wanted(replicas=5), nodes=(Room("w", 1, GIB * 9, 10),)))
    (finding,) = [each for each in found.findings if each.level == "block"]
    assert finding.problem.facts == {"more": 5, "room": 2}


def test_one_pod_and_no_readiness_are_worth_a_thought():
    found = preview(facts(wanted(replicas=1, probes={})))
    assert {"single", "no_readiness"} <= codes(found, "warn")
    assert not found.blocked


def test_a_limit_alone_counts_as_the_request_and_a_limit_range_fills_in():
    template = {"spec": {"containers": [{"resources": {"limits": {"cpu": "2"}}}, {}]}}
    ranges = ({"spec": {"limits": [{"type": "Container", "defaultRequest": {"memory": "1Gi"}}]}},)
    asked = asks(template, ranges)
    assert (asked["requests.cpu"], asked["requests.memory"]) == (2, 2 * GIB)


@pytest.mark.parametrize(
    ("text", "pods", "up", "number"), [("25%", 2, True, 1), ("25%", 2, False, 0), ("3", 9, True, 3)]
)
def test_shares_are_rounded_as_kubernetes_does(text, pods, up, number):
    assert amount(text, pods, up=up) == number


calmly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
SIZES = st.integers(0, 50)
WAVES = st.builds(
    Wave, SIZES, SIZES, SIZES, SIZES, st.booleans(), st.sampled_from(["rolling", RECREATE, BLUE_GREEN])
)


@calmly
@given(WAVES, st.integers(0, 9), st.integers(0, 9))
def test_the_peak_is_never_less_than_either_end(wave, old, new):
    assert peak_of(wave, old, new) >= max(wave.before * old, wave.after * new)


@calmly
@given(WAVES, st.integers(0, 9), st.integers(0, 9), SIZES)
def test_no_moment_of_a_rolling_deployment_asks_for_more_than_the_peak(wave, old, new, made):
    made = min(made, wave.after)
    total = wave.after + wave.surge
    left = min(wave.before, max(0, total - made))
    if wave.replaced and wave.strategy == "rolling" and (left == wave.before or made + left <= total):
        made = made if made + left <= max(total, wave.before) else 0
        assert made * new + left * old <= peak_of(wave, old, new)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["kind", "metadata", "spec", "status", "template", "containers", "replicas", "hard"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(["spec", "status", "metadata", "data"]), JSON, max_size=3)


@calmly
@given(OBJECTS, OBJECTS, OBJECTS)
def test_odd_content_of_a_cluster_never_breaks_it(found, answer, odd_quota):
    then = wanted()
    key = ("Deployment", "web")
    base = facts(then, quotas=(odd_quota,), limits=(odd_quota,))
    preview(Facts(base.wanted, {key: found}, {**base.answers, key: answer}, quotas=(odd_quota,)))


def having(**values):
    return preview(facts(wanted(), **values))


@pytest.mark.parametrize(
    ("state", "code", "level"),
    [
        ("absent", "image_absent", "block"),
        ("forbidden", "image_forbidden", "block"),
        ("unasked", "image_unasked", "warn"),
    ],
)
def test_an_image_that_cannot_be_pulled_blocks_but_not_one_nobody_could_ask_for(state, code, level):
    found = having(images=(ImageAnswer("web:1", state, "the registry says so"),))
    (finding,) = [each for each in found.findings if each.problem.code == code]
    assert (finding.level, "the registry says so" in finding.problem.message) == (level, True)
    assert finding.problem.remedy
    assert found.blocked == (level == "block")


def test_an_image_that_runs_already_is_worth_a_thought_when_it_went_from_the_registry():
    found = preview(facts(wanted(), wanted(), images=(ImageAnswer("web:1", "absent"),)))
    assert "image_going" in codes(found, "warn")
    assert not found.blocked


def test_images_that_are_there_are_said_to_be():
    assert "images_there" in codes(having(images=(ImageAnswer("web:1", "there"),)), "pass")


@pytest.mark.parametrize(
    ("there", "code"),
    [
        (Configuration(published=False, chosen=False), "configuration_missing"),
        (Configuration(published=True, chosen=False), "configuration_not_chosen"),
        (Configuration(published=True, chosen=True, lacking=("DB_PASSWORD",)), "configuration_lacks"),
    ],
)
def test_configuration_that_is_read_and_not_there_is_named(there, code):
    (finding,) = [each for each in having(configuration=there).findings if each.problem.code == code]
    assert (finding.level, bool(finding.problem.remedy)) == ("warn", True)
    assert all(name in finding.problem.message for name in there.lacking)


def test_configuration_is_not_spoken_of_when_none_is_read():
    assert not any("configuration" in code for code in codes(having()))
    assert "configuration_there" in codes(having(configuration=Configuration(True, True)), "pass")


def keeping(storage_class="", replicas=1):
    volume = {"name": "data", "type": "claim", "size": "1Gi", "storage_class": storage_class}
    container = {"name": "db", "image": "db:1", "mounts": [{"volume": "data", "path": "/data"}]}
    spec = {"kind": "StatefulSet", "containers": [container], "volumes": [volume]}
    return tuple(objects(parse(spec), Place("retail-dev", "db", "retail", "dev", 1, replicas)))


@pytest.mark.parametrize(
    ("named", "storage", "code", "level"),
    [
        ("fast", Storage(frozenset({"slow"}), "slow"), "storage_class", "block"),
        ("fast", Storage(frozenset({"fast"})), "storage_there", "pass"),
        ("fast", Storage(unclaimed=frozenset({"fast"})), "storage_there", "pass"),
        ("", Storage(frozenset({"slow"}), "slow"), "storage_there", "pass"),
        ("", Storage(frozenset({"slow"})), "storage_default", "block"),
        ("", Storage(unclaimed=frozenset({""})), "storage_there", "pass"),
        ("", None, "storage_unseen", "warn"),
    ],
)
def test_a_storage_class_that_is_not_there_blocks(named, storage, code, level):
    assert code in codes(preview(facts(keeping(named), storage=storage)), level)


def test_claims_that_are_there_already_need_no_class():
    same = preview(facts(keeping("fast"), keeping("fast"), storage=Storage()))
    more = preview(facts(keeping("fast", 2), keeping("fast"), storage=Storage()))
    assert (codes(same, "block"), codes(more, "block")) == (set(), {"storage_class"})
