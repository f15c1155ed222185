//! Replaces each argument that is the result of a dependency with that result. Pure.

use ahash::HashMap;

use crate::error::Code;
use crate::models::{ArgValue, Failure, Outcome, TaskId};
use crate::tasks::MAX_RESULT_BYTES;

/// The most bytes that results may add to the arguments of one task. A reference to a result is short,
/// and arguments may hold thousands of them.
const MAX_RESOLVED_BYTES: usize = 4 * MAX_RESULT_BYTES;

/// Why the arguments of a task cannot be resolved. A retry would not help.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unresolvable {
    /// The dependency ended without a result, or is not among the dependencies.
    #[error("{0} has no result to use as an argument")]
    NoResult(TaskId),
    /// The results are too large together.
    #[error(
        "the results that are used as arguments have more than {MAX_RESOLVED_BYTES} bytes together"
    )]
    TooLarge,
}

impl From<Unresolvable> for Failure {
    fn from(error: Unresolvable) -> Self {
        let code = match error {
            Unresolvable::NoResult(_) => Code::DependencyFailed,
            Unresolvable::TooLarge => Code::InvalidArgument,
        };
        Self { code, message: error.to_string() }
    }
}

/// The arguments with the results of these dependencies in the place of each [`ArgValue::ResultOf`].
pub(super) fn resolve_args(
    args: &[ArgValue],
    dependencies: &[(TaskId, Outcome)],
) -> Result<Vec<ArgValue>, Unresolvable> {
    let results =
        dependencies.iter().filter_map(|(id, outcome)| Some((id, outcome.result()?))).collect();
    let mut resolver = Resolver { results, bytes_left: MAX_RESOLVED_BYTES };
    args.iter().map(|arg| resolver.resolve(arg)).collect()
}

struct Resolver<'a> {
    results: HashMap<&'a TaskId, &'a ArgValue>,
    bytes_left: usize,
}

impl Resolver<'_> {
    /// Recursion is bounded: the decoder refuses arguments that nest too deep.
    fn resolve(&mut self, arg: &ArgValue) -> Result<ArgValue, Unresolvable> {
        Ok(match arg {
            ArgValue::ResultOf(id) => {
                let result = *self.results.get(id).ok_or(Unresolvable::NoResult(id.clone()))?;
                let left = self.bytes_left.checked_sub(result.heap_bytes());
                self.bytes_left = left.ok_or(Unresolvable::TooLarge)?;
                result.clone()
            }
            ArgValue::Array(values) => {
                ArgValue::Array(values.iter().map(|it| self.resolve(it)).collect::<Result<_, _>>()?)
            }
            ArgValue::Map(fields) => {
                let resolved = fields.iter().map(|(key, it)| Ok((key.clone(), self.resolve(it)?)));
                ArgValue::Map(resolved.collect::<Result<_, _>>()?)
            }
            plain => plain.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;
    use crate::models::Ending;

    fn id(text: &str) -> TaskId {
        TaskId::parse(text, "task_id").unwrap()
    }

    fn ended(text: &str, ending: Ending) -> (TaskId, Outcome) {
        let outcome = Outcome { ending, attempts: 1, started_at: None, ended_at: Timestamp::EPOCH };
        (id(text), outcome)
    }

    fn result(text: &str, value: ArgValue) -> (TaskId, Outcome) {
        ended(text, Ending::Succeeded(Arc::new(value)))
    }

    #[test]
    fn results_replace_their_references_at_any_depth() {
        let of = |text| ArgValue::ResultOf(id(text));
        let inner = ArgValue::Map([("x".to_owned(), of("a")), ("y".to_owned(), 2.into())].into());
        let args = [of("b"), ArgValue::Array(vec![1.into(), inner]), of("a")];
        let inner = ArgValue::Map([("x".to_owned(), 7.into()), ("y".to_owned(), 2.into())].into());
        let expected = vec!["text".into(), ArgValue::Array(vec![1.into(), inner]), 7.into()];
        let dependencies = [result("a", 7.into()), result("b", "text".into())];
        assert_eq!(resolve_args(&args, &dependencies), Ok(expected));
    }

    #[test]
    fn a_dependency_without_a_result_cannot_be_an_argument() {
        let dependencies = [ended("a", Ending::Skipped), ended("b", Ending::Expired)];
        for text in ["a", "b", "c"] {
            let args = [1.into(), ArgValue::ResultOf(id(text))];
            assert_eq!(resolve_args(&args, &dependencies), Err(Unresolvable::NoResult(id(text))));
        }
    }

    #[test]
    fn the_bytes_that_results_add_are_bounded() {
        let dependencies = [result("a", "x".repeat(MAX_RESULT_BYTES).into())];
        let references = |count| vec![ArgValue::ResultOf(id("a")); count];
        assert!(resolve_args(&references(4), &dependencies).is_ok());
        assert_eq!(resolve_args(&references(5), &dependencies), Err(Unresolvable::TooLarge));
    }
}
