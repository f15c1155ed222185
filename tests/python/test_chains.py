"""SubmitChain and SubmitGroup: tasks that use each other's results."""

import grpc
import task_scheduler_pb2 as pb
from refusals import refused
from running import TIMEOUT
from values import int32

WAIT = {"seconds": 600}


def add(*numbers, **fields):
    return pb.TaskRequest(method="add", args=[int32(number) for number in numbers], **fields)


def chain(client, *tasks, **fields):
    return client.SubmitChain(pb.SubmitChainRequest(tasks=tasks, **fields), timeout=TIMEOUT)


def group(client, *tasks, **fields):
    return client.SubmitGroup(pb.SubmitGroupRequest(tasks=tasks, **fields), timeout=TIMEOUT)


def test_each_task_of_a_chain_gets_the_previous_result(client, new_id):
    first = new_id()
    answer = chain(client, add(1, 2, task_id=first), add(10), add(100), wait=WAIT)
    assert (answer.outcome.status, answer.outcome.result) == (pb.TaskResponse.SUCCESS, "113")
    assert answer.task_ids[0] == first and len(answer.task_ids) == 3
    assert [client.result(task_id).result for task_id in answer.task_ids] == ["3", "13", "113"]


def test_a_chain_without_a_wait_runs(client):
    answer = chain(client, pb.TaskRequest(method="delete"), pb.TaskRequest(method="ping"))
    assert not answer.HasField("outcome")
    last = client.wait_for_state(answer.task_ids[-1], pb.TASK_STATE_SUCCEEDED)
    assert last.result == "pong: Deleted 0 items"


def test_a_callback_gets_the_results_of_its_group(client, new_id):
    callback = pb.TaskRequest(method="sum_list", task_id=new_id())
    answer = group(client, *(add(number) for number in range(10)), callback=callback, wait=WAIT)
    assert answer.callback_id == callback.task_id == answer.outcome.task_id
    assert answer.outcome.result == "45"
    assert len(answer.task_ids) == 10


def test_a_wait_for_a_group_without_a_callback_waits_for_all_tasks(client):
    slow = [pb.TaskRequest(method="delete") for _ in range(5)]
    answer = group(client, *slow, wait=WAIT)
    assert (answer.callback_id, answer.HasField("outcome")) == ("", False)
    states = {client.result(task_id).state for task_id in answer.task_ids}
    assert states == {pb.TASK_STATE_SUCCEEDED}


def test_one_invalid_task_refuses_all_and_is_named(client, new_id):
    first = new_id()
    with refused(grpc.StatusCode.NOT_FOUND, "METHOD_NOT_FOUND"):
        chain(client, add(1, task_id=first), pb.TaskRequest(method="no_such_method"))
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
        group(client, add(1, task_id=first), pb.TaskRequest(method="add", task_id="\t"))
    assert refusal.fields == ["tasks[1].task_id"]
    with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
        client.task(first)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"):
        chain(client)
