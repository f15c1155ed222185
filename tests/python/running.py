"""A running server, and a client."""

import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import grpc
import task_scheduler_pb2 as pb
import task_scheduler_pb2_grpc as rpc

# Longer than any call here: a call that hangs fails instead of stopping the suite.
TIMEOUT = 30


class Server:
    """The real binary, on a free port, in its own folder."""

    def __init__(self, binary: Path, *flags: str):
        self._folder = tempfile.TemporaryDirectory(prefix="task-scheduler-")
        self._stderr = Path(self._folder.name, "stderr")
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [binary, "--addr", "127.0.0.1:0", *flags],
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        line = self._process.stdout.readline()
        match = re.fullmatch(r"listening on (127\.0\.0\.1:\d+)\n", line)
        if match is None:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"expected the address, got {line!r}\n{self.log()}")
        self.address = match[1]

    def log(self) -> str:
        return self._stderr.read_text(errors="replace")

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Waits for its exit; the exit code."""
        return self._process.wait(timeout=TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


class Client(rpc.TaskSchedulerStub):
    """The generated stub, with its own channel and shorthands."""

    def __init__(self, address: str, **channel):
        self.channel = grpc.insecure_channel(address, **channel)
        super().__init__(self.channel)

    def submit(self, method: str, *args, timeout=TIMEOUT, **fields) -> pb.TaskResponse:
        """SubmitTask."""
        return self.SubmitTask(pb.TaskRequest(method=method, args=args, **fields), timeout=timeout)

    def enqueue(self, method: str, *args, **fields) -> pb.EnqueueTaskResponse:
        """EnqueueTask."""
        return self.EnqueueTask(pb.TaskRequest(method=method, args=args, **fields), timeout=TIMEOUT)

    def result(self, task_id: str) -> pb.ResultResponse:
        """GetResult."""
        return self.GetResult(pb.ResultRequest(task_id=task_id), timeout=TIMEOUT)

    def task(self, task_id: str) -> pb.Task:
        """GetTask."""
        return self.GetTask(pb.GetTaskRequest(task_id=task_id), timeout=TIMEOUT).task

    def wait_for_state(self, task_id: str, *states: int) -> pb.Task:
        """Waits until the task is in one of these states."""
        return eventually(lambda: self.task(task_id), lambda task: task.state in states)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


def eventually(look, accepts):
    """Polls `look` until `accepts` accepts its result, which it returns."""
    end = time.monotonic() + TIMEOUT
    while True:
        seen = look()
        if accepts(seen):
            return seen
        assert time.monotonic() < end, f"still {seen}"
        time.sleep(0.01)
