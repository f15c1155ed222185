"""Features of gRPC: deadlines, compression, size limits, health, reflection, concurrent calls."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import task_scheduler_pb2 as pb
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from running import Client
from values import int32, text

SERVICE = "taskscheduler.TaskScheduler"


def test_an_expired_deadline_ends_the_call_but_not_the_task(client, new_id):
    task_id = new_id()
    with pytest.raises(grpc.RpcError) as raised:
        client.submit("delete", text("a"), task_id=task_id, timeout=0.02)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    # The call may have ended before it reached the server; then this one starts the task.
    assert client.submit("delete", text("a"), task_id=task_id).result == "Deleted 1 items"
    assert client.task(task_id).attempts == 1


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.NoCompression])
def test_compressed_messages_are_accepted(server, compression):
    with Client(server.address, compression=compression) as client:
        content = "again and " * 10_000
        assert client.submit("echo_string", text(content)).result == content


def test_a_message_that_is_too_large_is_refused(client):
    with pytest.raises(grpc.RpcError) as raised:
        client.submit("echo_string", text("x" * 5_000_000))
    # tonic answers OUT_OF_RANGE where other servers answer RESOURCE_EXHAUSTED.
    allowed = [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OUT_OF_RANGE]
    assert raised.value.code() in allowed
    assert client.submit("ping").result == "pong"


def test_an_unknown_rpc_is_unimplemented(client):
    call = client.channel.unary_unary(f"/{SERVICE}/NoSuchCall")
    with pytest.raises(grpc.RpcError) as raised:
        call(b"")
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("service", ["", SERVICE])
def test_the_health_service_reports_serving(client, service):
    health = health_pb2_grpc.HealthStub(client.channel)
    answer = health.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_the_services_and_describes_them(client, version):
    # The messages of both versions are the same on the wire.
    call = client.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    listing, description = call(
        iter(
            [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
            ]
        )
    )
    names = {service.name for service in listing.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(file)
        for file in description.file_descriptor_response.file_descriptor_proto
    ]
    described = {method.name for file in files for method in file.service[0].method}
    assert described == set(pb.DESCRIPTOR.services_by_name["TaskScheduler"].methods_by_name)


def test_concurrent_calls_get_their_own_answers(client):
    with ThreadPoolExecutor(32) as pool:
        calls = [pool.submit(client.submit, "add", int32(n), int32(n)) for n in range(500)]
        assert [call.result().result for call in calls] == [str(2 * n) for n in range(500)]
