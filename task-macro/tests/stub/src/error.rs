//! A refusal, without its code.

#[derive(Debug, PartialEq)]
pub struct Error {
    pub message: String,
}

impl Error {
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { message: format!("{}: {}", field.into(), description.into()) }
    }
}
