//! `--print-config`: every setting as TOML that `--config` takes back, with its origin beside it.

use std::fmt::Write;

use crate::config::queue_key::QueueKey;
use crate::config::resolve::{Origin, Resolved};
use crate::config::settings::Setting;

pub(super) fn print(resolved: &Resolved, settings: &'static [Setting]) -> String {
    let mut lines = Vec::new();
    let mut group = "";
    for setting in settings {
        if setting.group != group {
            group = setting.group;
            lines.push(Line::Heading(format!("# {group}")));
        }
        let value = setting.kind.show_toml(&resolved.config);
        lines.push(Line::Value(setting.name, value, resolved.origin(setting)));
    }
    for (name, limits) in &resolved.config.engine.queues {
        // Quoted where a bare key would be taken apart at its dots.
        let quote = if name.as_str().contains('.') { "\"" } else { "" };
        lines.push(Line::Heading(format!("[queues.{quote}{name}{quote}]")));
        for key in QueueKey::ALL {
            let Some(value) = key.show_toml(limits) else { continue };
            let origin = resolved.queue_origin(name, key);
            lines.push(Line::Value(key.as_str(), value, origin));
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
