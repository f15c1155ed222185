//! How many files the process may have open, which bounds its connections.

/// Kept free for the store, the logs, the runtimes and connections that are being closed.
const KEPT: usize = 128;
/// What is assumed where the system does not say.
#[cfg(not(unix))]
const ASSUMED: usize = 10_000;

/// How many connections there is room for. Raises the process's own limit as far as it may: the
/// usual 1,024 is meant for programs that call `select`, and there are none of those here.
pub(super) fn room_for_connections() -> usize {
    limit().saturating_sub(KEPT).max(1)
}

#[cfg(unix)]
fn limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let limit = if raised.is_ok() { maximum } else { current };
    // `None` is "no limit".
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn limit() -> usize {
    ASSUMED
}
