//! Words that have no place here.

/// Notes about work to do, split so that this file does not find itself.
const UNDONE: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!("),
    concat!("unimplemented", "!("),
];

/// Each with the word of this project. `record` and `item` are left out: in Rust and in English they
/// have other uses.
const FOREIGN: [(&str, &str); 2] = [("job", "task"), ("jobs", "tasks")];

/// Lines with a note about work to do.
pub(crate) fn undone(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        for word in UNDONE.iter().filter(|word| has_word(content, word)) {
            findings.push(format!("{file}:{line}: {word}"));
        }
    }
    findings
}

/// Lines with a word that the project has another word for, alone or as a part of a name:
/// `job`, `job_id`, `JobQueue`.
pub(crate) fn foreign(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        for part in parts(content) {
            if let Some((word, ours)) = FOREIGN.iter().find(|(word, _)| *word == part) {
                findings.push(format!("{file}:{line}: `{word}`; say `{ours}`"));
            }
        }
    }
    findings
}

fn has_word(content: &str, word: &str) -> bool {
    let boundary = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    content.match_indices(word).any(|(at, _)| {
        let (before, after) = (&content[..at], &content[at + word.len()..]);
        boundary(before.chars().next_back())
            && (word.ends_with('(') || boundary(after.chars().next()))
    })
}

/// The words of a line in lower case; names are cut at `_` and before capitals.
fn parts(content: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before_is_lower = false;
    for c in content.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && before_is_lower) {
            parts.push(String::new());
        }
        if c.is_alphabetic() {
            parts.last_mut().expect("never empty").extend(c.to_lowercase());
        }
        before_is_lower = c.is_lowercase();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[test]
fn notes_about_work_to_do_are_found_as_words() {
    let text =
        format!("fn f() {{\n    {}\n    // {}: later\n}}", concat!("to", "do!()"), UNDONE[1]);
    let expected = [format!("a.rs:2: {}", UNDONE[3]), format!("a.rs:3: {}", UNDONE[1])];
    assert_eq!(undone("a.rs", &text), expected);
    assert_eq!(undone("a.rs", "let MASTODONS = todos;"), Vec::<String>::new());
}

#[test]
fn foreign_words_are_found_in_names_and_in_prose() {
    let found = |line: &str| foreign("a.rs", line).len();
    for line in ["// a job", "let job_id = 1;", "struct JobQueue;", "fn retryJob() {}", "two jobs."]
    {
        assert_eq!(found(line), 1, "{line}");
    }
    assert_eq!(found("jobless objects"), 0);
}
