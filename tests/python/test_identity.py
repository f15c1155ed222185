"""Idempotency: a request with a known task id joins the task or gets its outcome."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused
from values import int32, mapping, text

TAKEN = (grpc.StatusCode.ALREADY_EXISTS, "ID_TAKEN")


def test_a_task_without_an_id_gets_one(client):
    ids = {client.submit("ping").task_id for _ in range(10)}
    assert len(ids) == 10 and "" not in ids


def test_a_second_call_joins_a_running_task(client, new_id):
    task_id = new_id()
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(client.submit, "delete", task_id=task_id) for _ in range(5)]
        answers = [call.result() for call in calls]
    assert {answer.result for answer in answers} == {"Deleted 0 items"}
    assert client.task(task_id).attempts == 1


def test_a_call_for_an_ended_task_gets_its_outcome(client, new_id):
    task_id = new_id()
    first = client.submit("remove", int32(1), task_id=task_id)
    assert client.submit("remove", int32(1), task_id=task_id) == first
    assert client.task(task_id).attempts == 1


def test_is_async_and_options_are_not_content(client, new_id):
    task_id = new_id()
    client.submit("ping", task_id=task_id)
    again = client.submit("ping", task_id=task_id, is_async=True, options={"priority": 9})
    assert again.result == "pong"


def test_the_order_of_a_map_is_not_content(client, new_id):
    task_id = new_id()
    one = mapping(a=int32(1), b=int32(2))
    # The entries of a MapValue in reverse order: an entry is field 1 of it.
    entries = [mapping(b=int32(2)).value, mapping(a=int32(1)).value]
    other = type(one)(type_url=one.type_url, value=b"".join(entries))
    client.submit("process_collection", one, task_id=task_id)
    assert client.submit("process_collection", other, task_id=task_id).result == "Map: 2 items"


@pytest.mark.parametrize(
    "request_",
    [
        pb.TaskRequest(method="ping", args=[text("b")]),
        pb.TaskRequest(method="ping"),
        pb.TaskRequest(method="echo_string", args=[text("a")]),
        pb.TaskRequest(method="default/ping", args=[text("a")]),
    ],
)
def test_a_known_id_with_other_content_is_a_conflict(client, new_id, request_):
    task_id = new_id()
    client.submit("ping", text("a"), task_id=task_id)
    request_.task_id = task_id
    for call in [client.SubmitTask, client.EnqueueTask]:
        with refused(*TAKEN):
            call(request_)
    assert client.result(task_id).result == "pong: a"


def test_a_refusal_reserves_no_id(client, new_id):
    task_id = new_id()
    with refused(grpc.StatusCode.NOT_FOUND, "METHOD_NOT_FOUND"):
        client.submit("no_such_method", task_id=task_id)
    assert client.submit("ping", task_id=task_id).result == "pong"
