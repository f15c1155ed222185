//! Words that comments, documents and messages do not use, and the words to use instead.

/// The folders and extensions whose prose is checked.
pub(crate) const PLACES: [(&str, &str); 10] = [
    ("src", "rs"),
    ("task-macro", "rs"),
    ("tests", "rs"),
    ("benches", "rs"),
    ("examples", "rs"),
    (".", "md"),
    ("proto", "proto"),
    ("tests", "py"),
    ("scripts", ""),
    ("examples", "yaml"),
];

/// Each with what to write instead. A denied word is found in any case, as a whole word.
const DENIED: [(&str, &str); 40] = [
    ("somebody", "name who acts: the caller, the operator, the subscriber"),
    ("someone", "name who acts"),
    ("anybody", "any caller, any subscriber"),
    ("anyone", "any caller, any subscriber"),
    ("nobody", "no caller, no subscriber"),
    ("whoever", "the caller that, the node that"),
    ("one who", "a subscriber that, a caller that"),
    ("those who", "the subscribers that, the callers that"),
    ("he", "it"),
    ("him", "it"),
    ("his", "its"),
    ("ended badly", "failed"),
    ("ends badly", "fails"),
    ("ended well", "succeeded"),
    ("ends well", "succeeds"),
    ("by hand", "manually"),
    ("put aside", "written to the outbox, kept"),
    ("puts aside", "writes to the outbox, keeps"),
    ("given up", "abandoned"),
    ("gave up", "abandoned"),
    ("taken in", "accepted"),
    ("what came of", "the result of"),
    ("what became of", "the outcome of"),
    ("came of it", "followed"),
    ("is told", "gets, is notified"),
    ("are told", "get, are notified"),
    ("was told", "got, was notified"),
    ("were told", "got, were notified"),
    ("been told", "been notified"),
    ("gets on", "status"),
    ("in vain", "without effect"),
    ("floor", "layer"),
    ("floors", "layers"),
    ("the door", "the API"),
    ("doors", "API"),
    ("the house", "the codebase"),
    ("bodies", "handlers"),
    ("wished", "requested"),
    ("abroad", "in another store"),
    ("lets go of", "releases"),
];

/// The denied words of one file: in its comments when it is code, else everywhere.
pub(crate) fn denied(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let words = lowercase_words(prose_of(file, content));
        for (word, instead) in DENIED {
            if contains(&words, word) {
                findings.push(format!("{file}:{line}: `{word}`; write: {instead}"));
            }
        }
    }
    findings
}

/// What of a line is prose: a comment, or the name of a function in a file of tests; of a document all of it.
fn prose_of<'a>(file: &str, line: &'a str) -> &'a str {
    let comment = match file.rsplit('.').next() {
        Some("rs" | "proto") => "//",
        Some("py" | "yaml") => "#",
        _ => return line,
    };
    let name = line
        .trim_start()
        .strip_prefix("fn ")
        .or_else(|| line.trim_start().strip_prefix("async fn "));
    if let Some(name) = name {
        return name.split('(').next().unwrap_or("");
    }
    // Not the two slashes of an address.
    let start = line
        .match_indices(comment)
        .map(|(at, _)| at)
        .find(|&at| at == 0 || !line[..at].ends_with(':'));
    start.map_or("", |at| &line[at..])
}

/// The words of a text in lower case, without what stands between backquotes.
fn lowercase_words(text: &str) -> Vec<String> {
    let outside: Vec<&str> = text.split('`').step_by(2).collect();
    outside
        .join(" ` ")
        .split(|c: char| !c.is_alphanumeric() && c != '`')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn contains(words: &[String], phrase: &str) -> bool {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    words.windows(phrase.len()).any(|window| window.iter().zip(&phrase).all(|(a, b)| a == b))
}

#[test]
fn denied_words_are_found_in_prose_only() {
    let found = |file: &str, text: &str| denied(file, text).len();
    assert_eq!(found("a.rs", concat!("// Some", "body asked")), 1);
    assert_eq!(found("a.rs", "fn nobody_learns_an_outcome() {}"), 1);
    assert_eq!(found("a.rs", "let url = \"http://his\"; let he = 1;"), 0);
    assert_eq!(found("a.rs", "/// The `floor` of a number, and the helm"), 0);
    assert_eq!(found("a.md", "A task that ended badly: he knows"), 2);
    assert_eq!(found("a.py", "x = 1  # by hand"), 1);
    assert_eq!(found("a.md", "a doorstep, the herd and this"), 0);
}
