//! Decoding of the arguments of a request.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Any, Struct, Value};
use task_scheduler::models::wrappers::decode_args;
use task_scheduler::models::{ArgValue, Digest};

fn map(fields: usize) -> ArgValue {
    ArgValue::Map((0..fields).map(|field| (format!("field{field}"), "value".into())).collect())
}

fn json(fields: usize) -> Any {
    let text = || Value { kind: Some(Kind::StringValue("value".into())) };
    let fields = (0..fields).map(|field| (format!("field{field}"), text())).collect();
    Any {
        type_url: "type.googleapis.com/google.protobuf.Struct".into(),
        value: Struct { fields }.encode_to_vec(),
    }
}

pub(crate) fn decode(c: &mut Criterion) {
    let numbers: Vec<ArgValue> = (0..1_000).map(ArgValue::Int32).collect();
    let deep = (0..60).fold(ArgValue::Null, |inner, _| ArgValue::Array(vec![inner]));
    let any = |value: ArgValue| Any::from(&value);
    let cases: [(&str, Vec<Any>); 8] = [
        ("three_int32", vec![any(1.into()), any(2.into()), any(3.into())]),
        ("text_of_100_bytes", vec![any("x".repeat(100).into())]),
        ("bytes_of_1_mb", vec![any(vec![7u8; 1 << 20].into())]),
        ("list_of_1000_int32", vec![any(ArgValue::Array(numbers))]),
        ("map_of_20", vec![any(map(20))]),
        ("struct_of_20", vec![json(20)]),
        ("list_60_deep", vec![any(deep)]),
        ("unknown_type", vec![Any { type_url: "x/example.Nothing".into(), value: vec![] }]),
    ];
    let mut group = c.benchmark_group("decode_args");
    for (name, args) in cases {
        let bytes: usize = args.iter().map(Message::encoded_len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |b| {
            b.iter_batched(|| args.clone(), decode_args, BatchSize::SmallInput);
        });
    }
    group.finish();

    let args: Vec<ArgValue> = vec![1.into(), 2.into(), 3.into()];
    c.bench_function("decode_digest_of_add", |b| {
        b.iter(|| Digest::of("add", black_box(&args), &[]))
    });
}
