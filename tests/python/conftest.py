"""Compiles the stubs from proto/ as a user does, and starts the real server.

The server is the binary that TASK_SCHEDULER_BIN names. Nothing is written into the project.
"""

import atexit
import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "proto"


def _make_stubs() -> None:
    folder = tempfile.mkdtemp(prefix="task-scheduler-stubs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    well_known = Path(protoc.__file__).parent / "_proto"
    arguments = [
        "protoc",
        f"-I{PROTO}",
        f"-I{well_known}",
        f"--python_out={folder}",
        f"--grpc_python_out={folder}",
        *(str(path) for path in sorted(PROTO.rglob("*.proto"))),
    ]
    if protoc.main(arguments) != 0:
        pytest.exit("grpcio-tools cannot compile proto/", returncode=2)
    sys.path.insert(0, folder)


# Before the test modules are imported: they import the stubs.
_make_stubs()

from running import Client, Server  # noqa: E402


@pytest.fixture(scope="session")
def binary() -> Path:
    path = os.environ.get("TASK_SCHEDULER_BIN")
    if not path:
        pytest.exit("TASK_SCHEDULER_BIN must name the server's binary", returncode=2)
    return Path(path).resolve()


@pytest.fixture(scope="session")
def server(binary):
    """A server that all tests share: none may stop it or fill it up."""
    with Server(binary) as server:
        yield server


@pytest.fixture
def own_server(binary):
    """A server for one test, which may stop it."""
    with Server(binary) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


_numbers = itertools.count(1)


@pytest.fixture
def new_id(request):
    """Makes unique task ids."""
    return lambda: f"{request.node.name}-{next(_numbers)}"
