"""Arguments, each packed into an Any."""

import task_scheduler_pb2 as pb
from google.protobuf import duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message


def pack(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed


def int32(value: int) -> Any:
    return pack(wrappers_pb2.Int32Value(value=value))


def int64(value: int) -> Any:
    return pack(wrappers_pb2.Int64Value(value=value))


def uint32(value: int) -> Any:
    return pack(wrappers_pb2.UInt32Value(value=value))


def uint64(value: int) -> Any:
    return pack(wrappers_pb2.UInt64Value(value=value))


def float32(value: float) -> Any:
    return pack(wrappers_pb2.FloatValue(value=value))


def double(value: float) -> Any:
    return pack(wrappers_pb2.DoubleValue(value=value))


def boolean(value: bool) -> Any:
    return pack(wrappers_pb2.BoolValue(value=value))


def text(value: str) -> Any:
    return pack(wrappers_pb2.StringValue(value=value))


def binary(value: bytes) -> Any:
    return pack(wrappers_pb2.BytesValue(value=value))


def listing(*values: Any) -> Any:
    return pack(pb.ListValue(values=values))


def mapping(**fields: Any) -> Any:
    return pack(pb.MapValue(fields=fields))


def result_of(task_id: str) -> Any:
    return pack(pb.ResultOf(task_id=task_id))


def nothing() -> Any:
    return pack(empty_pb2.Empty())


def timestamp(seconds: int) -> Any:
    return pack(timestamp_pb2.Timestamp(seconds=seconds))


def duration(seconds: int) -> Any:
    return pack(duration_pb2.Duration(seconds=seconds))


def struct(**fields) -> Any:
    message = struct_pb2.Struct()
    message.update(fields)
    return pack(message)


def struct_list(*values) -> Any:
    message = struct_pb2.ListValue()
    message.extend(values)
    return pack(message)


def value(content) -> Any:
    message = struct_pb2.Value()
    if content is None:
        message.null_value = struct_pb2.NULL_VALUE
    elif isinstance(content, bool):
        message.bool_value = content
    elif isinstance(content, str):
        message.string_value = content
    else:
        message.number_value = content
    return pack(message)
