"""Dependencies between tasks."""

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused
from values import int32, result_of, text

WAIT = pb.TaskOptions(wait_for_dependencies=True)
UNMET = (grpc.StatusCode.FAILED_PRECONDITION, "DEPENDENCY_UNMET")


def test_a_dependency_that_succeeded_is_met(client, new_id):
    parent = new_id()
    client.submit("add", int32(1), task_id=parent)
    assert client.submit("add", int32(2), deps=[parent]).result == "2"


def test_an_unknown_dependency_fails_early(client, new_id):
    child = new_id()
    with refused(*UNMET) as refusal:
        client.submit("add", task_id=child, deps=["no-such-task"])
    assert "no-such-task" in refusal.message
    with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
        client.result(child)


def test_a_failed_dependency_fails_early(client, new_id):
    parent = new_id()
    assert client.submit("remove", task_id=parent).status == pb.TaskResponse.FAILED
    with refused(*UNMET):
        client.submit("add", deps=[parent])


def test_an_unfinished_dependency_fails_early_unless_the_task_waits(client, new_id):
    parent, child = new_id(), new_id()
    client.enqueue("long_running_task", task_id=parent)
    with refused(*UNMET):
        client.submit("ping", deps=[parent])
    client.enqueue("ping", task_id=child, deps=[parent], options=WAIT)
    assert client.task(child).state == pb.TASK_STATE_PENDING
    assert client.submit("ping", task_id=child, deps=[parent]).result == "pong"
    assert client.result(parent).status == pb.TaskResponse.SUCCESS


def test_a_result_becomes_an_argument(client, new_id):
    parent, child = new_id(), new_id()
    client.enqueue("delete", text("a"), task_id=parent)
    answer = client.submit(
        "echo_string", result_of(parent), text("!"), task_id=child, deps=[parent], options=WAIT
    )
    assert answer.result == "Deleted 1 items,!"


def test_only_the_result_of_a_dependency_can_be_an_argument(client, new_id):
    parent = new_id()
    client.submit("ping", task_id=parent)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"):
        client.submit("echo_string", result_of(parent))


def test_a_task_cannot_depend_on_itself(client, new_id):
    task_id = new_id()
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"):
        client.submit("ping", task_id=task_id, deps=[task_id], options=WAIT)


@pytest.fixture
def failing_parent(client, new_id):
    """A task that fails after a delay."""
    parent = new_id()
    options = {"delay": {"nanos": 200_000_000}, "retry": {"retries": 0}}
    client.enqueue("remove", task_id=parent, options=options)
    return parent


def test_dependants_of_a_failed_task_fail_one_after_the_other(client, new_id, failing_parent):
    child, grandchild = new_id(), new_id()
    client.enqueue("ping", task_id=child, deps=[failing_parent], options=WAIT)
    client.enqueue("ping", task_id=grandchild, deps=[child], options=WAIT)
    answer = client.submit("ping", task_id=grandchild, deps=[child])
    assert (answer.status, answer.failure.code) == (pb.TaskResponse.FAILED, "DEPENDENCY_FAILED")
    assert client.result(child).failure.code == "DEPENDENCY_FAILED"
    assert client.task(child).attempts == 0


def test_a_dependant_can_run_after_a_failure(client, failing_parent):
    options = pb.TaskOptions(
        wait_for_dependencies=True, on_dependency_failure=pb.ON_DEPENDENCY_FAILURE_RUN
    )
    assert client.submit("ping", deps=[failing_parent], options=options).result == "pong"
