"""How the server gets on: statistics, health, and why a task does not run."""

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


def test_what_was_done_is_counted_exactly(own_server):
    with Client(own_server.address) as client:
        for _ in range(3):
            client.submit("echo_string", text("x"))
        client.enqueue("ping", task_id="later", options={"delay": {"seconds": 3600}})
        told = eventually(lambda: statistics(client), lambda told: told.totals.succeeded == 3)
    totals = told.totals
    assert (totals.accepted, totals.started, totals.failed, totals.cancelled) == (4, 3, 0, 0)
    [echo] = told.methods
    assert (echo.method, echo.succeeded, echo.failed) == ("echo_string", 3, 0)
    assert echo.latency.count == echo.duration.count == 3
    assert echo.duration.p50.ToTimedelta() <= echo.duration.max.ToTimedelta()
    [queue] = told.queues
    assert (queue.name, queue.queued, queue.running, queue.delayed) == ("default", 0, 0, 1)
    assert queue.rates.accepted_1m > queue.rates.succeeded_1m > 0
    assert told.workers.async_slots == 1024


def test_a_watch_of_statistics_goes_on_until_it_is_cancelled(client):
    samples = client.WatchStatistics(pb.WatchStatisticsRequest(every={"nanos": 100_000_000}))
    times = [next(samples).statistics.at.ToNanoseconds() for _ in range(3)]
    assert times == sorted(set(times))
    samples.cancel()
    with pytest.raises(grpc.RpcError):
        next(samples)


def test_a_task_is_explained_by_its_time_and_by_its_queue(client, new_id):
    task_id = new_id()
    queue = task_id.replace("[", "-").replace("]", "-")
    client.PauseQueue(pb.PauseQueueRequest(queue=queue))
    options = {"queue": queue, "delay": {"seconds": 3600}}
    client.enqueue("ping", task_id=task_id, options=options)
    told = explain(client, task_id)
    assert told.state == pb.TASK_STATE_PENDING
    assert [one.kind for one in told.obstacles] == [pb.Obstacle.KIND_TIME, pb.Obstacle.KIND_PAUSED]
    assert told.runs_at == told.obstacles[0].until == client.task(task_id).run_at
    assert f"queue {queue} is paused" in told.summary


def test_a_task_is_explained_by_those_that_it_depends_on(client, new_id):
    first, second = new_id(), new_id()
    client.enqueue("ping", task_id=first, options={"delay": {"seconds": 3600}})
    client.enqueue("ping", task_id=second, deps=[first], options={"wait_for_dependencies": True})
    [one] = explain(client, second).obstacles
    assert (one.kind, one.task_ids, one.count) == (pb.Obstacle.KIND_DEPENDENCIES, [first], 1)


def test_a_task_that_nobody_knows_is_refused(client):
    with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
        explain(client, "nobody knows it")


def test_a_server_that_is_well_says_so(client):
    health = client.GetHealth(pb.GetHealthRequest())
    assert (health.live, health.ready, health.degraded) == (True, True, False)
    assert list(health.reasons) == []
