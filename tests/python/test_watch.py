"""WatchTask, and GetResult with a wait."""

import threading

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused
from running import TIMEOUT
from values import int32, uint32

LATER = pb.TaskOptions(delay={"seconds": 3600})


def watch(client, task_id, cursor="", timeout=TIMEOUT):
    return client.WatchTask(pb.WatchTaskRequest(task_id=task_id, cursor=cursor), timeout=timeout)


def summary(update: pb.WatchTaskResponse):
    """An update as text: `entered RUNNING`, `outcome SUCCEEDED 3`."""
    kind = update.WhichOneof("update")
    state = getattr(update, kind).state if kind in ("entered", "outcome") else 0
    words = [kind, pb.TaskState.Name(state).removeprefix("TASK_STATE_")]
    if kind == "outcome":
        words.append(update.outcome.result)
    return " ".join(words)


def test_a_watch_sends_every_state_and_ends_with_the_outcome(client, new_id):
    task_id = new_id()
    options = {"delay": {"nanos": 100_000_000}}
    client.enqueue("fibonacci", uint32(10), task_id=task_id, options=options)
    updates = list(watch(client, task_id))
    assert [summary(update) for update in updates] == [
        "entered PENDING",
        "entered QUEUED",
        "entered RUNNING",
        "entered SUCCEEDED",
        "outcome SUCCEEDED 55",
    ]
    history = client.task(task_id).history
    assert [update.entered for update in updates[:-1]] == list(history)


def test_a_watch_resumes_from_a_cursor(client, new_id):
    task_id = new_id()
    client.submit("add", int32(1), int32(2), task_id=task_id)
    updates = list(watch(client, task_id))
    for at, update in enumerate(updates[:-1]):
        assert list(watch(client, task_id, update.cursor)) == updates[at + 1 :]
    # Every watch ends with the outcome.
    assert list(watch(client, task_id, updates[-1].cursor)) == updates[-1:]


def test_a_cursor_belongs_to_its_task(client, new_id):
    one, other = new_id(), new_id()
    for task_id in [one, other]:
        client.submit("ping", task_id=task_id)
    cursor = next(watch(client, one)).cursor
    for forged in [cursor, "forged", "0"]:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
            next(watch(client, other, forged))
        assert refusal.fields == ["cursor"]
    with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
        next(watch(client, "unknown"))


def test_a_watch_can_be_cancelled_and_ends_at_its_deadline(client, new_id):
    task_id = new_id()
    client.enqueue("ping", task_id=task_id, options=LATER)
    updates = watch(client, task_id)
    assert summary(next(updates)) == "entered PENDING"
    updates.cancel()
    with pytest.raises(grpc.RpcError) as raised:
        list(watch(client, task_id, timeout=0.2))
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_result_can_be_waited_for(client, new_id):
    task_id = new_id()
    client.enqueue("delete", task_id=task_id)
    request = pb.ResultRequest(task_id=task_id, wait={"seconds": 600})
    result = client.GetResult(request, timeout=TIMEOUT)
    assert (result.status, result.result) == (pb.TaskResponse.SUCCESS, "Deleted 0 items")


def test_a_wait_that_times_out_is_pending(client, new_id):
    task_id = new_id()
    client.enqueue("ping", task_id=task_id, options=LATER)
    request = pb.ResultRequest(task_id=task_id, wait={"nanos": 50_000_000})
    assert client.GetResult(request, timeout=TIMEOUT).state == pb.TASK_STATE_PENDING
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
        client.GetResult(pb.ResultRequest(task_id=task_id, wait={"seconds": 601}), timeout=TIMEOUT)
    assert refusal.fields == ["wait"]


def test_many_watches_of_one_task_get_its_outcome(client, new_id):
    task_id = new_id()
    client.enqueue("long_running_task", task_id=task_id)
    last = []

    def follow():
        *_, outcome = watch(client, task_id)
        last.append(summary(outcome))

    watchers = [threading.Thread(target=follow) for _ in range(20)]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(TIMEOUT)
    assert last == ["outcome SUCCEEDED Processed async task with 0 args"] * 20
