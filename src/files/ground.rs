//! Where what comes goes: a place, and the folders of a tree there. All of it is reached through folders that are held
//! open, however many there are: the root, and the one that was used last.

use super::place::Place;
use super::{LocalError, Side};
use crate::sys::folder::{Folder, Found};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Names are those in the tree; an empty one is the place itself.
#[derive(Debug)]
pub(super) struct Ground {
    place: Place,
    /// What is at the place, once it is a folder of this transfer.
    root: Option<Folder>,
    last: Option<(PathBuf, Folder)>,
    /// Folders that this transfer has found or made: nothing is written anywhere else.
    known: HashSet<PathBuf>,
    /// Those that are not yet as they are to be.
    late: Vec<Late>,
}

#[derive(Debug)]
struct Late {
    name: PathBuf,
    mode: u32,
    mtime_ns: Option<i64>,
}

impl Ground {
    pub(super) fn new(place: Place) -> Self {
        Self { place, root: None, last: None, known: HashSet::new(), late: Vec::new() }
    }

    /// Without symbolic links.
    pub(super) fn path(&self) -> PathBuf {
        self.place.path()
    }

    pub(super) fn knows(&self, folder: &Path) -> bool {
        self.known.contains(folder)
    }

    /// Whether what has come is where it was to go.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        match &self.root {
            Some(root) => root.is_at(&self.path()),
            None => self.place.is_there(),
        }
    }

    /// The folder that something is in, and its name there.
    pub(super) fn find<'a>(&'a mut self, name: &'a Path) -> io::Result<(&'a Folder, &'a OsStr)> {
        match (name.parent(), name.file_name()) {
            (Some(above), Some(name)) => Ok((self.folder(above)?, name)),
            _ => Ok((&self.place.folder, &self.place.name)),
        }
    }

    /// Makes a folder of this transfer, or opens one that is there. It is to have that mode if it is new, and with a
    /// time in any case.
    pub(super) fn make_folder(&mut self, name: &Path, mode: u32, mtime_ns: Option<i64>) -> io::Result<()> {
        let keep = mtime_ns.is_some();
        let mut due = mode;
        // As it will be at once: nobody puts it right should all this end on the way. But we may write to it
        // meanwhile, and not everybody.
        let mut meanwhile = due & !0o002 | 0o700;
        let (above, own) = self.find(name)?;
        let made = match above.make_folder(own, meanwhile & 0o777) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            made => made.map(|()| true)?,
        };
        let folder = above.below(own)?;
        let mut there = folder.mode()?;
        match (made, keep) {
            // It has inherited its group, and that all in it does.
            (true, false) => [due, meanwhile] = [due, meanwhile].map(|mode| mode | there & 0o2000),
            (true, true) => {}
            (false, keep) => {
                meanwhile = there | 0o700;
                due = if keep { due } else { there };
            }
        }
        // Where that may not be and matters, what comes into it tells.
        if there != meanwhile && folder.set_mode(meanwhile).is_ok() {
            there = meanwhile;
        }
        if keep || there != due {
            self.late.push(Late { name: name.to_owned(), mode: due, mtime_ns });
        }
        if name.as_os_str().is_empty() {
            self.root = Some(folder);
        } else {
            self.last = Some((name.to_owned(), folder));
        }
        self.known.insert(name.to_owned());
        Ok(())
    }

    /// Gives the last folder that waits for it what is due to it; those in it have it already.
    pub(super) fn settle(&mut self) -> Option<(PathBuf, io::Result<()>)> {
        let Late { name, mode, mtime_ns } = self.late.pop()?;
        let settled = self.folder(&name).and_then(|folder| {
            folder.set_mode(mode)?;
            mtime_ns.map_or(Ok(()), |mtime_ns| folder.set_time(mtime_ns))
        });
        Some((name, settled))
    }

    /// A folder that this transfer has made or found.
    pub(super) fn folder(&mut self, name: &Path) -> io::Result<&Folder> {
        let Some(root) = &self.root else { return Err(io::ErrorKind::NotFound.into()) };
        if name.as_os_str().is_empty() {
            return Ok(root);
        }
        let (mut at, mut rest) = (None, name);
        if let Some((last, folder)) = self.last.take()
            && let Ok(below) = name.strip_prefix(&last)
        {
            (at, rest) = (Some(folder), below);
        }
        for name in rest {
            at = Some(at.as_ref().unwrap_or(root).below(name)?);
        }
        let Some(folder) = at else { return Ok(root) };
        Ok(&self.last.insert((name.to_owned(), folder)).1)
    }
}

/// Whether a file may take that place.
pub(super) fn replaceable(folder: &Folder, name: &OsStr, path: &Path, side: Side) -> Result<(), LocalError> {
    match (folder.find(name), side) {
        (Ok(Found::File | Found::Link(..)) | Err(_), _) => Ok(()),
        (Ok(Found::Folder(_) | Found::Special), Side::Here) => {
            Err(LocalError(format!("{} is there, and is no file", path.display())))
        }
        (Ok(Found::Folder(_)), Side::There) => Err(LocalError(format!(
            "{} is a folder; name the file in it, or end the name with /",
            path.display()
        ))),
        (Ok(Found::Special), Side::There) => Err(Side::There.special(path)),
    }
}

impl Drop for Ground {
    /// Whatever has ended it: folders are left as they are to be.
    fn drop(&mut self) {
        while self.settle().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn folders_of_a_tree_are_reached_in_any_order_and_by_no_link() {
        let scratch = tempfile::tempdir().expect("a folder");
        let root = scratch.path().join("root");
        let mut ground = Ground::new(Place::open(&root, Side::There, true).expect("a place"));
        for name in ["", "a", "a/b", "c", "a/b/d"] {
            ground.make_folder(Path::new(name), 0o500, None).expect(name);
        }
        ground.make_folder(Path::new("a/b"), 0o700, None).expect("found");
        for name in ["a/b/d/1", "a/2", "c/3", "a/b/4", "5", "a/b/d/6"] {
            let (folder, name) = ground.find(Path::new(name)).expect("a folder");
            folder.make_file(name).expect("made");
        }
        for name in ["a/b/d/1", "a/2", "c/3", "a/b/4", "5", "a/b/d/6"] {
            assert!(root.join(name).exists(), "{name}");
        }
        while let Some((name, settled)) = ground.settle() {
            settled.unwrap_or_else(|error| panic!("{}: {error}", name.display()));
            let mode = root.join(&name).metadata().expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o500, "{}", name.display());
            fs::set_permissions(root.join(&name), Permissions::from_mode(0o700)).expect("set");
        }
        fs::rename(root.join("a"), root.join("moved")).expect("moved");
        symlink("moved", root.join("a")).expect("linked");
        assert!(ground.find(Path::new("c/3")).is_ok());
        assert!(ground.find(Path::new("a/2")).is_err(), "a link is no folder");
        assert!(ground.is_there().expect("there"));
        fs::rename(&root, scratch.path().join("elsewhere")).expect("moved");
        assert!(ground.is_there().is_err());
    }
}
