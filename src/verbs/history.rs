//! Which hosts of the last run over several did not end well, for those who try again.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const FILE: &str = "failed";

/// The names that were remembered, as results show them.
///
/// # Errors
///
/// When nothing has been remembered, or it cannot be read.
pub(super) fn failed() -> io::Result<HashSet<String>> {
    Ok(fs::read_to_string(folder()?.join(FILE))?.lines().map(str::to_owned).collect())
}

/// Remembers `failed`, and of those that were remembered before the ones that `stay`.
///
/// # Errors
///
/// When there is no place for it, with the path.
pub(super) fn remember<'a>(
    failed: impl Iterator<Item = &'a str>,
    stay: impl Fn(&str) -> bool,
) -> io::Result<()> {
    let failed: Vec<_> = failed.collect();
    match folder() {
        Ok(folder) => remember_in(&folder, &failed, stay).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.join(FILE).display()))
        }),
        // There is nothing to remember, and nothing to forget.
        Err(_) if failed.is_empty() => Ok(()),
        Err(error) => Err(error),
    }
}

fn remember_in(folder: &Path, failed: &[&str], stay: impl Fn(&str) -> bool) -> io::Result<()> {
    let path = folder.join(FILE);
    let before = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && failed.is_empty() => return Ok(()),
        before => before.unwrap_or_default(),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // For its owner alone, as a temporary file is.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    for name in before.lines().filter(|name| stay(name)).chain(failed.iter().copied()) {
        writeln!(file, "{name}")?;
    }
    file.persist(path).map(drop).map_err(|error| error.error)
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

    #[test]
    fn what_is_remembered_is_for_its_owner_alone() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = scratch.path().join("state/hopvine");
        remember_in(&folder, &[], |_| true).expect("nothing to do");
        assert!(!folder.exists());
        for names in [&["web1", "web2"][..], &["web2"], &[]] {
            remember_in(&folder, names, |_| false).expect("written");
            let text = fs::read_to_string(folder.join(FILE)).expect("there");
            assert_eq!(text.lines().collect::<Vec<_>>(), names);
        }
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
    }

    #[test]
    fn who_had_no_part_in_a_run_is_still_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        remember_in(folder.path(), &["web1", "web2", "web3"], |_| false).expect("written");
        remember_in(folder.path(), &["web2"], |name| !["web1", "web2"].contains(&name)).expect("written");
        let text = fs::read_to_string(folder.path().join(FILE)).expect("there");
        assert_eq!(text, "web3\nweb2\n");
    }
}
