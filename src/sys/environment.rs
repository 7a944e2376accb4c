//! The environment, where it must not be passed on.

use std::ffi::OsString;

/// What a program needs to speak untranslated, whatever the locale; all else stays as it is. What it
/// leads to finds the user's own choice in the second: sudo lets that pass by its name.
pub fn untranslated() -> Vec<(&'static str, OsString)> {
    let language = std::env::var_os("LANGUAGE").unwrap_or_default();
    vec![("LANGUAGE", "C".into()), ("LC_HOPVINE", language)]
}

/// Takes a variable out of the environment, so that no child inherits it. Called before there are threads.
pub fn take(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: this process has no other thread.
    unsafe { std::env::remove_var(name) };
    Some(value)
}
