"""The built-in methods, with the results that existing clients expect."""

import pytest
import task_scheduler_pb2 as pb
from values import (
    binary,
    boolean,
    double,
    int32,
    int64,
    listing,
    mapping,
    text,
)

PERSON = {"name": text("Alice"), "age": int32(30)}
NESTED = listing(listing(text("a"), text("b")), listing(text("c"), text("d")))
COMPLEX = {
    "id": int64(7),
    "active": boolean(True),
    "metadata": mapping(source=text("test"), timestamp=text("now")),
    "tags": listing(text("a"), text("b")),
}


@pytest.mark.parametrize(
    ("method", "args", "expected"),
    [
        ("add", [int32(1), int32(2), int32(3)], "6"),
        ("add", [int32(-1), int32(1)], "0"),
        ("add", [], "0"),
        ("remove", [int32(10), int32(3), int32(2)], "5"),
        ("echo_bool", [boolean(True), boolean(False)], "true,false"),
        ("echo_string", [text("hello"), text("wörld")], "hello,wörld"),
        ("echo_bytes", [binary(b"abc"), binary(b"123")], "abc,123"),
        (
            "process_collection",
            [listing(int32(1), int32(2)), mapping(key=text("x"))],
            "Array: 2 items, Map: 1 items",
        ),
        (
            "process_nested_list",
            [NESTED],
            "Received nested list with 2 inner lists: "
            "[List 0 (2 items): a, b] [List 1 (2 items): c, d]",
        ),
        (
            "process_complex_map",
            [mapping(**COMPLEX)],
            "Received complex map: "
            "ID=7, Active=true, Metadata={ source=test, timestamp=now }, Tags=[a, b]",
        ),
        (
            "process_complex_map",
            [mapping(id=int64(7), tags=listing(text("a")))],
            "Received complex map: ID=7, Tags=[a]",
        ),
        ("process_person_map", [mapping(**PERSON)], "Processing person: Name=Alice, Age=30"),
        (
            "process_person_map",
            [mapping(**PERSON, isStudent=boolean(True), scores=listing(double(9.5), double(8)))],
            "Processing person: Name=Alice, Age=30, IsStudent=true, Scores=[9.5, 8]",
        ),
        ("ping", [], "pong"),
        ("ping", [text("x")], "pong: x"),
        ("sum_list", [listing(int64(1), int64(2), int64(3))], "6"),
        ("delete", [text("a"), text("b")], "Deleted 2 items"),
        ("fibonacci", [int32(10)], "55"),
        ("long_running_task", [int32(1), int32(2)], "Processed async task with 2 args"),
    ],
)
def test_a_builtin_answers_as_clients_expect(client, method, args, expected):
    answer = client.submit(method, *args)
    assert (answer.status, answer.result.rstrip()) == (pb.TaskResponse.SUCCESS, expected)
    assert answer.state == pb.TASK_STATE_SUCCEEDED
    assert not answer.HasField("failure")


def test_remove_without_arguments_fails_with_a_reason(client):
    answer = client.submit("remove", int32(1))
    assert answer.status == pb.TaskResponse.FAILED
    assert "Need at least 2 arguments" in answer.result
    assert answer.failure.code == "HANDLER_FAILED"
    assert "Need at least 2 arguments" in answer.failure.message
    assert answer.failure.attempts == 1


def test_a_wrong_is_async_hint_changes_nothing(client):
    assert client.submit("add", int32(1), int32(2), is_async=True).result == "3"
    assert client.submit("delete", is_async=False).result == "Deleted 0 items"


def test_every_builtin_is_listed(client):
    listed = client.ListMethods(pb.ListMethodsRequest())
    names = {method.name.split("@")[0] for method in listed.methods}
    expected = (
        "add remove echo_bool echo_string echo_bytes process_collection process_nested_list "
        "process_complex_map process_person_map ping sum_list delete fibonacci long_running_task"
    )
    assert {f"default/{name}" for name in expected.split()} <= names
    assert listed.statistics.total == len(listed.methods)
    assert "default" in listed.statistics.namespaces


def test_methods_of_other_namespaces_are_not_listed(client):
    assert not client.ListMethods(pb.ListMethodsRequest(namespace="no_such")).methods
