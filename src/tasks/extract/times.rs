//! Timestamps and durations as parameters. JSON has neither, so text in protobuf's JSON form is accepted,
//! too.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::from_arg::{BadArgument, FromArg};
use crate::models::ArgValue;
use crate::tasks::{HandlerResult, IntoReturn};

const TIMESTAMP: &str = "timestamp, or text like \"2026-11-01T00:00:00Z\"";
const DURATION: &str = "duration, or text like \"1.5s\"";

macro_rules! times {
    ($($type:ty => $text:ty, $expects:ident);* $(;)?) => {$(
        impl FromArg for $type {
            fn expects() -> String {
                $expects.into()
            }

            fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
                let arg = match arg {
                    ArgValue::String(text) => ArgValue::from(read::<$text>(&text, $expects)?),
                    ArgValue::Timestamp(_) | ArgValue::Duration(_) => arg,
                    other => return Err(BadArgument::expected::<Self>(&other)),
                };
                Ok(Self::try_from(arg)?)
            }
        }
    )*};
}

times! {
    prost_types::Timestamp => prost_types::Timestamp, TIMESTAMP;
    SystemTime => prost_types::Timestamp, TIMESTAMP;
    prost_types::Duration => prost_types::Duration, DURATION;
    Duration => prost_types::Duration, DURATION;
}

fn read<T: FromStr>(text: &str, expects: &str) -> Result<T, BadArgument> {
    text.parse().map_err(|_| BadArgument::new(format!("expected {expects}, got other text")))
}

macro_rules! returned {
    ($($type:ty),*) => {$(
        impl IntoReturn for $type {
            fn into_return(self) -> HandlerResult {
                Ok(self.into())
            }
        }
    )*};
}

returned!(prost_types::Timestamp, SystemTime, prost_types::Duration, Duration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_accepted_as_themselves_and_as_text() {
        let noon = prost_types::Timestamp { seconds: 1_793_534_400, nanos: 0 };
        assert_eq!(prost_types::Timestamp::from_arg(noon.into()), Ok(noon));
        assert_eq!(prost_types::Timestamp::from_arg("2026-11-01T12:00:00Z".into()), Ok(noon));
        let half = Duration::from_millis(1_500);
        assert_eq!(Duration::from_arg(half.into()), Ok(half));
        assert_eq!(Duration::from_arg("1.5s".into()), Ok(half));
        assert_eq!(
            Duration::from_arg("soon".into()).unwrap_err().description(),
            "expected duration, or text like \"1.5s\", got other text"
        );
        assert!(Duration::from_arg("-1.5s".into()).is_err(), "a std Duration is never negative");
        assert!(SystemTime::from_arg(half.into()).is_err());
    }
}
