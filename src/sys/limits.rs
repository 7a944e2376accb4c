//! Limits of this process.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use std::sync::OnceLock;

/// The limits of open files as they were.
static BEFORE: OnceLock<(rlim_t, rlim_t)> = OnceLock::new();

/// Raises the limit of open files as far as allowed: each context takes two.
pub fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok()
    {
        BEFORE.set((soft, hard)).ok();
    }
}

/// Gives a child the limit that we were given: programs there may count up to it. Async-signal-safe.
pub(super) fn restore_open_files() {
    if let Some((soft, hard)) = BEFORE.get() {
        setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard).ok();
    }
}
