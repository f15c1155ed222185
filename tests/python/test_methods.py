"""The names of methods in requests."""

import grpc
import pytest
from refusals import refused
from values import int32


def test_a_refusal_of_an_unknown_method_names_the_nearest(client):
    with refused(grpc.StatusCode.NOT_FOUND, "METHOD_NOT_FOUND") as refusal:
        client.submit("ad", int32(1))
    assert refusal.message.startswith("Method not found: ad")
    assert "add" in refusal.message.removeprefix("Method not found: ad")


@pytest.mark.parametrize("method", ["add", "default/add"])
def test_the_namespace_may_be_left_out(client, method):
    assert client.submit(method, int32(1), int32(2)).result == "3"


@pytest.mark.parametrize("method", ["other/add", "add@99"])
def test_another_namespace_or_version_is_another_method(client, method):
    with refused(grpc.StatusCode.NOT_FOUND, "METHOD_NOT_FOUND"):
        client.submit(method, int32(1))
