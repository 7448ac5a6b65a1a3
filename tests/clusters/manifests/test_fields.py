"""What a cluster says is taken for a map or a list of maps, or for nothing."""

from hypothesis import given
from hypothesis import strategies as st

from clusters.manifests.fields import map_of, maps_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_map_is_itself_and_anything_else_an_empty_one(value):
    assert map_of(value) == (value if isinstance(value, dict) else {})


@given(JSON)
def test_only_the_maps_of_a_list_are_kept_in_order(value):
    wanted = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    assert maps_of(value) == wanted
