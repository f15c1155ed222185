//! Deadlines: a call that is not answered within its `grpc-timeout` is answered `DEADLINE_EXCEEDED`.
//!
//! tonic has such a layer, which cannot be removed and answers `CANCELLED`. It is outside of this
//! one, starts its timer later, and polls this one before its timer; so this layer always answers
//! first. (That holds on a current-thread runtime, where timers do not advance between two polls.)
//!
//! Only the wait ends: a task that the call started continues.
//!
//! A streaming call is answered when its stream begins, which is where this layer stops; the stream
//! enforces its own [`deadline`](of).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, HeaderName, Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::error::{Code, Error};

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// The most digits of a timeout.
const MAX_DIGITS: usize = 8;

/// Enforces the deadline of every call.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

/// A service that answers when the deadline of a call passes.
#[derive(Clone, Debug)]
pub(super) struct Deadline<S> {
    inner: S,
}

pin_project! {
    /// A call and its deadline, if it has one.
    #[project = CallStage]
    pub(super) enum Call<F> {
        Unbounded { #[pin] call: F },
        // Boxed, so that calls without a deadline do not carry the space of a timer.
        Bounded { #[pin] call: F, expiry: Pin<Box<Sleep>> },
        Refused { error: Option<Box<Error>> },
    }
}

impl<S> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Call<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match timeout(request.headers()) {
            Ok(None) => Call::Unbounded { call: self.inner.call(request) },
            // The deadline has passed already: the call must have no effect, however fast it is.
            Ok(Some(Duration::ZERO)) => Call::Refused { error: Some(Box::new(exceeded())) },
            Ok(Some(timeout)) => {
                let expiry = Box::pin(tokio::time::sleep(timeout));
                Call::Bounded { call: self.inner.call(request), expiry }
            }
            Err(error) => Call::Refused { error: Some(Box::new(error)) },
        }
    }
}

impl<F, E> Future for Call<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let error = match self.project() {
            CallStage::Unbounded { call } => return call.poll(cx),
            CallStage::Bounded { call, expiry } => {
                if let Poll::Ready(answer) = call.poll(cx) {
                    return Poll::Ready(answer);
                }
                ready!(expiry.as_mut().poll(cx));
                exceeded()
            }
            CallStage::Refused { error } => {
                *error.take().expect("a future is not polled after its end")
            }
        };
        Poll::Ready(Ok(Status::from(error).into_http()))
    }
}

/// The deadline of a call, if it has one. The layer has refused a malformed one.
pub(in crate::server) fn of<T>(request: &tonic::Request<T>) -> Option<Instant> {
    let timeout = timeout(request.metadata().as_ref()).ok().flatten()?;
    Instant::now().checked_add(timeout)
}

fn exceeded() -> Error {
    Error::new(
        Code::DeadlineExceeded,
        "the call's deadline passed before its answer; a task that it started continues, unless cancel_on_disconnect is set",
    )
}

/// The call's timeout: at most eight digits and a unit, as the gRPC specification defines it. A
/// malformed one is refused: a caller that sends a deadline relies on it.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(header) = headers.get(&GRPC_TIMEOUT) else {
        return Ok(None);
    };
    parse(header.as_bytes()).map(Some).ok_or_else(|| {
        Error::invalid(
            "grpc-timeout",
            format!(
                "{header:?} is no timeout; expected 1 to {MAX_DIGITS} digits and one of H, M, S, m, u, n"
            ),
        )
    })
}

fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits.iter().fold(0, |amount, digit| amount * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3_600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit() {
        let check = |text: &str, expected: Option<Duration>| {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        };
        check("3H", Some(Duration::from_secs(10_800)));
        check("2M", Some(Duration::from_secs(120)));
        check("42S", Some(Duration::from_secs(42)));
        check("13m", Some(Duration::from_millis(13)));
        check("2u", Some(Duration::from_micros(2)));
        check("82n", Some(Duration::from_nanos(82)));
        check("0n", Some(Duration::ZERO));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
        for malformed in [
            "",
            "S",
            "5",
            "5s",
            "+5S",
            "-5S",
            "5.0S",
            " 5S",
            "123456789S",
            "oneH",
            "5S ",
            "\u{e9}S",
        ] {
            check(malformed, None);
        }
    }

    /// The status of a call with this timeout whose service answers when `answer` completes.
    async fn code(header: &'static str, answer: impl Future<Output = ()> + Send) -> Option<i32> {
        let mut answer = Some(answer);
        let inner = tower::service_fn(move |_: Request<Body>| {
            let answer = answer.take().expect("called once");
            async move {
                answer.await;
                Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
            }
        });
        let request =
            Request::builder().header("grpc-timeout", header).body(Body::empty()).unwrap();
        let answer = DeadlineLayer.layer(inner).call(request).await.unwrap();
        let status = answer.headers().get("grpc-status")?;
        Some(status.to_str().unwrap().parse().unwrap())
    }

    #[tokio::test]
    async fn a_call_is_answered_or_expires() {
        let exceeded = Some(tonic::Code::DeadlineExceeded as i32);
        assert_eq!(code("10m", std::future::ready(())).await, None);
        assert_eq!(code("10m", tokio::time::sleep(Duration::from_millis(5))).await, None);
        assert_eq!(code("10m", std::future::pending()).await, exceeded);
        assert_eq!(code("1n", std::future::pending()).await, exceeded);
        assert_eq!(code("0n", std::future::ready(())).await, exceeded, "the deadline had passed");
        assert_eq!(
            code("soon", std::future::ready(())).await,
            Some(tonic::Code::InvalidArgument as i32)
        );
    }
}
