//! Tables of a Markdown text.

/// The rows below the first table whose header begins with these columns, cell by cell.
///
/// # Errors
/// There is no such table, or it has no rows.
pub(crate) fn rows(markdown: &str, columns: &[&str]) -> Result<Vec<Vec<String>>, String> {
    let missing = || format!("no table that begins with the columns {}", columns.join(", "));
    let mut lines =
        markdown.lines().map(cells).skip_while(|cells| !cells.starts_with(&owned(columns)));
    lines.next().ok_or_else(missing)?;
    // The line of dashes is no row.
    let rows: Vec<_> = lines.skip(1).take_while(|cells| !cells.is_empty()).collect();
    if rows.is_empty() { Err(missing()) } else { Ok(rows) }
}

fn owned(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&column| column.to_owned()).collect()
}

/// The cells of one line; none when the line is no row of a table.
fn cells(line: &str) -> Vec<String> {
    let Some(row) = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
        return Vec::new();
    };
    row.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The words between backquotes.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn rows_are_those_below_the_header() {
    let text =
        "| a | b |\n|---|---|\n| no | no |\n\n| a | c |\n|--|--|\n| `x`, `y` | 1 |\n| 2 | |\ntext";
    let expected = vec![owned(&["`x`, `y`", "1"]), owned(&["2", ""])];
    assert_eq!(rows(text, &["a", "c"]), Ok(expected));
    assert_eq!(rows(text, &["c"]), Err("no table that begins with the columns c".to_owned()));
    assert_eq!(quoted("`x`, y and `z`").collect::<Vec<_>>(), ["x", "z"]);
}
