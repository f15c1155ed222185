//! The project's files.

use std::fs;
use std::path::Path;

/// Folders whose content is not the project's own.
const FOREIGN: [&str; 8] =
    ["target", "node_modules", ".git", ".venv", "__pycache__", "logs", "data", ".pytest_cache"];

/// The whole text of a file.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder and of those below it, as sorted paths from `root` with `/`. A folder
/// that does not exist has none.
pub(crate) fn with_extension(root: &Path, folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(root, &root.join(folder), extension, &mut found);
    found.sort();
    found
}

fn collect(root: &Path, folder: &Path, extension: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().expect("entries have names").to_string_lossy().into_owned();
        if path.is_dir() {
            if !FOREIGN.contains(&name.as_str()) {
                collect(root, &path, extension, found);
            }
        } else if path.extension().is_some_and(|e| e == extension) {
            let path = path.strip_prefix(root).expect("below the root");
            let parts: Vec<_> = path
                .components()
                .filter(|part| *part != std::path::Component::CurDir)
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            found.push(parts.join("/"));
        }
    }
}

#[test]
fn finds_this_file_and_nothing_foreign() {
    let root = crate::root();
    let all = with_extension(root, ".", "rs");
    assert!(all.contains(&"tests/tidy/files.rs".to_owned()), "{all:?}");
    assert!(all.iter().all(|file| !file.starts_with("target/")), "{all:?}");
    assert_eq!(with_extension(root, "no/such/folder", "rs"), Vec::<String>::new());
}
