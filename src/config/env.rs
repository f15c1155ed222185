//! Reads settings from environment variables `TASK_SCHEDULER_*`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::config::nearest::nearest;
use crate::config::problem::{Problem, Source};
use crate::config::settings::{ENV_PREFIX, SETTINGS, Setting};

const CONFIG: &str = "TASK_SCHEDULER_CONFIG";

/// The settings in the environment.
#[derive(Default)]
pub(super) struct Environment {
    /// The path of the configuration file.
    pub(super) config: Option<PathBuf>,
    /// Unchecked values.
    pub(super) values: Vec<(&'static Setting, String)>,
    /// Warnings about variables that look misspelt. Not errors, because Kubernetes sets
    /// `TASK_SCHEDULER_SERVICE_HOST` and others for a service named `task-scheduler`.
    pub(super) remarks: Vec<String>,
}

/// Reads the variables with our prefix. An empty variable counts as unset.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) -> Environment {
    let mut found = Environment::default();
    for (name, value) in variables {
        let Some(suffix) = name.to_str().and_then(|name| name.strip_prefix(ENV_PREFIX)) else {
            continue;
        };
        if value.is_empty() {
            continue;
        }
        if name == CONFIG {
            found.config = Some(value.into());
            continue;
        }
        match (SETTINGS.iter().find(|setting| name == *setting.env()), value.to_str()) {
            (Some(setting), Some(text)) => found.values.push((setting, text.to_owned())),
            (Some(setting), None) => problems.push(not_text(setting, &value)),
            (None, _) => found.remarks.extend(remark(suffix)),
        }
    }
    found
}

fn not_text(setting: &Setting, value: &OsStr) -> Problem {
    Problem::BadValue {
        at: Source::Environment,
        what: setting.env(),
        value: format!("{value:?}"),
        expected: "expected UTF-8".into(),
    }
}

fn remark(suffix: &str) -> Option<String> {
    let known: Vec<String> = SETTINGS.iter().map(Setting::env).collect();
    let known = known.iter().filter_map(|name| name.strip_prefix(ENV_PREFIX)).chain(["CONFIG"]);
    let meant = nearest(suffix, known)?;
    Some(format!("{ENV_PREFIX}{suffix} is no setting; did you mean {ENV_PREFIX}{meant}?"))
}
