//! Limits of this process.

use nix::libc;
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

/// How many files may be open at a time.
pub fn open_files() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// A file that may not become larger is an error of who writes it, not our end.
pub fn outlive_file_size() {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Gives a child what we were given: programs there may count up to the limit. Async-signal-safe.
pub(super) fn restore() {
    // SAFETY: as above; the default is what a program expects at its start.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
    if let Some((soft, hard)) = BEFORE.get() {
        setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard).ok();
    }
}
