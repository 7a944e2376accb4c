//! On which hosts what was done last did not end well, for those who try again: each verb for itself.

use crate::sys::rendezvous;
use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Held by who writes.
const LOCK: &str = "lock";

/// The names that a verb remembers, as results show them.
///
/// # Errors
///
/// When nothing has been remembered, or it cannot be read.
pub(super) fn failed(verb: &str) -> io::Result<HashSet<String>> {
    Ok(fs::read_to_string(file_in(&folder()?, verb))?.lines().map(str::to_owned).collect())
}

/// Remembers those that have `failed` of the `named`; of others nothing is known that was not known before.
///
/// # Errors
///
/// When there is no place for it, with the path.
pub(super) fn remember<'a>(
    verb: &str,
    named: &HashSet<&str>,
    failed: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    let failed: Vec<_> = failed.collect();
    match folder() {
        Ok(folder) => remember_in(&folder, verb, named, &failed).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", file_in(&folder, verb).display()))
        }),
        // There is nothing to remember, and nothing to forget.
        Err(_) if failed.is_empty() => Ok(()),
        Err(error) => Err(error),
    }
}

fn remember_in(folder: &Path, verb: &str, named: &HashSet<&str>, failed: &[&str]) -> io::Result<()> {
    let path = file_in(folder, verb);
    if failed.is_empty() && !path.exists() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Of two runs that end at once neither undoes what the other remembers.
    let _lock = rendezvous::lock(&folder.join(LOCK))?;
    let before = fs::read_to_string(&path).unwrap_or_default();
    // For its owner alone, as a temporary file is.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    for name in before.lines().filter(|name| !named.contains(name)).chain(failed.iter().copied()) {
        writeln!(file, "{name}")?;
    }
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn file_in(folder: &Path, verb: &str) -> PathBuf {
    folder.join(format!("failed-{verb}"))
}

fn folder() -> io::Result<PathBuf> {
    let absolute =
        |path: Option<std::ffi::OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute(std::env::var_os("HOME")).map(|home| home.join(".local/state"));
    let state = absolute(std::env::var_os("XDG_STATE_HOME")).or_else(home);
    state
        .map(|state| state.join("hopvine"))
        .ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn remembered(folder: &Path, named: &[&str], failed: &[&str]) -> Vec<String> {
        remember_in(folder, "run", &named.iter().copied().collect(), failed).expect("written");
        let text = fs::read_to_string(file_in(folder, "run")).expect("there");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_remembered_is_for_its_owner_alone() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = scratch.path().join("state/hopvine");
        remember_in(&folder, "run", &HashSet::from(["web1"]), &[]).expect("nothing to do");
        assert!(!folder.exists());
        for failed in [&["web1", "web2"][..], &["web2"], &[]] {
            assert_eq!(remembered(&folder, &["web1", "web2"], failed), failed);
        }
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file_in(&folder, "run"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2, "it, and what is locked");
    }

    #[test]
    fn only_those_that_are_named_are_remembered_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        assert_eq!(remembered(folder, &["web1", "web2", "web3"], &["web1", "web2"]), ["web1", "web2"]);
        assert_eq!(remembered(folder, &["web2", "web3"], &["web3"]), ["web1", "web3"]);
        remember_in(folder, "facts", &HashSet::from(["web1"]), &[]).expect("written");
        assert_eq!(remembered(folder, &["web3"], &["web3"]), ["web1", "web3"]);
    }
}
