"""ListTasks in pages, and PurgeTasks."""

import grpc
import pytest
import task_scheduler_pb2 as pb
from refusals import refused

LATER = pb.TaskOptions(delay={"seconds": 3600})


@pytest.fixture
def tagged(client, new_id):
    """A tag, and the ids of seven tasks that carry it, newest first."""
    tag = new_id()
    ids = [new_id() for _ in range(7)]
    for task_id in ids:
        options = pb.TaskOptions(delay=LATER.delay, tags=[tag])
        client.enqueue("ping", task_id=task_id, options=options)
    return tag, ids[::-1]


def pages(client, **request):
    token = ""
    while True:
        answer = client.ListTasks(pb.ListTasksRequest(page_token=token, **request))
        yield [task.task_id for task in answer.tasks]
        token = answer.next_page_token
        if not token:
            return


def test_pages_follow_each_other_newest_first(client, tagged):
    tag, ids = tagged
    listed = list(pages(client, tag=tag, page_size=3))
    assert all(len(page) <= 3 for page in listed)
    assert sum(listed, []) == ids


def test_a_listing_can_be_filtered(client, tagged):
    tag, ids = tagged
    client.CancelTasks(pb.CancelTasksRequest(task_ids=ids[:2]))
    for state, expected in [(pb.TASK_STATE_CANCELLED, ids[:2]), (pb.TASK_STATE_PENDING, ids[2:])]:
        assert sum(pages(client, tag=tag, states=[state]), []) == expected
    assert sum(pages(client, tag=tag, method="add"), []) == []


def test_a_page_token_fits_only_its_filter(client, tagged):
    tag, _ = tagged
    request = pb.ListTasksRequest(tag=tag, page_size=1)
    token = client.ListTasks(request).next_page_token
    for forged in [
        pb.ListTasksRequest(tag=tag, queue="other", page_token=token),
        pb.ListTasksRequest(tag=tag, page_token=token[:-1]),
        pb.ListTasksRequest(tag=tag, page_token="forged"),
    ]:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
            client.ListTasks(forged)
        assert refusal.fields == ["page_token"]


def test_ended_tasks_can_be_purged(client, tagged):
    tag, ids = tagged
    client.CancelTasks(pb.CancelTasksRequest(task_ids=ids[:3]))
    answer = client.PurgeTasks(pb.PurgeTasksRequest(tag=tag))
    assert (answer.purged, answer.more) == (3, False)
    assert sum(pages(client, tag=tag), []) == ids[3:]
    with refused(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"):
        client.task(ids[0])
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"):
        client.PurgeTasks(pb.PurgeTasksRequest())
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as refusal:
        client.PurgeTasks(pb.PurgeTasksRequest(states=[pb.TASK_STATE_RUNNING]))
    assert refusal.fields == ["states[0]"]
