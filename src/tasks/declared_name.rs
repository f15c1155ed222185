//! Checks the name of a declared method.

use semver::Version;

use crate::models::{MAX_METHOD_BYTES, MethodName, is_word};
use crate::tasks::{Location, RegistryError};

/// Checks the name of a method declared at `at`. A missing version is `0.0.0`.
pub(super) fn declared_name(
    namespace: &str,
    name: &str,
    version: Option<&str>,
    at: Location,
) -> Result<MethodName, RegistryError> {
    if name.is_empty() {
        return Err(RegistryError::NoName { at });
    }
    for word in [namespace, name] {
        if !is_word(word) {
            let (name, suggestion) = (word.to_owned(), as_word(word));
            return Err(RegistryError::BadName { name, suggestion, at });
        }
    }
    let version = match version {
        None => Version::new(0, 0, 0),
        Some(text) => Version::parse(text).map_err(|_| RegistryError::BadVersion {
            name: format!("{namespace}/{name}"),
            version: text.to_owned(),
            suggestion: whole_version(text),
            at,
        })?,
    };
    let name = MethodName { namespace: namespace.into(), name: name.into(), version };
    let bytes = name.to_string().len();
    if bytes > MAX_METHOD_BYTES { Err(RegistryError::LongName { bytes, at }) } else { Ok(name) }
}

/// The nearest valid word: each invalid character becomes `_`.
fn as_word(text: &str) -> String {
    let word: String =
        text.chars().map(|c| if is_word(c.encode_utf8(&mut [0; 4])) { c } else { '_' }).collect();
    if word.is_empty() { "default".to_owned() } else { word }
}

/// The likely version: `2` and `v2.0` are `2.0.0`.
fn whole_version(text: &str) -> Version {
    let digits = text.trim_start_matches(['v', 'V']);
    let endings = ["", ".0", ".0.0"];
    let mut whole = endings.iter().filter_map(|end| Version::parse(&format!("{digits}{end}")).ok());
    whole.next().unwrap_or(Version::new(1, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Location = Location { file: "src/x.rs", line: 12 };

    #[test]
    fn valid_names_are_accepted() {
        let rows = [
            ("default", "add", None, "default/add@0.0.0"),
            ("pay.ments", "charge-2_b", Some("2.1.0-rc.1+b"), "pay.ments/charge-2_b@2.1.0-rc.1+b"),
        ];
        for (namespace, name, version, expected) in rows {
            let name = declared_name(namespace, name, version, HERE).map(|name| name.to_string());
            assert_eq!(name.as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_refusal_suggests_a_valid_name() {
        let long = "n".repeat(MAX_METHOD_BYTES);
        let rows = [
            ("default", "", None, "at src/x.rs:12 has no name; give it one"),
            ("default", "a b", None, r#"cannot be called "a b""#),
            ("default", "a b", None, r#"try "a_b""#),
            ("a/b", "c", None, r#"try "a_b""#),
            ("", "c", None, r#"try "default""#),
            ("default", "é", None, r#"try "_""#),
            ("default", &long, None, "is 269 bytes long"),
            (
                "default",
                "add",
                Some("2"),
                r#"default/add declared at src/x.rs:12 cannot have the version "2""#,
            ),
            ("default", "add", Some("2"), "try \"2.0.0\""),
            ("default", "add", Some("v2.1"), "try \"2.1.0\""),
            ("default", "add", Some("latest"), "try \"1.0.0\""),
            ("default", "add", Some(""), "try \"1.0.0\""),
        ];
        for (namespace, name, version, why) in rows {
            let error = declared_name(namespace, name, version, HERE).expect_err("refused");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
