"""Refused calls, and their google.rpc details."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

# The domain in the ErrorInfo of every refusal.
DOMAIN = "taskscheduler"


@dataclass
class Refusal:
    message: str = ""
    reason: str = ""
    # The invalid fields.
    fields: list[str] = field(default_factory=list)


@contextmanager
def refused(code: grpc.StatusCode, reason: str):
    """Expects the call inside to be refused with this code and reason; yields the refusal."""
    refusal = Refusal()
    with pytest.raises(grpc.RpcError) as raised:
        yield refusal
    error = raised.value
    assert error.code() == code, error.details()
    refusal.message = error.details()
    status = rpc_status.from_call(error)
    assert status is not None, f"no google.rpc details with {error.details()!r}"
    for detail in status.details:
        info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            assert info.domain == DOMAIN
            refusal.reason = info.reason
        elif detail.Unpack(request):
            refusal.fields = [violation.field for violation in request.field_violations]
    assert refusal.reason == reason
