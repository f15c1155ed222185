//! The cost of single parts of the program, without a server.
//!
//! `cargo bench -p micro` runs all of them, `cargo bench -p micro -- announce` one. A module here is
//! one part, and the names of its benchmarks start with its name.

mod announce;
mod cache;
mod decode;
mod monitor;
mod registry;
mod schedules;
mod submit;

use criterion::Criterion;

// The server's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Run = fn(&mut Criterion);

const PARTS: [(&str, Run); 7] = [
    ("announce", announce::announce),
    ("cache", cache::cache),
    ("decode", decode::decode),
    ("monitor", monitor::hear),
    ("registry", registry::look_up),
    ("submit", submit::submit),
    ("schedules", |_| schedules::schedules()),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let args: Vec<String> = std::env::args().skip(1).collect();
    // Criterion would set up every part and then skip its benchmarks.
    let is_named = |part: &str| args.iter().any(|arg| arg.starts_with(part));
    let any_named = PARTS.iter().any(|(part, _)| is_named(part));
    for (part, run) in PARTS {
        if !any_named || is_named(part) {
            run(&mut criterion);
        }
    }
    criterion.final_summary();
}
