"""examples/custom_tasks: a custom binary serves its own methods, those of a linked library, and
those of the stock binary.

CUSTOM_TASKS_BIN names the binary; scripts/test builds it."""

import os
from pathlib import Path

import pytest
import task_scheduler_pb2 as pb
from running import Client, Server
from values import int32, text


@pytest.fixture(scope="module")
def example():
    path = os.environ.get("CUSTOM_TASKS_BIN")
    if not path:
        pytest.skip("CUSTOM_TASKS_BIN does not name the example's binary")
    with Server(Path(path)) as server, Client(server.address) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "arg", "expected"),
    [("greet", text("Ada"), "Hello, Ada!"), ("arithmetic/halve", int32(42), "21")],
)
def test_its_own_methods_run(example, method, arg, expected):
    assert example.submit(method, arg).result == expected


def test_the_methods_of_the_stock_binary_exist_too(example, client):
    stock, own = [
        {method.name for method in each.ListMethods(pb.ListMethodsRequest()).methods}
        for each in (client, example)
    ]
    assert {name.split("@")[0] for name in own - stock} == {"default/greet", "arithmetic/halve"}
    assert stock <= own


def test_a_permanent_error_is_reported(example):
    answer = example.submit("arithmetic/halve", int32(3))
    assert answer.status == pb.TaskResponse.FAILED
    assert answer.result == "3 is odd (attempt 1)"
