"""docs/api.md as a reader runs it: every example, in a shell, against a portal that listens."""

import datetime
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from django.utils import timezone

from kcloud_site.tenants.services import tokens

PAGE = (Path(__file__).parent.parent.parent / "docs/api.md").read_text()
EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE, re.S)


@pytest.mark.django_db(transaction=True)
def test_every_example_runs_as_written(live_server, operator):
    ends = timezone.now() + datetime.timedelta(days=40)
    _made, secret = tokens.create_token(
        user=operator, name="reader", tenant=None, role="platform_operator", expires_at=ends, by=operator
    )
    said = []
    for example in EXAMPLES:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", example],
            env={"PATH": os.environ["PATH"], "KCLOUD_URL": live_server.url, "KCLOUD_TOKEN": secret},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, (example, done.stdout, done.stderr)
        said.append(done.stdout)
    me, token, made, changed, _lists, _operations, quota, approved, environments, told, refused, gone = said
    assert json.loads(me)["username"] == "operator"
    assert json.loads(token)["secret"].startswith("kc_")
    assert json.loads(made)["spec"]["title"] == "South"
    assert json.loads(changed)["spec"]["title"] == "South, second floor"
    assert json.loads(quota)["spec"]["total"]["memory"] == "16Gi"
    assert json.loads(approved)["status"]["state"] == "applied"
    assert json.loads(environments)["count"] == 0
    sent, deliveries = told.replace("}{", "}\n{").splitlines()
    assert json.loads(sent)["event"] == "webhook.test"
    assert json.loads(deliveries)["results"][0]["state"] == "pending"
    assert json.loads(refused)["errors"][0]["pointer"] == "/name"
    assert gone == ""
