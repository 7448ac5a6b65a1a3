"""Names of images mean what every container runtime takes them for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.specs.images import Reference, ReferenceInvalid, parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("nginx", Reference("docker.io", "library/nginx", "latest")),
        ("nginx:1.27", Reference("docker.io", "library/nginx", "1.27")),
        ("team/shop", Reference("docker.io", "team/shop", "latest")),
        ("index.docker.io/team/shop:1", Reference("docker.io", "team/shop", "1")),
        ("localhost/shop", Reference("localhost", "shop", "latest")),
        (
            "registry.example.com:5000/a/b_c/d--e:1.2-x",
            Reference("registry.example.com:5000", "a/b_c/d--e", "1.2-x"),
        ),
        (f"example.com/shop@{DIGEST}", Reference("example.com", "shop", "", DIGEST)),
        (f" example.com/shop:1@{DIGEST} ", Reference("example.com", "shop", "1", DIGEST)),
        ("[fd00::1]:5000/shop:1", Reference("[fd00::1]:5000", "shop", "1")),
    ],
)
def test_a_name_is_read_as_runtimes_read_it(text, meant):
    assert parse_reference(text) == meant


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "form"),
        ("two words", "form"),
        ("Shop", "repository"),
        ("example.com/", "repository"),
        ("example.com/shop/../other", "repository"),
        ("example.com/shop:", "tag"),
        ("example.com/shop:-1", "tag"),
        ("example.com/shop@sha256:12", "digest"),
        ("exa_mple.com:80:80/shop", "host"),
        ("https://example.com/shop", "host"),
        ("a" * 501, "form"),
    ],
)
def test_what_names_no_image_is_refused_by_its_part(text, code):
    with pytest.raises(ReferenceInvalid) as refused:
        parse_reference(text)
    assert refused.value.problem.code == code
    assert refused.value.problem.remedy


def test_pinning_drops_the_tag():
    assert str(parse_reference("example.com/shop:1").at(DIGEST)) == f"example.com/shop@{DIGEST}"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_and_what_is_read_reads_the_same_again(text):
    try:
        found = parse_reference(text)
    except ReferenceInvalid:
        return
    assert parse_reference(str(found)) == found
