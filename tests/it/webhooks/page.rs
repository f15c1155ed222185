//! docs/webhooks.md shows the code that the tests use.

#[test]
fn the_page_shows_the_code_that_is_tested() {
    let page = include_str!("../../../docs/webhooks.md");
    let code = include_str!("is_genuine.rs");
    assert!(page.contains(&format!("```rust\n{code}```\n")), "docs/webhooks.md has other code");
}
