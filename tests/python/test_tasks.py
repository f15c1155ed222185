"""Enqueued tasks: accept, read, cancel."""

import grpc
import task_scheduler_pb2 as pb
from refusals import refused
from values import int32

LATER = pb.TaskOptions(delay={"seconds": 3600})


def test_an_enqueued_task_runs_and_its_result_can_be_fetched(client, new_id):
    task_id = new_id()
    accepted = client.enqueue("add", int32(1), int32(2), task_id=task_id)
    assert accepted.task_id == task_id and not accepted.joined
    client.wait_for_state(task_id, pb.TASK_STATE_SUCCEEDED)
    result = client.result(task_id)
    assert (result.status, result.result) == (pb.TaskResponse.SUCCESS, "3")
    assert result.state == pb.TASK_STATE_SUCCEEDED


def test_a_repeated_enqueue_joins_the_task(client, new_id):
    task_id = new_id()
    client.enqueue("ping", task_id=task_id, options=LATER)
    again = client.enqueue("ping", task_id=task_id, options=LATER)
    assert again.joined and again.state == pb.TASK_STATE_PENDING


def test_a_missing_result_is_pending(client, new_id):
    task_id = new_id()
    client.enqueue("ping", task_id=task_id, options=LATER)
    result = client.result(task_id)
    assert (result.status, result.result) == (pb.TaskResponse.PENDING, "")
    assert result.state == pb.TASK_STATE_PENDING


def test_an_unknown_id_is_not_found(client):
    for look in [client.result, client.task]:
        with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
            look("unknown")


def test_each_task_of_a_batch_has_its_own_outcome(client, new_id):
    first = new_id()
    answer = client.EnqueueTasks(
        pb.EnqueueTasksRequest(
            tasks=[
                pb.TaskRequest(task_id=first, method="add", args=[int32(1)]),
                pb.TaskRequest(method="no_such_method"),
                pb.TaskRequest(task_id=first, method="add", args=[int32(1)]),
                pb.TaskRequest(task_id=first, method="add", args=[int32(2)]),
                pb.TaskRequest(method="ping", deps=[first], options={"wait_for_dependencies": True}),
            ]
        )
    )
    accepted, unknown, joined, taken, dependant = answer.outcomes
    assert accepted.accepted.task_id == first and not accepted.accepted.joined
    assert (unknown.refused.code, unknown.refused.reason) == (5, "METHOD_NOT_FOUND")
    assert joined.accepted.task_id == first and joined.accepted.joined
    assert (taken.refused.code, taken.refused.reason) == (6, "ID_TAKEN")
    done = client.wait_for_state(dependant.accepted.task_id, pb.TASK_STATE_SUCCEEDED)
    assert done.result == "pong"


def test_a_task_has_all_its_fields(client, new_id):
    task_id = new_id()
    options = pb.TaskOptions(
        queue="reports",
        priority=7,
        tags=["a", "b"],
        initiator="ada",
        reason="test",
        source_system="pytest",
        correlation_id="c-1",
    )
    client.submit("add", int32(1), int32(2), task_id=task_id, options=options)
    task = client.task(task_id)
    assert (task.task_id, task.method, task.queue, task.priority) == (task_id, "add", "reports", 7)
    assert (task.state, task.result, task.attempts) == (pb.TASK_STATE_SUCCEEDED, "3", 1)
    assert (list(task.tags), list(task.args)) == (["a", "b"], ["1", "2"])
    assert (task.initiator, task.reason) == ("ada", "test")
    assert (task.source_system, task.correlation_id) == ("pytest", "c-1")
    times = [task.submitted_at, task.started_at, task.ended_at]
    assert times == sorted(times, key=lambda at: at.ToMicroseconds()) and times[0].seconds > 0
    assert task.history[-1].state == pb.TASK_STATE_SUCCEEDED


def test_a_failed_attempt_is_retried(client):
    options = {
        "timeout": {"nanos": 50_000_000},
        "retry": {"retries": 2, "base": {"nanos": 1_000_000}},
    }
    answer = client.submit("long_running_task", options=options)
    assert (answer.failure.code, answer.failure.attempts) == ("TIMED_OUT", 3)
    states = [entry.state for entry in client.task(answer.task_id).history]
    assert states.count(pb.TASK_STATE_RETRYING) == 2


def test_a_permanent_error_is_not_retried(client):
    answer = client.submit("remove", options={"retry": {"retries": 5}})
    assert (answer.failure.code, answer.failure.attempts) == ("HANDLER_FAILED", 1)


def cancel(client, **request):
    answer = client.CancelTasks(pb.CancelTasksRequest(**request))
    return {outcome.task_id: outcome for outcome in answer.outcomes}


def test_a_cancel_has_a_verdict_for_each_task(client, new_id):
    waiting, ended = new_id(), new_id()
    client.enqueue("ping", task_id=waiting, options=LATER)
    client.submit("ping", task_id=ended)
    outcomes = cancel(client, task_ids=[waiting, ended, "no-such-task"], reason="test")
    verdicts = {task_id: outcome.verdict for task_id, outcome in outcomes.items()}
    assert verdicts == {
        waiting: pb.CancelOutcome.VERDICT_CANCELLED,
        ended: pb.CancelOutcome.VERDICT_ALREADY_ENDED,
        "no-such-task": pb.CancelOutcome.VERDICT_NOT_FOUND,
    }
    assert outcomes[ended].state == pb.TASK_STATE_SUCCEEDED
    result = client.result(waiting)
    assert (result.status, result.state) == (pb.TaskResponse.FAILED, pb.TASK_STATE_CANCELLED)
    assert result.failure.code == "CANCELLED"


def test_tasks_are_cancelled_by_tag(client, new_id):
    tag = new_id()
    ids = [new_id() for _ in range(3)]
    for task_id in ids:
        client.enqueue("ping", task_id=task_id, options=pb.TaskOptions(delay=LATER.delay, tags=[tag]))
    assert set(cancel(client, tag=tag)) == set(ids)
    assert {client.task(task_id).state for task_id in ids} == {pb.TASK_STATE_CANCELLED}


def test_a_running_handler_is_cancelled(client, new_id):
    task_id = new_id()
    client.enqueue("long_running_task", task_id=task_id)
    client.wait_for_state(task_id, pb.TASK_STATE_RUNNING)
    outcome = cancel(client, task_ids=[task_id])[task_id]
    assert outcome.verdict == pb.CancelOutcome.VERDICT_REQUESTED
    # The task may end before the cancellation reaches it.
    client.wait_for_state(task_id, pb.TASK_STATE_CANCELLED, pb.TASK_STATE_SUCCEEDED)


def test_a_task_that_does_not_start_within_its_ttl_expires(client, new_id):
    task_id = new_id()
    options = {"delay": {"seconds": 3600}, "ttl": {"nanos": 100_000_000}}
    client.enqueue("ping", task_id=task_id, options=options)
    client.wait_for_state(task_id, pb.TASK_STATE_EXPIRED)
    assert client.result(task_id).failure.code == "EXPIRED"


def test_a_handler_that_exceeds_its_timeout_fails(client):
    answer = client.submit("long_running_task", options={"timeout": {"nanos": 50_000_000}})
    assert (answer.status, answer.failure.code) == (pb.TaskResponse.FAILED, "TIMED_OUT")
