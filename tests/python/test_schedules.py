"""Schedules, as a generated client uses them."""

import time

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused
from values import text

# Longer than any wait here.
PATIENCE = 30


def once(what, look):
    """Polls `look` until it returns something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if seen := look():
            return seen
        time.sleep(0.01)
    pytest.fail(f"timed out waiting for {what}")


@pytest.fixture
def beat(client, new_id):
    """A schedule that runs every second."""
    name = new_id().replace("[", "-").replace("]", "-")
    task = pb.TaskRequest(method="ping", args=[text("tick")])
    rule = {"every": {"seconds": 1}}
    schedule = pb.Schedule(name=name, interval=rule, task=task)
    put = client.PutSchedule(pb.PutScheduleRequest(schedule=schedule))
    assert len(put.next_times) == 5
    yield name
    client.DeleteSchedule(pb.DeleteScheduleRequest(name=name))


def test_a_schedule_runs_and_its_run_is_a_task(client, beat):
    def look():
        status = client.GetSchedule(pb.GetScheduleRequest(name=beat)).schedule
        ended = [run for run in status.runs if run.ended == pb.TASK_STATE_SUCCEEDED]
        return ended and ended[-1]

    run = once("a run", look)
    occurrence = run.occurrence.ToJsonString()
    assert run.task_id == f"schedule/{beat}/{occurrence}"
    task = client.task(run.task_id)
    assert (task.result, task.initiator) == ("pong: tick", f"schedule/{beat}")
    assert occurrence in task.reason


def test_a_schedule_can_be_triggered_manually(client, beat):
    client.DisableSchedule(pb.DisableScheduleRequest(name=beat))
    task_id = client.TriggerSchedule(pb.TriggerScheduleRequest(name=beat)).task_id
    assert client.wait_for_state(task_id, pb.TASK_STATE_SUCCEEDED).result == "pong: tick"


def test_a_preview_shows_a_daylight_saving_gap(client):
    schedule = pb.Schedule(
        name="nightly",
        cron={"expression": "30 2 * * *", "time_zone": "America/New_York"},
        task=pb.TaskRequest(method="ping"),
    )
    request = pb.PreviewScheduleRequest(schedule=schedule, count=3)
    request.after.FromJsonString("2027-03-13T12:00:00Z")
    times = client.PreviewSchedule(request).next_times
    assert [time.ToJsonString() for time in times] == [
        "2027-03-14T07:00:00Z",  # 03:00 there: there is no 02:30
        "2027-03-15T06:30:00Z",
        "2027-03-16T06:30:00Z",
    ]
    with refused(grpc.StatusCode.NOT_FOUND, "SCHEDULE_NOT_FOUND"):
        client.GetSchedule(pb.GetScheduleRequest(name="nightly"))


def test_a_rule_that_never_runs_is_refused(client):
    schedule = pb.Schedule(
        name="never", cron={"expression": "0 0 31 2 *"}, task=pb.TaskRequest(method="ping")
    )
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
        client.PutSchedule(pb.PutScheduleRequest(schedule=schedule))
    assert refusal.fields == ["schedule.cron.expression"]
