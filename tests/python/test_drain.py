"""Graceful shutdown by SIGTERM: new tasks are refused, running ones finish, the exit code is 0."""

import grpc
import task_scheduler_pb2 as pb
from refusals import refused
from running import Client, eventually


def refuses_work(client) -> bool:
    try:
        client.submit("ping")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        return True
    return False


def state(client, task_id):
    """The state; None if the server does not have the task."""
    try:
        return client.task(task_id).state
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
        return None


def test_a_drain_refuses_new_tasks_and_finishes_running_ones(own_server, new_id):
    known, running = new_id(), new_id()
    with Client(own_server.address) as client:
        client.submit("ping", task_id=known)
        call = client.SubmitTask.future(
            pb.TaskRequest(task_id=running, method="long_running_task"), timeout=30
        )
        eventually(lambda: state(client, running), lambda seen: seen == pb.TASK_STATE_RUNNING)
        own_server.terminate()
        eventually(lambda: refuses_work(client), bool)
        with refused(grpc.StatusCode.UNAVAILABLE, "DRAINING"):
            client.enqueue("ping")
        # Known tasks are answered until the exit.
        assert client.submit("ping", task_id=known).result == "pong"
        assert call.result().result == "Processed async task with 0 args"
    assert own_server.wait() == 0, own_server.log()


def test_an_idle_server_exits_at_once(own_server):
    own_server.terminate()
    assert own_server.wait() == 0, own_server.log()
