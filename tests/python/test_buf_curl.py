"""`buf curl` with nothing but the address: it learns the methods by reflection.

BUF names the binary; scripts/test installs it."""

import json
import os
import subprocess

import pytest

SERVICE = "taskscheduler.TaskScheduler"


@pytest.fixture(scope="session")
def buf():
    if "BUF" not in os.environ:
        pytest.skip("BUF does not name the buf binary")
    return os.environ["BUF"]


def run(buf, server, *arguments):
    command = [buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments]
    return subprocess.run(
        [arg.replace("SERVER", f"http://{server.address}") for arg in command],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_methods_are_listed(buf, server):
    listed = run(buf, server, "--list-methods", "SERVER")
    assert listed.returncode == 0, listed.stderr
    assert f"{SERVICE}/SubmitTask" in listed.stdout.split()


def test_a_task_is_submitted_as_json(buf, server):
    int32 = "type.googleapis.com/google.protobuf.Int32Value"
    nested = {
        "@type": "type.googleapis.com/taskscheduler.ListValue",
        "values": [{"@type": int32, "value": 1}],
    }
    for method, args, expected in [
        ("add", [{"@type": int32, "value": n} for n in (1, 2, 3)], "6"),
        ("process_collection", [nested], "Array: 1 items"),
    ]:
        request = json.dumps({"method": method, "args": args})
        answer = run(buf, server, "--data", request, f"SERVER/{SERVICE}/SubmitTask")
        assert answer.returncode == 0, answer.stderr
        answer = json.loads(answer.stdout)
        assert (answer["status"], answer["result"]) == ("SUCCESS", expected)


def test_a_refusal_has_its_code(buf, server):
    answer = run(buf, server, "--data", '{"method": "nope"}', f"SERVER/{SERVICE}/SubmitTask")
    assert answer.returncode != 0
    assert json.loads(answer.stderr)["code"] == "not_found"
