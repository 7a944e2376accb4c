//! The environment, where it must not be passed on.

use std::ffi::OsString;

/// Takes a variable out of the environment, so that no child inherits it. Called before there are threads.
pub fn take(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: this process has no other thread.
    unsafe { std::env::remove_var(name) };
    Some(value)
}
