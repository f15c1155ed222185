//! Relative links in Markdown.

use std::path::Path;

use crate::files;

/// The links of one document that lead to no file, or to no heading of it.
pub(crate) fn dead(root: &Path, file: &str, markdown: &str) -> Vec<String> {
    let path = root.join(file);
    let folder = path.parent().expect("a file has a folder");
    let mut findings = Vec::new();
    for (line, target) in relative(markdown) {
        let (to, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let to = if to.is_empty() { path.clone() } else { folder.join(to) };
        let lives = to.exists()
            && (anchor.is_empty() || anchors(&files::read(&to)).any(|known| known == anchor));
        if !lives {
            findings.push(format!("{file}:{line}: {target}"));
        }
    }
    findings
}

/// The targets of `](target)` and `[name]: target` outside code, with their lines from 1.
fn relative(markdown: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in prose(markdown) {
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let definition = text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .map(|(_, target)| target);
        for target in inline.chain(definition) {
            // A title may follow: `path "title"`.
            let target = target.split_whitespace().next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !elsewhere {
                found.push((line, target.to_owned()));
            }
        }
    }
    found
}

/// The lines outside fenced blocks, without what stands between backquotes.
fn prose(markdown: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    (1..).zip(markdown.lines()).filter_map(move |(line, text)| {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        let outside: Vec<&str> = text.split('`').step_by(2).collect();
        (!fenced).then(|| (line, outside.join("")))
    })
}

/// What a `#` can name in a document, as GitHub makes it out of headings.
fn anchors(markdown: &str) -> impl Iterator<Item = String> {
    let mut fenced = false;
    markdown.lines().filter_map(move |line| {
        fenced ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if fenced || heading.len() == line.len() {
            return None;
        }
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn dead_links_are_found_and_living_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        fs::write(folder.path().join("docs/other.md"), "## Life of a `task`, whole\n").unwrap();
        let text = "# Top\n\
            [a](other.md) [b](other.md#life-of-a-task-whole) [c](#top) [d](https://x.org/gone)\n\
            [e](gone.md) and [f](other.md#gone \"title\")\n\
            `[g](gone.md)`\n\
            ```\n[h](gone.md)\n```\n\
            [i]: ../gone/ \n";
        fs::write(folder.path().join("docs/this.md"), text).unwrap();
        assert_eq!(
            dead(folder.path(), "docs/this.md", text),
            [
                "docs/this.md:3: gone.md",
                "docs/this.md:3: other.md#gone",
                "docs/this.md:8: ../gone/"
            ]
        );
    }
}
