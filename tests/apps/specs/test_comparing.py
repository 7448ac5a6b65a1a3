"""The difference of two releases names the field, and calls things in lists by their names."""

from apps.specs.comparing import ADDED, CHANGED, REMOVED, differences
from apps.specs.reading import parse
from apps.specs.spec import as_json

WEB = {"containers": [{"name": "web", "image": "web:1"}]}


def _stored(value):
    return as_json(parse(value))


def test_equal_releases_have_no_difference():
    assert differences(_stored(WEB), _stored(WEB)) == []


def test_an_image_is_called_by_its_container():
    found = differences(_stored(WEB), _stored({"containers": [{"name": "web", "image": "web:2"}]}))
    assert [(each.path, each.before, each.after, each.what) for each in found] == [
        ("containers.web.image", "web:1", "web:2", CHANGED)
    ]


def test_one_container_more_is_one_change_and_one_less_too():
    more = {"containers": [*WEB["containers"], {"name": "side", "image": "s:1"}]}
    added, removed = differences(_stored(WEB), _stored(more)), differences(_stored(more), _stored(WEB))
    assert [(each.path, each.what) for each in added] == [("containers.side", ADDED)]
    assert [(each.path, each.what) for each in removed] == [("containers.side", REMOVED)]


def test_variables_are_compared_one_by_one():
    before = {"containers": [{**WEB["containers"][0], "environment": {"A": "1", "B": "2"}}]}
    after = {"containers": [{**WEB["containers"][0], "environment": {"A": "9"}}]}
    found = {each.path: each.what for each in differences(_stored(before), _stored(after))}
    assert found == {"containers.web.environment.A": CHANGED, "containers.web.environment.B": REMOVED}
