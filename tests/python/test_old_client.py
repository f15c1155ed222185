"""A client of the first version of the contract: the server accepts its bytes, and it can decode
the answers. Nothing here uses the stubs of the current proto."""

from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields
from grpc_tools import protoc


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The messages of old_client.proto, by name, in a separate pool: the names exist twice."""
    here = Path(__file__).parent
    descriptors = tmp_path_factory.mktemp("old") / "descriptors"
    well_known = Path(protoc.__file__).parent / "_proto"
    arguments = ["", f"-I{here}", f"-I{well_known}", "--include_imports"]
    arguments += [f"--descriptor_set_out={descriptors}", str(here / "old_client.proto")]
    assert protoc.main(arguments) == 0
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        pool.Add(file)
    names = ["TaskRequest", "TaskResponse", "ResultRequest", "ResultResponse", "ListValue", "MapValue"]
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"taskscheduler.{name}"))
        for name in names
    }


def call(client, method: str, request: bytes) -> bytes:
    return client.channel.unary_unary(f"/taskscheduler.TaskScheduler/{method}")(request, timeout=30)


def known_part(message_class, answer: bytes) -> bytes:
    """The answer without the fields that the old client skips; all of them must be newer."""
    message = message_class.FromString(answer)
    last_known = max(field.number for field in message.DESCRIPTOR.fields)
    newer = [field.field_number for field in unknown_fields.UnknownFieldSet(message)]
    assert all(number > last_known for number in newer), newer
    message.DiscardUnknownFields()
    return message.SerializeToString()


# Literal bytes, so that they do not depend on a current library.
INT32 = b"\n\x2etype.googleapis.com/google.protobuf.Int32Value"
ADD = (
    b"\n\x05old-1"  # task_id = 1
    b"\x12\x03add"  # method = 2
    b"\x1a\x34" + INT32 + b"\x12\x02\x08\x01"  # args = 3: 1
    b"\x1a\x34" + INT32 + b"\x12\x02\x08\x02"  # 2
    b"\x28\x01"  # is_async = 5
)


def test_an_old_request_gets_the_old_answer_byte_for_byte(client, old):
    answer = call(client, "SubmitTask", ADD)
    assert known_part(old["TaskResponse"], answer) == b"\n\x05old-1\x10\x01\x1a\x013"
    result = call(client, "GetResult", b"\n\x05old-1")
    assert known_part(old["ResultResponse"], result) == b"\x08\x01\x12\x013"


def test_an_old_request_gets_the_old_failure(client, old):
    answer = call(client, "SubmitTask", b"\n\x05old-2\x12\x06remove")
    failed = old["TaskResponse"].FromString(answer)
    assert (failed.task_id, failed.status) == ("old-2", 2)
    assert "Need at least 2 arguments" in failed.result
    known_part(old["TaskResponse"], answer)


def test_old_collections_and_dependencies_are_accepted(client, old):
    values = old["ListValue"]()
    values.values.add(type_url="type.googleapis.com/google.protobuf.Int32Value", value=b"\x08\x01")
    fields = old["MapValue"]()
    fields.fields["key"].type_url = "type.googleapis.com/google.protobuf.StringValue"
    request = old["TaskRequest"](task_id="old-3", method="process_collection", deps=["old-2a"])
    for message in [values, fields]:
        type_url = f"type.googleapis.com/{message.DESCRIPTOR.full_name}"
        request.args.add(type_url=type_url, value=message.SerializeToString())
    with pytest.raises(grpc.RpcError) as raised:
        call(client, "SubmitTask", request.SerializeToString())
    assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    call(client, "SubmitTask", b"\n\x06old-2a\x12\x04ping")
    answer = old["TaskResponse"].FromString(
        call(client, "SubmitTask", request.SerializeToString())
    )
    assert (answer.status, answer.result) == (1, "Array: 1 items, Map: 1 items")


def test_an_unknown_task_is_not_found(client):
    with pytest.raises(grpc.RpcError) as raised:
        call(client, "GetResult", b"\n\x06nobody")
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
