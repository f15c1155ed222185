//! Any type with serde's traits, as a parameter and as a result.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::from_arg::{BadArgument, FromArg};
use super::json_source::Source;
use crate::models::ArgValue;
use crate::tasks::{HandlerResult, IntoReturn, TaskError};

/// A type of your own as a parameter or a result of a task.
///
/// As a parameter it accepts what `T`'s `Deserialize` accepts, as if the argument were JSON: a number
/// without a fraction is an integer, bytes fill a list of `u8`. Use it as a pattern:
///
/// ```text
/// #[async_task]
/// async fn charge(Json(order): Json<Order>) -> Result<Json<Receipt>, TaskError> { … }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromArg for Json<T> {
    fn expects() -> String {
        format!("JSON of {}", type_name::<T>())
    }

    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
        Self::read(&arg)
    }

    /// Reads the value and drops it: only `T` knows what it accepts.
    fn check(arg: &ArgValue) -> Result<(), BadArgument> {
        match Self::read(arg) {
            Err(_) if has_unknown(arg) => Ok(()),
            read => read.map(drop),
        }
    }
}

impl<T: DeserializeOwned> Json<T> {
    fn read(arg: &ArgValue) -> Result<Self, BadArgument> {
        T::deserialize(Source(arg)).map(Self).map_err(BadArgument::from)
    }
}

impl<T: Serialize> IntoReturn for Json<T> {
    fn into_return(self) -> HandlerResult {
        match serde_json::to_value(self.0) {
            Ok(json) => Ok(json.into()),
            Err(why) => {
                let message = format!("the result cannot be written as JSON: {why}");
                Err(TaskError::permanent(message))
            }
        }
    }
}

/// Whether a part of the argument is the result of a task that has not ended.
fn has_unknown(arg: &ArgValue) -> bool {
    match arg {
        ArgValue::ResultOf(_) => true,
        ArgValue::Array(values) => values.iter().any(has_unknown),
        ArgValue::Map(entries) => entries.values().any(has_unknown),
        _ => false,
    }
}

/// The name of the type, without its modules and its type parameters.
fn type_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::models::TaskId;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Method {
        Cash,
        Card(String),
        Transfer { iban: String },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Order {
        id: u64,
        lines: Vec<Line>,
        note: Option<String>,
        paid_by: Method,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        sku: String,
        #[serde(flatten)]
        price: Price,
        digest: Vec<u8>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Price {
        cents: i32,
    }

    fn entries<const N: usize>(entries: [(&str, ArgValue); N]) -> ArgValue {
        ArgValue::Map(BTreeMap::from(entries.map(|(key, value)| (key.to_owned(), value))))
    }

    /// As clients send it in protobuf's `Struct`: every number is a double.
    fn order(cents: impl Into<ArgValue>, paid_by: ArgValue) -> ArgValue {
        let line = entries([
            ("sku", "a".into()),
            ("cents", cents.into()),
            ("digest", ArgValue::Bytes(vec![1, 2])),
        ]);
        entries([("id", 7.0.into()), ("lines", ArgValue::Array(vec![line])), ("paid_by", paid_by)])
    }

    #[test]
    fn a_type_with_deserialize_is_read_from_any_kind_of_number() {
        let rows = [
            ("cash".into(), Method::Cash),
            (entries([("card", "4242".into())]), Method::Card("4242".into())),
            (
                entries([("transfer", entries([("iban", "NO1".into())]))]),
                Method::Transfer { iban: "NO1".into() },
            ),
        ];
        for (sent, paid_by) in rows {
            let line = Line { sku: "a".into(), price: Price { cents: 250 }, digest: vec![1, 2] };
            let expected = Order { id: 7, lines: vec![line], note: None, paid_by };
            assert_eq!(Json::<Order>::from_arg(order(250.0, sent)), Ok(Json(expected)));
        }
    }

    #[test]
    fn an_error_has_its_place() {
        let wrong = entries([
            ("id", 7.into()),
            ("lines", ArgValue::Array(vec![entries([("sku", true.into())])])),
            ("paid_by", "cash".into()),
        ]);
        let bad = Json::<Order>::check(&wrong).unwrap_err();
        assert_eq!(bad.path(), r#".fields["lines"].values[0].fields["sku"]"#);
        assert_eq!(bad.description(), "expected a string, got boolean `true`");

        let bad =
            Json::<Order>::check(&order(1, entries([("cheque", ArgValue::Null)]))).unwrap_err();
        assert_eq!(bad.path(), r#".fields["paid_by"]"#);
        assert_eq!(
            bad.description(),
            "unknown variant `cheque`, expected one of `cash`, `card`, `transfer`"
        );
        assert_eq!(Json::<Order>::expects(), "JSON of Order");
    }

    #[test]
    fn a_part_that_is_not_known_yet_passes_the_check() {
        let unknown = ArgValue::ResultOf(TaskId::generate());
        assert_eq!(Json::<Order>::check(&order(unknown.clone(), "cash".into())), Ok(()));
        assert!(Json::<Order>::from_arg(order(unknown, "cash".into())).is_err());
    }

    #[test]
    fn a_result_has_the_shape_of_its_json() {
        let paid_by = Method::Card("4242".into());
        assert_eq!(Json(&paid_by).into_return(), Ok(entries([("card", "4242".into())])));
        let unwritable = BTreeMap::from([((1, 2), 3)]);
        let error = Json(unwritable).into_return().unwrap_err();
        assert_eq!(
            error,
            TaskError::permanent("the result cannot be written as JSON: key must be a string")
        );
    }
}
