"""RetryTask and ResolveTask change the outcome of a task."""

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused
from values import listing, int32, result_of, text


@pytest.fixture
def family(client, new_id):
    """A parent that failed, and its child, which failed as its dependant."""
    parent, child = new_id(), new_id()
    options = {"delay": {"nanos": 200_000_000}, "retry": {"retries": 0}}
    client.enqueue("remove", task_id=parent, options=options)
    wait = {"wait_for_dependencies": True}
    client.enqueue("ping", result_of(parent), task_id=child, deps=[parent], options=wait)
    failed = client.wait_for_state(child, pb.TASK_STATE_FAILED)
    assert failed.failure.code == "DEPENDENCY_FAILED"
    return parent, child


def test_a_failed_task_runs_once_more(client, new_id):
    task_id = new_id()
    client.submit("remove", int32(1), task_id=task_id)
    client.RetryTask(pb.RetryTaskRequest(task_id=task_id, reason="why not"))
    again = client.submit("remove", int32(1), task_id=task_id)
    assert (again.failure.code, again.failure.attempts) == ("HANDLER_FAILED", 2)
    errors = [entry.error for entry in client.task(task_id).history]
    assert "retried manually: why not" in errors


def test_a_retry_also_retries_dependants_that_failed_with_the_task(client, family):
    parent, child = family
    before = len(client.task(child).history)
    assert client.RetryTask(pb.RetryTaskRequest(task_id=parent)).retried_dependants == 1
    # Both fail again.
    client.wait_for_state(parent, pb.TASK_STATE_FAILED)
    client.wait_for_state(child, pb.TASK_STATE_FAILED)
    assert len(client.task(child).history) > before


def test_dependants_get_the_result_of_a_resolved_task(client, family):
    parent, child = family
    request = pb.ResolveTaskRequest(task_id=parent, result=text("manual"), reason="by phone")
    answer = client.ResolveTask(request)
    assert (answer.state, answer.retried_dependants) == (pb.TASK_STATE_SUCCEEDED, 1)
    assert client.wait_for_state(child, pb.TASK_STATE_SUCCEEDED).result == "pong: manual"
    assert client.result(parent).result == "manual"
    task = client.task(parent)
    assert task.resolved and task.history[-1].error == "resolved manually: by phone"


def test_a_manual_result_is_encoded_like_an_argument(client, family):
    parent, child = family
    bad = listing(int32(1), result_of(child))
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
        client.ResolveTask(pb.ResolveTaskRequest(task_id=parent, result=bad))
    assert refusal.fields == ["result"]
    client.ResolveTask(pb.ResolveTaskRequest(task_id=parent))
    assert client.wait_for_state(child, pb.TASK_STATE_SUCCEEDED).result == "pong"


def test_only_ended_tasks_can_be_retried_or_resolved(client, new_id):
    task_id = new_id()
    client.enqueue("ping", task_id=task_id, options={"delay": {"seconds": 3600}})
    for change in [
        lambda: client.RetryTask(pb.RetryTaskRequest(task_id=task_id)),
        lambda: client.ResolveTask(pb.ResolveTaskRequest(task_id=task_id)),
    ]:
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE"):
            change()
    with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
        client.RetryTask(pb.RetryTaskRequest(task_id="unknown"))
