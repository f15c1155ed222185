//! Output and exit codes of the binary before it serves: help, configuration, errors.

use crate::binary::{Binary, assert_refused};

/// The lines `name = value  # origin` of `--print-config`, without padding.
fn printed(binary: &Binary, flags: &[&str]) -> Vec<String> {
    let ran = binary.run(&[&["--print-config"], flags].concat());
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    ran.stdout.lines().map(words).filter(|line| !line.is_empty()).collect()
}

#[track_caller]
fn assert_printed(printed: &[String], line: &str) {
    assert!(printed.iter().any(|printed| printed == line), "no {line:?} in {printed:#?}");
}

#[test]
fn the_help_names_every_setting_with_its_default() {
    let help = Binary::new().run(&["--help"]);
    assert_eq!((help.code, &*help.stderr), (Some(0), ""));
    let words = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "-a, --addr <HOST:PORT> The address to listen on; port 0 picks a free port [default: 127.0.0.1:50051]",
        "--max-message-size <SIZE> Maximum size of a request or response message [default: 4MiB]",
        "--log-format <text|json>",
        "--drain-timeout <DURATION>",
        "--store <memory|sqlite[:DIR]> Where tasks are stored",
        "--data-dir <DIR> Directory of the SQLite files; one server at a time can use it [default: ./data]",
        "--queue-length <COUNT> Maximum number of tasks that wait in one queue; more are refused [default: unbounded; \
         100000 with --store memory]",
        "--retention-failed <DURATION> How long failed, expired and cancelled tasks are kept \
         [default: 14d]",
        "rate_per_key = \"5/10s\"",
        "verify Check every page and every task",
        "backup Copy the data directory into a new file",
        "restore Check a backup and copy it into a data directory without a store",
        "TASK_SCHEDULER_CACHE_BYTES",
        "[queues.mail]",
        "Exit codes: 0 ",
    ] {
        assert!(words.contains(part), "no {part:?} in\n{}", help.stdout);
    }
    let widest = help.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?} columns wide");
    assert_eq!(Binary::new().run(&["-h"]).stdout, help.stdout);
    for line in printed(&Binary::new(), &[]) {
        if let Some((name, _)) = line.split_once(" = ") {
            assert!(help.stdout.contains(&format!("--{name} <")), "no --{name} in the help");
        }
    }
}

