//! What of our environment a command there finds in its own: `SetEnv`, and what `SendEnv` names.

use crate::fakessh::Invocation;
use crate::hosts::wildcard;
use std::os::unix::ffi::OsStrExt;

pub(super) fn environment(invocation: &Invocation) -> Vec<(Vec<u8>, Vec<u8>)> {
    let set = invocation.environment.iter();
    let set = set.map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()));
    let sent = std::env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(|name| is_sent(name, &invocation.send_environment)));
    let sent = sent.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = sent.collect();
    for (name, value) in set {
        all.retain(|(other, _)| *other != name);
        all.push((name, value));
    }
    all
}

/// `-PATTERN` takes back what came before.
fn is_sent(name: &str, patterns: &[String]) -> bool {
    patterns.iter().fold(false, |sent, pattern| match pattern.strip_prefix('-') {
        Some(pattern) => sent && !wildcard::matches(pattern, name),
        None => sent || wildcard::matches(pattern, name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sent_by_pattern_unless_that_is_taken_back() {
        let patterns = ["LC_*", "LANG", "-LC_ALL"].map(str::to_owned);
        let sent = ["LANG", "LC_TIME", "LC_ALL", "HOME"].map(|name| is_sent(name, &patterns));
        assert_eq!(sent, [true, true, false, false]);
    }
}
