//! What is not whole yet: without a name where that can be, else under one that nobody can guess.

use super::fresh_name;
use crate::sys::unfinished::Unfinished;
use crate::sys::unnamed;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// The one name that a transfer uses, in each folder in turn.
#[derive(Debug)]
pub(super) struct Scratch {
    name: Option<String>,
    /// Who else knows of it, should this process be killed.
    unfinished: Option<Unfinished>,
    told: PathBuf,
}

/// A file that takes its place later, and is gone when it is dropped.
#[derive(Debug)]
pub(super) enum Temp {
    /// Gone too when this program is killed.
    Unnamed(File),
    Named(File, TempPath),
}

impl Temp {
    pub(super) fn file(&self) -> &File {
        match self {
            Self::Unnamed(file) | Self::Named(file, _) => file,
        }
    }
}

impl Scratch {
    pub(super) fn new(unfinished: Option<Unfinished>) -> Self {
        Self { name: None, unfinished, told: PathBuf::new() }
    }

    /// A file on the file system of that place, for its owner alone.
    pub(super) fn file_beside(&mut self, path: &Path) -> io::Result<Temp> {
        if let Some(file) = unnamed::in_folder(folder_of(path)) {
            return Ok(Temp::Unnamed(file));
        }
        let name = self.name_beside(path)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name)?;
        Ok(Temp::Named(file, TempPath::try_from_path(name)?))
    }

    /// Moves a file to its place.
    pub(super) fn persist(&mut self, temp: Temp, path: &Path) -> io::Result<()> {
        match temp {
            Temp::Unnamed(file) => self.replace(path, |name| unnamed::give_name(&file, name)),
            Temp::Named(_, name) => name.persist(path).map_err(|error| error.error),
        }
    }

    /// Makes something in its place; where there is something already, under another name first.
    pub(super) fn replace(&mut self, path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        match make(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        let name = self.name_beside(path)?;
        make(&name)?;
        TempPath::try_from_path(name)?.persist(path).map_err(|error| error.error)
    }

    fn name_beside(&mut self, path: &Path) -> io::Result<PathBuf> {
        let name = match &self.name {
            Some(name) => name,
            None => self.name.insert(format!(".{}", fresh_name()?)),
        };
        let name = std::path::absolute(folder_of(path).join(name))?;
        if let Some(unfinished) = self.unfinished.as_mut().filter(|_| self.told != name) {
            unfinished.tell(&name);
            self.told.clone_from(&name);
        }
        Ok(name)
    }
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_named_file_takes_its_place_or_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let mut scratch = Scratch::new(None);
        for contents in ["one", "two"] {
            let name = scratch.name_beside(&path).expect("a name");
            let mut file = File::create_new(&name).expect("made");
            file.write_all(contents.as_bytes()).expect("written");
            scratch
                .persist(Temp::Named(file, TempPath::try_from_path(name).expect("a path")), &path)
                .expect("moved");
            assert_eq!(fs::read_to_string(&path).expect("there"), contents);
        }
        let name = scratch.name_beside(&path).expect("a name");
        drop(Temp::Named(
            File::create_new(&name).expect("made"),
            TempPath::try_from_path(name).expect("a path"),
        ));
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("place");
        fs::create_dir(&path).expect("made");
        let mut scratch = Scratch::new(None);
        let temp = scratch.file_beside(&path).expect("made");
        assert!(scratch.persist(temp, &path).is_err());
        assert!(scratch.replace(&path, |name| std::os::unix::fs::symlink("x", name)).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }
}
