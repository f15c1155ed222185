//! The protobuf messages and the gRPC service, generated from `proto/task_scheduler.proto`.

#![expect(missing_docs, clippy::allow_attributes, reason = "generated")]

tonic::include_proto!("taskscheduler");

/// The compiled schema as an encoded `FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("task_scheduler");
