//! The limit of open files, which bounds the number of connections.

/// Descriptors reserved for the store, the logs, the runtimes and connections that are closing.
const RESERVED: usize = 128;
/// The limit assumed where the system reports none.
#[cfg(not(unix))]
const ASSUMED: usize = 10_000;

/// How many connections the limit of open files allows. Raises the process's soft limit to the hard
/// limit: the usual 1,024 protects programs that call `select`, and nothing here does.
pub(in crate::server) fn room_for_connections() -> usize {
    limit().saturating_sub(RESERVED).max(1)
}

#[cfg(unix)]
fn limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = raised {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
    let limit = if raised.is_ok() { maximum } else { current };
    // `None` is "no limit".
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn limit() -> usize {
    ASSUMED
}
