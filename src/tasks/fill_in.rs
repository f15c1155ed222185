//! Puts results in the place of the arguments that mention them: a pure function.

use ahash::HashMap;

use crate::error::Code;
use crate::models::{ArgValue, Outcome, TaskId};
use crate::tasks::MAX_RESULT_BYTES;

/// The most that results may add to the arguments of one task, in bytes. A mention is short and may
/// stand there many thousand times, and each time the whole result takes its place.
const MAX_FILLED_BYTES: usize = 4 * MAX_RESULT_BYTES;

/// Why a task cannot have the arguments that it asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfillable {
    /// The dependency ended without one, or is none.
    #[error("{0} has no result to use as an argument")]
    NoResult(TaskId),
    /// Too many mentions of results that are too large.
    #[error(
        "the results that are used as arguments have more than {MAX_FILLED_BYTES} bytes together"
    )]
    TooLarge,
}

impl Unfillable {
    /// What the task ends with: neither becomes better by trying again.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NoResult(_) => Code::DependencyFailed,
            Self::TooLarge => Code::InvalidArgument,
        }
    }
}

/// The arguments with the results of these dependencies.
pub(crate) fn fill_in(
    args: &[ArgValue],
    dependencies: &[(TaskId, Outcome)],
) -> Result<Vec<ArgValue>, Unfillable> {
    let results =
        dependencies.iter().filter_map(|(id, outcome)| Some((id, outcome.result()?))).collect();
    let mut filler = Filler { results, left: MAX_FILLED_BYTES };
    args.iter().map(|arg| filler.fill(arg)).collect()
}

struct Filler<'a> {
    results: HashMap<&'a TaskId, &'a ArgValue>,
    /// How many bytes may still come.
    left: usize,
}

impl Filler<'_> {
    /// Recursion is bounded: the decoder accepts no argument deeper than it should be.
    fn fill(&mut self, arg: &ArgValue) -> Result<ArgValue, Unfillable> {
        Ok(match arg {
            ArgValue::ResultOf(id) => {
                let result = *self.results.get(id).ok_or(Unfillable::NoResult(id.clone()))?;
                let left = self.left.checked_sub(result.heap_bytes());
                self.left = left.ok_or(Unfillable::TooLarge)?;
                result.clone()
            }
            ArgValue::Array(values) => {
                ArgValue::Array(values.iter().map(|it| self.fill(it)).collect::<Result<_, _>>()?)
            }
            ArgValue::Map(fields) => {
                let filled = fields.iter().map(|(key, it)| Ok((key.clone(), self.fill(it)?)));
                ArgValue::Map(filled.collect::<Result<_, _>>()?)
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
    fn results_take_the_place_of_their_mentions_at_any_depth() {
        let of = |text| ArgValue::ResultOf(id(text));
        let inner = ArgValue::Map([("x".to_owned(), of("a")), ("y".to_owned(), 2.into())].into());
        let args = [of("b"), ArgValue::Array(vec![1.into(), inner]), of("a")];
        let inner = ArgValue::Map([("x".to_owned(), 7.into()), ("y".to_owned(), 2.into())].into());
        let expected = vec!["text".into(), ArgValue::Array(vec![1.into(), inner]), 7.into()];
        let dependencies = [result("a", 7.into()), result("b", "text".into())];
        assert_eq!(fill_in(&args, &dependencies), Ok(expected));
    }

    #[test]
    fn what_has_no_result_cannot_be_mentioned() {
        let dependencies = [ended("a", Ending::Skipped), ended("b", Ending::Expired)];
        for text in ["a", "b", "c"] {
            let args = [1.into(), ArgValue::ResultOf(id(text))];
            assert_eq!(fill_in(&args, &dependencies), Err(Unfillable::NoResult(id(text))));
        }
    }

    #[test]
    fn large_results_are_not_multiplied_without_end() {
        let dependencies = [result("a", "x".repeat(MAX_RESULT_BYTES).into())];
        let mentions = |count| vec![ArgValue::ResultOf(id("a")); count];
        assert!(fill_in(&mentions(4), &dependencies).is_ok());
        assert_eq!(fill_in(&mentions(5), &dependencies), Err(Unfillable::TooLarge));
    }
}
