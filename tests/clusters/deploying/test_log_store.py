"""What nodes are told of the log store: nothing that could become another line of a unit file; secrets in files."""

import datetime
import json

import pytest

from clusters.deploying import log_store, node_files, pki
from clusters.deploying.log_store import LogStoreAddress
from clusters.manifests import log_shipping
from tests.clusters import deployments

NOW = datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC)
THREE = deployments.make(masters=3)
SECRETS = pki.complete({}, node_files.layout(THREE), now=NOW)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "10.0.0.9:9428",
        "http://a b",
        "http://x\nUser=root",
        "http://u:p@10.0.0.9",
        "ftp://x",
        "http://x/$(a)",
    ],
)
def test_what_is_no_address_gets_into_no_unit(url):
    with pytest.raises(ValueError, match="not the address"):
        LogStoreAddress(url)


@pytest.mark.parametrize(("user", "password"), [("a b", "x"), ("a\nb", "x"), ("a", "x\ny")])
def test_what_is_no_user_or_password_gets_into_no_unit(user, password):
    with pytest.raises(ValueError, match="cannot be told"):
        LogStoreAddress("http://10.0.0.9:9428", user, password)


def test_lines_are_sent_below_the_address():
    assert (
        LogStoreAddress("https://logs.example.com/store").inserting
        == "https://logs.example.com/store/insert/native"
    )


def test_secrets_are_files_of_root_and_not_in_what_the_unit_says():
    store = LogStoreAddress("http://10.0.0.9:9428", "kcloud", "secret", b"CERTIFICATE")
    files = {file["path"]: file for file in node_files.log_shipper_files(THREE, SECRETS, store)}
    assert {file["mode"] for file in files.values()} == {"0600"}
    assert files["/etc/kubernetes/log-shipper.password"]["secret_content"] == "secret"
    told = node_files.log_shipper_variables(store)
    assert "secret" not in json.dumps(told)
    assert {each["path"] for each in told["credentials"]} == set(files)


def test_a_store_that_asks_for_nothing_is_told_nothing():
    store = LogStoreAddress("http://10.0.0.9:9428")
    (account,) = node_files.log_shipper_files(THREE, SECRETS, store)
    assert account["path"].endswith(".conf")
    assert [each["key"] for each in node_files.log_shipper_variables(store)["credentials"]] == ["kubeconfig"]
    assert node_files.log_shipper_variables(None) == {}


def test_its_account_is_the_certificates_and_the_balancer_is_its_way():
    (account,) = node_files.log_shipper_files(THREE, SECRETS, LogStoreAddress("http://10.0.0.9:9428"))
    document = json.loads(account["secret_content"])
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    named = [
        spec.common_name for spec in pki.certificates(node_files.layout(THREE)) if spec.name == "log-shipper"
    ]
    assert named == [document["users"][0]["name"]] == [log_shipping.USER]


def test_a_node_is_silent_when_it_was_not_heard_of_for_three_beats():
    heard = {"w1": NOW, "w2": NOW - datetime.timedelta(seconds=91), "gone": NOW}
    assert log_store.silent(["w1", "w2", "w3"], heard, NOW) == ["w2", "w3"]
