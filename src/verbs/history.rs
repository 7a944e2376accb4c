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

/// Remembers these and no others.
///
/// # Errors
///
/// When there is no place for it.
pub(super) fn remember<'a>(names: impl Iterator<Item = &'a str>) -> io::Result<()> {
    remember_in(&folder()?, names)
}

fn remember_in<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let mut names = names.peekable();
    if names.peek().is_none() && !folder.join(FILE).exists() {
        // There is nothing to remember, and nothing to forget.
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // For its owner alone, as a temporary file is.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    for name in names {
        writeln!(file, "{name}")?;
    }
    file.persist(folder.join(FILE)).map(drop).map_err(|error| error.error)
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
        remember_in(&folder, std::iter::empty()).expect("nothing to do");
        assert!(!folder.exists());
        for names in [&["web1", "web2"][..], &["web2"], &[]] {
            remember_in(&folder, names.iter().copied()).expect("written");
            let text = fs::read_to_string(folder.join(FILE)).expect("there");
            assert_eq!(text.lines().collect::<Vec<_>>(), names);
        }
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
    }
}
