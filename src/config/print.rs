//! `--print-config`: all settings as TOML for `--config`, each with its origin.

use std::fmt::Write;

use crate::config::resolve::{Origin, Resolved};
use crate::config::settings::{QUEUE_SETTINGS, SETTINGS};

pub(super) fn print(resolved: &Resolved) -> String {
    let mut lines = Vec::new();
    let mut group = "";
    for setting in SETTINGS {
        if setting.group != group {
            group = setting.group;
            lines.push(Line::Heading(format!("# {group}")));
        }
        let Some(value) = setting.kind.show_toml(&resolved.config) else { continue };
        lines.push(Line::Value(setting.name, value, resolved.origin(setting)));
    }
    for (name, limits) in &resolved.config.engine.queues {
        // A bare key must not contain dots.
        let quote = if name.as_str().contains('.') { "\"" } else { "" };
        lines.push(Line::Heading(format!("[queues.{quote}{name}{quote}]")));
        for setting in QUEUE_SETTINGS {
            let Some(value) = setting.kind.show_toml(limits) else { continue };
            let origin = resolved.queue_origin(name, setting.name);
            lines.push(Line::Value(setting.name, value, origin));
        }
    }
    let remarks = resolved.remarks.iter().map(|remark| Line::Heading(format!("# {remark}")));
    lines.extend(remarks);
    align(&lines)
}

enum Line {
    Heading(String),
    Value(&'static str, String, Origin),
}

fn align(lines: &[Line]) -> String {
    let values = lines.iter().filter_map(|line| match line {
        Line::Value(name, value, _) => Some((name.len(), value.len())),
        Line::Heading(_) => None,
    });
    let (name_width, value_width) =
        values.fold((0, 0), |widest, (name, value)| (widest.0.max(name), widest.1.max(value)));
    let mut text = String::new();
    for line in lines {
        let written = match line {
            Line::Heading(heading) if text.is_empty() => writeln!(text, "{heading}"),
            Line::Heading(heading) => writeln!(text, "\n{heading}"),
            Line::Value(name, value, origin) => {
                writeln!(text, "{name:name_width$} = {value:value_width$}  # {origin}")
            }
        };
        written.expect("writing to a string does not fail");
    }
    text
}
