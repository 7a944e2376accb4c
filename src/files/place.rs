//! Where a file goes, or comes from, that somebody far away has named.

use super::{LocalError, Side, hex};
use crate::sys::folder::{Folder, Found};
use crate::sys::{identity, random};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::{env, io};

/// As many symbolic links as the system follows in one path.
const MAX_LINKS: usize = 40;

/// The absolute path for a name: `~` and `~/` are the home, any other begins in the current folder.
///
/// # Errors
///
/// When there is no such folder any more.
pub fn named(name: &[u8]) -> Result<PathBuf, LocalError> {
    let typed = Path::new(OsStr::from_bytes(name));
    let path = match (typed.strip_prefix("~"), env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => typed.to_owned(),
    };
    let path = if path.is_absolute() {
        path
    } else {
        env::current_dir().map_err(|error| Side::There.error(&path, &error))?.join(path)
    };
    // What `..` leads to only links tell.
    Ok(path.components().collect())
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

/// A name in a folder that is held open, so that nobody can lead it elsewhere from then on.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: Folder,
    /// A dot where the path is that of a folder without one: `/`, or what ends in `..`.
    pub(super) name: OsString,
    /// The folder's path, without symbolic links.
    above: PathBuf,
}

impl Place {
    /// Follows a path, one name after the other; a symbolic link of another user may lead anywhere, and is refused. Only
    /// the last name may be missing, but that the user's own machine gets the folders that it needs. The link that is
    /// the last name there is what a single file replaces.
    ///
    /// # Errors
    ///
    /// That, and when the path leads nowhere.
    pub(super) fn open(path: &Path, side: Side, tree: bool) -> Result<Self, LocalError> {
        let wrong = |error: io::Error| side.error(path, &error);
        let mut rest = parts(path);
        let mut place = Self::start(path).map_err(wrong)?;
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                place.enter(&name).map_err(wrong)?;
                continue;
            }
            let is_last = rest.is_empty();
            match place.folder.find(&name) {
                Ok(Found::Link(link, owner)) if !is_last || tree || side == Side::There => {
                    if owner != 0 && owner != identity::effective_user() {
                        let link = side.name(&place.above.join(name));
                        return Err(LocalError(format!("{link} is a symbolic link of another user")));
                    }
                    links += 1;
                    if links > MAX_LINKS {
                        let path = side.name(path);
                        return Err(LocalError(format!("{path}: Too many levels of symbolic links")));
                    }
                    let link = Path::new(&link);
                    if link.is_absolute() {
                        place = Self::start(link).map_err(wrong)?;
                    }
                    rest.extend(parts(link));
                }
                Ok(_) if is_last => return Ok(Self { name, ..place }),
                Err(error) if error.kind() == io::ErrorKind::NotFound && (is_last || side == Side::Here) => {
                    if is_last {
                        return Ok(Self { name, ..place });
                    }
                    place.folder.make_folder(&name, 0o777).map_err(wrong)?;
                    place.enter(&name).map_err(wrong)?;
                }
                Err(error) => return Err(wrong(error)),
                Ok(_) => place.enter(&name).map_err(wrong)?,
            }
        }
        Ok(place)
    }

    fn start(path: &Path) -> io::Result<Self> {
        let above = Path::new(if path.is_absolute() { "/" } else { "." });
        Ok(Self { folder: Folder::open(above)?, name: ".".into(), above: above.to_owned() })
    }

    fn enter(&mut self, name: &OsStr) -> io::Result<()> {
        self.folder = self.folder.below(name)?;
        match name.to_str() {
            Some("..") if self.above == Path::new("/") => {}
            Some("..") if self.above.file_name().is_some() => drop(self.above.pop()),
            _ => self.above.push(name),
        }
        Ok(())
    }

    /// Without symbolic links.
    pub(super) fn path(&self) -> PathBuf {
        if self.name == "." { self.above.clone() } else { self.above.join(&self.name) }
    }

    /// Whether the folder is still where it was.
    ///
    /// # Errors
    ///
    /// When nothing is there.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        self.folder.is_at(&self.above)
    }
}

/// The names in a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_name_is_a_path_from_the_root() {
        let here = env::current_dir().expect("a folder");
        let home = env::home_dir().expect("a home");
        let cases = [
            (&b"/a//b/./c/"[..], PathBuf::from("/a/b/c")),
            (b"/a/../b/./", PathBuf::from("/a/../b")),
            (b"a/b", here.join("a/b")),
            (b"./~/a", here.join("~/a")),
            (b"~a", here.join("~a")),
            (b"~", home.clone()),
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
            ("real/sub", "deep"),
        ] {
            symlink(to, root.join(name)).expect("linked");
        }
        let end = |name: &str| Place::open(&root.join(name), Side::There, false).map(|place| place.path());
        assert_eq!(end("link/x"), Ok(root.join("real/x")));
        assert_eq!(end("far"), Ok(root.join("real/new")));
        assert_eq!(end("deep/../x"), Ok(root.join("real/x")));
        assert_eq!(end("deep/.."), Ok(root.join("real")));
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