#[test]
fn version_is_one_line() {
    let ran = Binary::new().run(&["--version"]);
    assert_eq!(ran.stdout, format!("task-scheduler {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(ran.code, Some(0));
}

#[test]
fn a_wrong_flag_is_exit_code_2_and_the_error_names_what_is_accepted() {
    let refused = |flags: &[&str], part: &str| {
        let ran = Binary::new().run(flags);
        assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
    };
    refused(&["--adr", "x"], "unexpected argument '--adr' found");
    refused(&["--adr", "x"], "a similar argument exists: '--addr'");
    refused(&["serve"], "unrecognized subcommand 'serve'");
    refused(&["--store", "nonsense"], "expected memory, sqlite or sqlite:DIR");
    refused(&["--store", "sqlite:a", "--data-dir", "b"], "both set the directory; expected one of");
    refused(&["--queue-length", "0"], "expected a whole number from 1 to 1000000000, or unbounded");
    refused(&["--quarantine-after", "1001"], "expected a whole number from 0 to 1000");
    refused(&["--retention-failed", "0s"], "expected a duration from 1s to 3650d, such as");
    refused(&["--retention-failed-count", "0"], "expected a whole number from 1 to 1000000000");
    refused(&["--data-dir", ""], "expected a directory");
    refused(&["--addr"], "a value is required for '--addr <HOST:PORT>'");
    refused(
        &["-a", "localhost"],
        "invalid value 'localhost' for '--addr <HOST:PORT>': expected HOST:PORT, such as",
    );
    refused(
        &["--drain-timeout", "30"],
        "invalid value '30' for '--drain-timeout <DURATION>': expected a duration from 0s to 24h",
    );
    refused(&["--retries", "-1"], "invalid value '-1' for '--retries <COUNT>': expected a whole");
    refused(&["--print-config", "--log-retention", "0"], "expected a whole number from 1 to 3650");
    // Flags are checked before the file is read.
    refused(&["--config", "nowhere.toml", "--retries", "x"], "invalid value 'x' for '--retries");
}

#[test]
fn each_value_is_printed_with_its_origin() {
    let binary = Binary::new()
        .file("ts.toml", "log-format = 'json'\nretention = '36h'\nretries = 1\n\n[queues.mail]\nconcurrency = 2\nrate = '10/m'\n")
        .env("TASK_SCHEDULER_RETENTION", "60h")
        .env("TASK_SCHEDULER_RETRIES", "2")
        .env("TASK_SCHEDULER_CONFIG", "ts.toml");
    let lines = printed(&binary, &["--retries", "3", "-a", "localhost:0"]);
    for line in [
        "addr = \"localhost:0\" # flag",
        "retries = 3 # flag",
        "retention = \"60h\" # env TASK_SCHEDULER_RETENTION",
        "log-format = \"json\" # file ts.toml:1",
        "cache-bytes = \"64MiB\" # default",
        "[queues.mail]",
        "weight = 1 # default",
        "concurrency = 2 # file ts.toml:6",
        "rate = \"10/m\" # file ts.toml:7",
        "concurrency_per_key = 1 # default",
        "store = \"sqlite\" # default",
        "data-dir = \"./data\" # default",
        "queue-length = \"unbounded\" # default",
        "retention-failed = \"14d\" # default",
        "retention-failed-count = 1000000 # default",
        "quarantine-after = 2 # default",
    ] {
        assert_printed(&lines, line);
    }
    // The flag overrides the environment's file.
    let binary = binary.file("other.toml", "retention-count = 5");
    let lines = printed(&binary, &["--config", "other.toml"]);
    assert_printed(&lines, "retention-count = 5 # file other.toml:1");
    assert_printed(&lines, "log-format = \"text\" # default");
}

#[test]
fn a_store_that_names_its_directory_is_printed_as_both_and_counts_go_with_the_store() {
    let binary = Binary::new().file("ts.toml", "data-dir = 'a'");
    let lines = printed(&binary, &["--config", "ts.toml", "--store", "sqlite:b"]);
    assert_printed(&lines, "store = \"sqlite\" # flag");
    assert_printed(&lines, "data-dir = \"b\" # flag");
    let binary = Binary::new().env("TASK_SCHEDULER_STORE", "memory");
    let lines = printed(&binary, &[]);
    assert_printed(&lines, "store = \"memory\" # env TASK_SCHEDULER_STORE");
    assert_printed(&lines, "queue-length = 100000 # default");
    assert_printed(&lines, "retention-count = 100000 # default");
}

#[test]
fn a_printed_configuration_can_be_loaded() {
    let binary = Binary::new();
    let flags = ["--print-config", "--cancel-grace", "1500ms", "--log-dir", "my \"logs\""];
    let first = binary.run(&flags).stdout;
    let binary = binary.file("printed.toml", &first);
    let values = |text: &str| -> Vec<String> {
        let value = |line: &str| Some(line.split_once("  #")?.0.trim().to_owned());
        text.lines().filter_map(value).collect()
    };
    let second = binary.run(&["--print-config", "--config", "printed.toml"]).stdout;
    assert_eq!(values(&second), values(&first));
    assert!(!second.contains("# default"), "{second}");
}

#[test]
fn a_wrong_file_is_exit_code_78_and_a_line_for_each_problem() {
    let refused = |text: &str, stderr: &str| {
        let binary = Binary::new().file("ts.toml", text);
        assert_refused(&binary.run(&["--config", "ts.toml"]), 78, stderr);
    };
    refused(
        "\ncache-capasity = 5\n",
        "task-scheduler: ts.toml:2: unknown key \"cache-capasity\"; did you mean \"cache-capacity\"?\n",
    );
    refused(
        "retries = 'many'\nlog-dir = 7.5\n[queues.mail]\nweight = 0",
        "task-scheduler: ts.toml:1: retries is 'many'; expected a whole number from 0 to 1000\n\
         task-scheduler: ts.toml:2: log-dir is 7.5; expected a directory, or none\n\
         task-scheduler: ts.toml:4: queues.mail.weight is 0; expected a whole number from 1 to 1000\n",
    );
    let ran = Binary::new().file("ts.toml", "a = 1\nb 2").run(&["--config", "ts.toml"]);
    assert_eq!(ran.code, Some(78));
    assert!(ran.stderr.starts_with("task-scheduler: ts.toml:2: "), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

#[test]
fn a_file_that_cannot_be_read_is_one_line() {
    assert_refused(
        &Binary::new().run(&["--config", "nowhere.toml"]),
        78,
        "task-scheduler: cannot read the configuration file nowhere.toml: No such file or directory \
         (os error 2)\n",
    );
    assert_refused(
        &Binary::new().env("TASK_SCHEDULER_CONFIG", ".").run(&[]),
        78,
        "task-scheduler: cannot read the configuration file .: Is a directory (os error 21)\n",
    );
    assert_refused(
        &Binary::new().run(&["--config", "/dev/zero"]),
        78,
        "task-scheduler: the configuration file /dev/zero is larger than 1048576 bytes\n",
    );
}

#[test]
fn a_wrong_variable_is_exit_code_78_also_where_a_flag_wins() {
    let binary = Binary::new().env("TASK_SCHEDULER_MAX_STREAMS", "many");
    let stderr = "task-scheduler: environment: TASK_SCHEDULER_MAX_STREAMS is \"many\"; expected a whole \
                  number from 1 to 100000\n";
    assert_refused(&binary.run(&[]), 78, stderr);
    assert_refused(&binary.run(&["--max-streams", "5"]), 78, stderr);
}

#[test]
fn a_variable_that_looks_like_a_typo_is_reported() {
    let lines = printed(&Binary::new().env("TASK_SCHEDULER_ADR", "x"), &[]);
    assert_printed(&lines, "# TASK_SCHEDULER_ADR is no setting; did you mean TASK_SCHEDULER_ADDR?");
}

#[test]
fn a_log_directory_that_cannot_be_used_is_one_line() {
    let binary = Binary::new().file("taken", "");
    assert_refused(
        &binary.run(&["--log-dir", "taken"]),
        78,
        "task-scheduler: cannot use the log directory taken: File exists (os error 17); choose another \
         with --log-dir, or none\n",
    );
    assert_refused(
        &binary.run(&["--log-dir", "/proc/self/fdinfo"]),
        78,
        "task-scheduler: cannot write to the log directory /proc/self/fdinfo: No such file or directory \
         (os error 2); choose another with --log-dir, or none\n",
    );
}

#[test]
fn a_malformed_rust_log_is_one_line() {
    let ran = Binary::new().env("RUST_LOG", "task_scheduler=lots").run(&["--log-dir", "none"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(78), 1), "{ran:?}");
    assert!(ran.stderr.starts_with("task-scheduler: RUST_LOG is \"task_scheduler=lots\": "));
}
