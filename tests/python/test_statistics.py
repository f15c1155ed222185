"""Monitoring: statistics, health, and why a task does not run."""

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused
from running import Client, eventually
from values import text


def statistics(client):
    return client.GetStatistics(pb.GetStatisticsRequest()).statistics


def explain(client, task_id):
    return client.ExplainTask(pb.ExplainTaskRequest(task_id=task_id))


def test_tasks_are_counted_exactly(own_server):
    with Client(own_server.address) as client:
        for _ in range(3):
            client.submit("echo_string", text("x"))
        client.enqueue("ping", task_id="later", options={"delay": {"seconds": 3600}})
        seen = eventually(lambda: statistics(client), lambda seen: seen.totals.succeeded == 3)
    totals = seen.totals
    assert (totals.accepted, totals.started, totals.failed, totals.cancelled) == (4, 3, 0, 0)
    [echo] = seen.methods
    assert (echo.method, echo.succeeded, echo.failed) == ("echo_string", 3, 0)
    assert echo.latency.count == echo.duration.count == 3
    assert echo.duration.p50.ToTimedelta() <= echo.duration.max.ToTimedelta()
    [queue] = seen.queues
    assert (queue.name, queue.queued, queue.running, queue.delayed) == ("default", 0, 0, 1)
    assert queue.rates.accepted_1m > queue.rates.succeeded_1m > 0
    assert seen.workers.async_slots == 1024


def test_a_watch_of_statistics_continues_until_it_is_cancelled(client):
    samples = client.WatchStatistics(pb.WatchStatisticsRequest(every={"nanos": 100_000_000}))
    times = [next(samples).statistics.at.ToNanoseconds() for _ in range(3)]
    assert times == sorted(set(times))
    samples.cancel()
    with pytest.raises(grpc.RpcError):
        next(samples)


def test_a_start_time_and_a_paused_queue_are_explained(client, new_id):
    task_id = new_id()
    queue = task_id.replace("[", "-").replace("]", "-")
    client.PauseQueue(pb.PauseQueueRequest(queue=queue))
    options = {"queue": queue, "delay": {"seconds": 3600}}
    client.enqueue("ping", task_id=task_id, options=options)
    seen = explain(client, task_id)
    assert seen.state == pb.TASK_STATE_PENDING
    assert [one.kind for one in seen.obstacles] == [pb.Obstacle.KIND_TIME, pb.Obstacle.KIND_PAUSED]
    assert seen.runs_at == seen.obstacles[0].until == client.task(task_id).run_at
    assert f"queue {queue} is paused" in seen.summary


def test_unmet_dependencies_are_explained(client, new_id):
    first, second = new_id(), new_id()
    client.enqueue("ping", task_id=first, options={"delay": {"seconds": 3600}})
    client.enqueue("ping", task_id=second, deps=[first], options={"wait_for_dependencies": True})
    [one] = explain(client, second).obstacles
    assert (one.kind, one.task_ids, one.count) == (pb.Obstacle.KIND_DEPENDENCIES, [first], 1)


def test_an_unknown_task_is_not_explained(client):
    with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
        explain(client, "unknown")


def test_a_healthy_server_is_ready(client):
    health = client.GetHealth(pb.GetHealthRequest())
    assert (health.live, health.ready, health.degraded) == (True, True, False)
    assert list(health.reasons) == []
