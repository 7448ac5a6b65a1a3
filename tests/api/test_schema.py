"""The OpenAPI description in the repository is the one the code gives."""

import io
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command

KEPT = Path(__file__).parent.parent.parent / "docs/openapi.yaml"


@pytest.fixture(scope="module")
def kept():
    return yaml.safe_load(KEPT.read_text())


def test_it_is_current_and_made_without_a_warning():
    made = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=made)
    assert made.getvalue() == KEPT.read_text(), "run: manage.py spectacular --file docs/openapi.yaml"


def test_every_answer_that_refuses_is_a_problem(kept):
    for path, methods in kept["paths"].items():
        for method, said in methods.items():
            refused = said["responses"]["4XX"]["content"]
            assert list(refused) == ["application/problem+json"], (path, method)


def test_every_post_may_be_repeated_and_every_change_of_a_versioned_thing_names_its_version(kept):
    def headers(said):
        return {each["name"] for each in said.get("parameters", ()) if each["in"] == "header"}

    for path, methods in kept["paths"].items():
        assert "post" not in methods or "Idempotency-Key" in headers(methods["post"]), path
    for path in ("tenants/{name}", "regions/{name}", "hosts/{name}"):
        assert "If-Match" in headers(kept["paths"][f"/api/v1/{path}"]["patch"])
    assert "If-Match" in headers(kept["paths"]["/api/v1/clusters/{name}/plan"]["put"])


def test_what_may_only_go_in_is_in_no_answer(kept):
    shapes = kept["components"]["schemas"]
    assert "secret" not in shapes["CredentialSpec"]["properties"]
    assert "secret" in shapes["CredentialSpecRequest"]["properties"]
