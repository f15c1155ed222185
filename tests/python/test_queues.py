"""Queues: pause, resume, limits, listing. And concurrency and unique keys."""

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused
from values import text


@pytest.fixture
def queue(new_id):
    """The name of a queue that no other test uses."""
    return new_id().replace("[", "-").replace("]", "-")


def known(client, name):
    queues = client.ListQueues(pb.ListQueuesRequest()).queues
    assert [queue.name for queue in queues] == sorted(queue.name for queue in queues)
    return next((queue for queue in queues if queue.name == name), None)


def test_a_paused_queue_starts_nothing_until_it_is_resumed(client, new_id, queue):
    assert client.PauseQueue(pb.PauseQueueRequest(queue=queue)).queue.paused
    task_id = new_id()
    accepted = client.enqueue("ping", task_id=task_id, options={"queue": queue})
    assert accepted.state == pb.TASK_STATE_QUEUED
    assert client.submit("ping").result == "pong"
    assert client.task(task_id).state == pb.TASK_STATE_QUEUED
    assert (known(client, queue).paused, known(client, queue).waiting) == (True, 1)
    assert not client.ResumeQueue(pb.ResumeQueueRequest(queue=queue)).queue.paused
    client.wait_for_state(task_id, pb.TASK_STATE_SUCCEEDED)


def test_limits_are_returned_as_set(client, queue):
    limits = pb.QueueLimits(
        weight=3,
        concurrency=2,
        max_length=100,
        rate={"count": 5, "per": {"seconds": 60}},
        concurrency_per_key=4,
        rate_per_key={"count": 6, "per": {"nanos": 500_000_000}},
    )
    answer = client.SetQueueLimits(pb.SetQueueLimitsRequest(queue=queue, limits=limits))
    assert answer.queue.limits == limits == known(client, queue).limits
    client.SetQueueLimits(pb.SetQueueLimitsRequest(queue=queue))
    assert known(client, queue) is None


def test_limits_out_of_bounds_are_refused(client, queue):
    request = pb.SetQueueLimitsRequest(queue=queue, limits={"weight": 1001})
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
        client.SetQueueLimits(request)
    assert refusal.fields == ["limits.weight"]


def test_tasks_with_one_key_run_one_after_the_other(client, new_id, queue):
    ids = [new_id() for _ in range(3)]
    for task_id in ids:
        client.enqueue("delete", task_id=task_id, options={"queue": queue, "concurrency_key": "a"})
    client.wait_for_state(ids[-1], pb.TASK_STATE_SUCCEEDED)
    tasks = [client.task(task_id) for task_id in ids]
    assert {task.concurrency_key for task in tasks} == {"a"}
    for before, after in zip(tasks, tasks[1:]):
        assert before.ended_at.ToMicroseconds() <= after.started_at.ToMicroseconds()


def test_at_most_one_task_with_a_unique_key_waits(client, new_id):
    key = new_id()

    def enqueue(word, on_conflict):
        options = pb.TaskOptions(
            delay={"seconds": 3600}, unique={"key": key, "on_conflict": on_conflict}
        )
        return client.enqueue("ping", text(word), options=options)

    first = enqueue("one", pb.Unique.ON_CONFLICT_RETURN_FIRST)
    again = enqueue("two", pb.Unique.ON_CONFLICT_RETURN_FIRST)
    assert (again.task_id, again.joined, again.replaced) == (first.task_id, True, False)
    assert list(client.task(first.task_id).args) == ["one"]
    replaced = enqueue("three", pb.Unique.ON_CONFLICT_REPLACE)
    assert (replaced.task_id, replaced.replaced) == (first.task_id, True)
    assert list(client.task(first.task_id).args) == ["three"]
    with refused(grpc.StatusCode.ALREADY_EXISTS, "UNIQUE_TAKEN"):
        enqueue("four", pb.Unique.ON_CONFLICT_REFUSE)
