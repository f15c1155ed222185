//! Look-ups of methods, among a thousand of them with three versions each.

use std::hint::black_box;

use criterion::Criterion;
use task_scheduler::models::{ArgValue, MethodRef};
use task_scheduler::tasks::{TaskRegistry, make_handler};

fn registry() -> TaskRegistry {
    let registry = TaskRegistry::default();
    for number in 0..1_000 {
        for version in ["1.0.0", "2.0.0", "2.1.0"] {
            let namespace = if number % 2 == 0 { "default" } else { "payments" };
            let name = format!("{namespace}/method_{number}@{version}");
            let handler = make_handler(name, |_, _, _| Ok(ArgValue::Null));
            registry.register_handler(handler).expect("sound and new");
        }
    }
    registry
}

pub(crate) fn look_up(c: &mut Criterion) {
    let registry = registry();
    let mut group = c.benchmark_group("registry");
    for (name, written) in [
        ("highest", "method_10"),
        ("highest_of_a_major", "payments/method_11@2"),
        ("exactly", "payments/method_11@1.0.0"),
        ("missing", "nothing_like_it"),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let wish = MethodRef::parse(black_box(written)).expect("well formed");
                registry.resolve(&wish)
            });
        });
    }
    group.bench_function("refusal_with_nearest_names", |b| {
        b.iter(|| registry.find(black_box("metod_10")));
    });
    group.finish();
}
