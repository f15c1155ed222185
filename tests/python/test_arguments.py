"""Arguments of every type, nested, and the refusals of invalid ones."""

import grpc
import pytest
import task_scheduler_pb2 as pb
from google.protobuf.any_pb2 import Any
from refusals import refused
from values import (
    boolean,
    duration,
    float32,
    int32,
    int64,
    listing,
    mapping,
    nothing,
    struct,
    struct_list,
    text,
    timestamp,
    uint32,
    uint64,
    value,
)

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        (int32(-5), "pong: -5"),
        (int64(-(2**63)), "pong: -9223372036854775808"),
        (uint32(2**32 - 1), "pong: 4294967295"),
        (uint64(2**64 - 1), "pong: 18446744073709551615"),
        (float32(1.5), "pong: 1.5"),
        (boolean(True), "pong: true"),
        (text("x"), "pong: x"),
        (value("x"), "pong: x"),
        (value(True), "pong: true"),
    ],
)
def test_a_scalar_arrives_unchanged(client, arg, expected):
    assert client.submit("ping", arg).result == expected


@pytest.mark.parametrize("arg", [nothing(), timestamp(1), duration(1), value(None)])
def test_every_other_type_is_accepted(client, arg):
    answer = client.submit("long_running_task", arg)
    assert answer.result == "Processed async task with 1 args"


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        (listing(), "Array: 0 items"),
        (struct_list(1, "two"), "Array: 2 items"),
        (mapping(), "Map: 0 items"),
        (struct(a=1, b=[2], c={"d": None}), "Map: 3 items"),
        (listing(mapping(a=listing(int32(1))), struct(b=1)), "Array: 2 items"),
    ],
)
def test_collections_nest_and_mix(client, arg, expected):
    assert client.submit("process_collection", arg).result == expected


def test_the_host_of_a_type_url_does_not_matter(client):
    arg = int32(3)
    for host in ["example.com/", "https://types.example.com/v1/", "/"]:
        arg.type_url = f"{host}google.protobuf.Int32Value"
        assert client.submit("add", arg).result == "3"


def deep(levels: int) -> Any:
    arg = int32(1)
    for _ in range(levels):
        arg = listing(arg)
    return arg


def test_depth_is_bounded(client):
    assert client.submit("process_collection", deep(50)).result == "Array: 1 items"
    with refused(INVALID, "INVALID_ARGUMENT"):
        client.submit("process_collection", deep(200))


def test_a_refusal_names_the_unknown_type_and_its_argument(client):
    alien = Any(type_url="type.googleapis.com/alien.Message", value=b"")
    for args, place in [
        ([int32(1), alien], "args[1]"),
        ([listing(int32(1), alien)], "args[0].values[1]"),
        ([mapping(x=alien)], 'args[0].fields["x"]'),
    ]:
        with refused(INVALID, "INVALID_ARGUMENT") as refusal:
            client.submit("process_collection", *args)
        assert refusal.fields == [place]
        assert "alien.Message" in refusal.message


def test_invalid_bytes_are_refused(client):
    broken = Any(type_url=int32(1).type_url, value=b"\xff\xff\xff")
    with refused(INVALID, "INVALID_ARGUMENT") as refusal:
        client.submit("add", int32(1), broken)
    assert refusal.fields == ["args[1]"]


def test_an_argument_of_the_wrong_type_is_refused_before_the_task_exists(client, new_id):
    task_id = new_id()
    with refused(INVALID, "INVALID_ARGUMENT") as refusal:
        client.submit("fibonacci", text("ten"), task_id=task_id)
    assert refusal.fields == ["args[0]"]
    with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
        client.result(task_id)


def test_too_few_arguments_are_refused(client):
    with refused(INVALID, "INVALID_ARGUMENT"):
        client.submit("fibonacci")


@pytest.mark.parametrize(
    "fields",
    [
        {"method": ""},
        {"task_id": "a\0b"},
        {"task_id": "x" * 10_000},
        {"options": pb.TaskOptions(queue="no spaces")},
        {"options": {"timeout": {"seconds": -1}}},
        {"options": {"run_at": {"seconds": 1}, "delay": {"seconds": 1}}},
    ],
)
def test_an_invalid_field_is_refused(client, fields):
    with refused(INVALID, "INVALID_ARGUMENT") as refusal:
        client.submit(fields.pop("method", "ping"), **fields)
    assert refusal.fields
