//! What is not whole yet: without a name where that can be, else under one that nobody can guess.

use super::fresh_name;
use crate::sys::folder::Folder;
use crate::sys::unfinished::Unfinished;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The one name that a transfer uses, in each folder in turn.
#[derive(Debug)]
pub(super) struct Scratch {
    name: Option<OsString>,
    /// Who else knows of it, should this process be killed.
    unfinished: Option<Unfinished>,
    told: PathBuf,
}

/// A file that takes its place later, and is gone when it is dropped.
#[derive(Debug)]
pub(super) enum Temp {
    /// Gone too when this program is killed.
    Unnamed(File),
    Named(File, Name),
}

/// A name that is removed when it is dropped, wherever its folder is by then.
#[derive(Debug)]
pub(super) struct Name {
    folder: Folder,
    name: OsString,
}

impl Drop for Name {
    fn drop(&mut self) {
        // Nothing has it any more where that has taken its place.
        self.folder.remove(&self.name).ok();
    }
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

    /// A file in a folder, for its owner alone; `path` is that of the folder.
    pub(super) fn file_in(&mut self, folder: &Folder, path: &Path) -> io::Result<Temp> {
        if let Some(file) = folder.make_unnamed() {
            return Ok(Temp::Unnamed(file));
        }
        let folder = folder.try_clone()?;
        let name = self.name_in(path)?;
        let file = folder.make_file(&name)?;
        Ok(Temp::Named(file, Name { folder, name }))
    }

    /// Moves a file of that folder to its place there.
    pub(super) fn persist(
        &mut self,
        temp: Temp,
        folder: &Folder,
        name: &OsStr,
        path: &Path,
    ) -> io::Result<()> {
        match temp {
            Temp::Unnamed(file) => self.replace(folder, name, path, |name| folder.give_name(&file, name)),
            Temp::Named(_, temp) => temp.folder.rename(&temp.name, name),
        }
    }

    /// Makes something in its place; where there is something already, under another name first.
    pub(super) fn replace(
        &mut self,
        folder: &Folder,
        name: &OsStr,
        path: &Path,
        make: impl Fn(&OsStr) -> io::Result<()>,
    ) -> io::Result<()> {
        match make(name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        let temp = self.name_in(path)?;
        let moved = make(&temp).and_then(|()| folder.rename(&temp, name));
        if moved.is_err() {
            folder.remove(&temp).ok();
        }
        moved
    }

    fn name_in(&mut self, path: &Path) -> io::Result<OsString> {
        let name = match &self.name {
            Some(name) => name,
            None => self.name.insert(format!(".{}", fresh_name()?).into()),
        };
        if let Some(unfinished) = self.unfinished.as_mut().filter(|_| self.told != path) {
            unfinished.tell(&std::path::absolute(path.join(name))?);
            path.clone_into(&mut self.told);
        }
        Ok(name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_named_file_takes_its_place_or_goes() {
        let scratch_folder = tempfile::tempdir().expect("a folder");
        let path = scratch_folder.path();
        let folder = Folder::open(path).expect("a folder");
        let mut scratch = Scratch::new(None);
        let mut named = |contents: &str| {
            let name = scratch.name_in(path).expect("a name");
            let mut file = folder.make_file(&name).expect("made");
            file.write_all(contents.as_bytes()).expect("written");
            Temp::Named(file, Name { folder: folder.try_clone().expect("a folder"), name })
        };
        for contents in ["one", "two"] {
            let temp = named(contents);
            Scratch::new(None).persist(temp, &folder, OsStr::new("file"), path).expect("moved");
            assert_eq!(fs::read_to_string(path.join("file")).expect("there"), contents);
        }
        drop(named("three"));
        assert_eq!(fs::read_dir(path).expect("there").count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_leaves_nothing() {
        let scratch_folder = tempfile::tempdir().expect("a folder");
        let path = scratch_folder.path();
        let (folder, name) = (Folder::open(path).expect("a folder"), OsStr::new("place"));
        fs::create_dir(path.join(name)).expect("made");
        let mut scratch = Scratch::new(None);
        let temp = scratch.file_in(&folder, path).expect("made");
        assert!(scratch.persist(temp, &folder, name, path).is_err());
        let link = |name: &OsStr| folder.make_link(OsStr::new("x"), name);
        assert!(scratch.replace(&folder, name, path, link).is_err());
        assert_eq!(fs::read_dir(path).expect("there").count(), 1);
    }
}
