//! Compiles `proto/` with a compiler written in Rust, so that building needs no system `protoc`.

use std::path::PathBuf;

use protox::prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(["proto/task_scheduler.proto"], ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("task_scheduler.bin"), descriptors.encode_to_vec())?;
    let mut config = tonic_build::Config::new();
    // Own messages travel inside `Any`, so they need their names.
    config.enable_type_names().type_name_domain(["."], "type.googleapis.com");
    // Sorted, so that equal maps are written alike.
    config.btree_map(["."]);
    tonic_build::configure().compile_fds_with_config(descriptors, config)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
