//! Where a file goes, or comes from, that somebody far away has named.

use super::{LocalError, Side, hex};
use crate::sys::{identity, random};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{env, fs, io};

/// As many symbolic links as the system follows in one path.
const MAX_LINKS: usize = 40;

/// The absolute path for a name: `~/` is the home, any other begins in the current folder.
///
/// # Errors
///
/// When there is no such folder any more.
pub fn named(name: &[u8]) -> Result<PathBuf, LocalError> {
    let typed = Path::new(OsStr::from_bytes(name));
    let path = match (typed.strip_prefix("~"), env::home_dir()) {
        (Ok(below), Some(home)) if name.starts_with(b"~/") => home.join(below),
        _ => typed.to_owned(),
    };
    let path = if path.is_absolute() {
        path
    } else {
        env::current_dir().map_err(|error| Side::There.error(&path, &error))?.join(path)
    };
    Ok(plain(&path))
}

/// A fresh name in the first folder for temporary files that can be written.
///
/// # Errors
///
/// When there is none, or no chance.
pub fn fresh() -> Result<PathBuf, LocalError> {
    let folders = [env::var_os("TMPDIR").unwrap_or_default(), "/tmp".into(), "/var/tmp".into(), ".".into()];
    let usable = |folder: &&OsString| !folder.is_empty() && identity::may_write_in(Path::new(folder));
    let folder = folders.iter().find(usable);
    let folder =
        folder.ok_or_else(|| LocalError("no folder for temporary files can be written".to_owned()))?;
    let path = named(folder.as_bytes())?;
    let name = fresh_name().map_err(|error| Side::There.error(&path, &error))?;
    Ok(path.join(name))
}

/// A name for a temporary file that nobody can guess.
///
/// # Errors
///
/// Where the system has no random source.
pub fn fresh_name() -> io::Result<String> {
    Ok(format!("hopvine-{}", hex(&random::bytes::<8>()?)))
}

/// An absolute path without symbolic links; one of another user may lead anywhere, and is refused.
///
/// # Errors
///
/// That, and when the path leads nowhere: only its end may be missing.
pub fn resolved(path: &Path) -> Result<PathBuf, LocalError> {
    let wrong = |error: io::Error| Side::There.error(path, &error);
    let mut rest = parts(path);
    let (mut done, mut links) = (PathBuf::from("/"), 0);
    while let Some(name) = rest.pop() {
        if name == ".." {
            done.pop();
            continue;
        }
        let full = done.join(&name);
        let info = match fs::symlink_metadata(&full) {
            Err(error) if rest.is_empty() && error.kind() == io::ErrorKind::NotFound => return Ok(full),
            info => info.map_err(wrong)?,
        };
        if !info.is_symlink() {
            done = full;
            continue;
        }
        if info.uid() != 0 && info.uid() != identity::effective_user() {
            return Err(LocalError(format!("{} is a symbolic link of another user", full.display())));
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(LocalError(format!("{}: Too many levels of symbolic links", path.display())));
        }
        let link = fs::read_link(&full).map_err(wrong)?;
        if link.is_absolute() {
            done = PathBuf::from("/");
        }
        rest.extend(parts(&link));
    }
    Ok(done)
}

/// The names in a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

/// An absolute path without `.` and `..`, as it reads.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for name in parts(path).into_iter().rev() {
        if name == ".." {
            plain.pop();
        } else {
            plain.push(name);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_name_is_a_path_from_the_root() {
        let here = env::current_dir().expect("a folder");
        let home = env::home_dir().expect("a home");
        let cases = [
            (&b"/a//b/./c/"[..], PathBuf::from("/a/b/c")),
            (b"/../a/b/../../c", PathBuf::from("/c")),
            (b"a/b", here.join("a/b")),
            (b"./~/a", here.join("~/a")),
            (b"~a", here.join("~a")),
            (b"~/a", home.join("a")),
            (b"~//etc", home.join("etc")),
            (b"/\xff", PathBuf::from(OsStr::from_bytes(b"/\xff"))),
        ];
        for (name, path) in cases {
            assert_eq!(named(name), Ok(path), "{:?}", name.escape_ascii().to_string());
        }
    }

    #[test]
    fn links_are_followed_to_what_may_be_missing_at_the_end_only() {
        let scratch = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(scratch.path()).expect("a path");
        fs::create_dir_all(root.join("real/sub")).expect("made");
        fs::write(root.join("file"), "").expect("written");
        for (to, name) in [
            ("real", "link"),
            ("sub/../new", "real/up"),
            ("link/up", "far"),
            ("two", "one"),
            ("one", "two"),
            ("/..//", "top"),
        ] {
            symlink(to, root.join(name)).expect("linked");
        }
        let end = |name: &str| resolved(&root.join(name));
        assert_eq!(end("link/x"), Ok(root.join("real/x")));
        assert_eq!(end("far"), Ok(root.join("real/new")));
        assert_eq!(end("top/etc"), Ok(PathBuf::from("/etc")));
        for (name, says) in [
            ("none/x", "No such file"),
            ("file/x", "Not a directory"),
            ("one", "Too many levels"),
            ("far/x", "No such file"),
        ] {
            let error = end(name).expect_err(name);
            assert!(error.0.contains(says) && error.0.contains(name), "{error:?}");
        }
    }

    #[test]
    fn two_fresh_names_differ() {
        let (one, other) = (fresh().expect("a name"), fresh().expect("a name"));
        assert_ne!(one, other);
        assert_eq!(one.parent(), other.parent());
    }
}
