//! What each host has said, in two files of its own.

use super::Place;
use crate::sys::stdio::Stream;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

/// The files of all targets, in a folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// By place: names of files, each its own.
    names: Vec<String>,
    open: HashMap<(Place, Stream), File>,
}

impl Folder {
    /// What the file for an output is called, by the name for the target.
    pub fn file_name(name: &str, stream: Stream) -> String {
        match stream {
            Stream::Out => name.to_owned(),
            Stream::Err => format!("{name}.err"),
        }
    }

    /// Makes the folder, where it is not there. `names` are plain names of files, by place.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn create(root: PathBuf, names: Vec<String>) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        Ok(Self { root, names, open: HashMap::new() })
    }

    /// # Errors
    ///
    /// When it cannot be written, with the path.
    pub(super) fn write(&mut self, place: Place, stream: Stream, bytes: &[u8]) -> Result<(), String> {
        let path = self.root.join(Self::file_name(&self.names[place], stream));
        let file = match self.open.get_mut(&(place, stream)) {
            Some(file) => Ok(file),
            None => fresh(&path).map(|file| self.open.entry((place, stream)).or_insert(file)),
        };
        file.and_then(|file| file.write_all(bytes)).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// A target's work is over: both files are there, and nothing older.
    ///
    /// # Errors
    ///
    /// As for [`Self::write`].
    pub(super) fn end(&mut self, place: Place) -> Result<(), String> {
        for stream in [Stream::Out, Stream::Err] {
            self.write(place, stream, b"")?;
            self.open.remove(&(place, stream));
        }
        Ok(())
    }
}

/// What was there under that name is gone, and was no way elsewhere.
fn fresh(path: &PathBuf) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::create_new(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_file_is_replaced_and_not_followed() {
        let scratch = tempfile::tempdir().expect("a folder");
        let elsewhere = scratch.path().join("elsewhere");
        fs::write(&elsewhere, "mine").expect("written");
        let root = scratch.path().join("out/of");
        let mut folder = Folder::create(root.clone(), vec!["a".to_owned()]).expect("made");
        std::os::unix::fs::symlink(&elsewhere, root.join("a")).expect("linked");
        fs::write(root.join("a.err"), "old").expect("written");
        folder.write(0, Stream::Out, b"\xffx").expect("written");
        folder.write(0, Stream::Out, b"y").expect("written");
        folder.end(0).expect("written");
        assert_eq!(fs::read(root.join("a")).expect("read"), b"\xffxy");
        assert_eq!(fs::read(root.join("a.err")).expect("read"), b"");
        assert_eq!(fs::read(&elsewhere).expect("read"), b"mine");
    }
}
