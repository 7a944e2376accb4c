//! One root: a folder or a zip file. Paths in it are relative, with `/` between their parts; nothing that
//! a link leads out to is seen as more than that.

use super::archive::Archive;
use std::fs::{File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    File,
    Folder,
    /// Nothing, or neither a file nor a folder.
    Missing,
    /// A link that leads out of the root.
    Outside,
}

#[derive(Clone, Debug)]
pub(super) enum Root {
    /// Resolved.
    Folder(PathBuf),
    Zip(Archive),
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        if path.is_dir() { Ok(Self::Folder(path)) } else { Archive::open(path).map(Self::Zip) }
    }

    /// A zip file that this program has.
    pub(super) fn embedded(name: &str, bytes: &'static [u8]) -> io::Result<Self> {
        Archive::embedded(name, bytes).map(Self::Zip)
    }

    /// Where a path of it is on this machine.
    pub(super) fn path(&self, relative: &str) -> PathBuf {
        match self {
            Self::Folder(root) => root.join(relative),
            Self::Zip(archive) => archive.path().join(relative),
        }
    }

    /// What is at a path whose parent was found to be a folder: only the last part may be a link.
    pub(super) fn place(&self, relative: &str) -> io::Result<Place> {
        match self {
            Self::Folder(root) => place(root, relative),
            Self::Zip(archive) => Ok(archive.place(relative)),
        }
    }

    /// What is at any path.
    pub(super) fn place_from_top(&self, relative: &str) -> io::Result<Place> {
        let mut place = Place::Folder;
        for (end, _) in relative.match_indices('/').chain([(relative.len(), "")]).filter(|(end, _)| *end > 0)
        {
            if place != Place::Folder {
                return Ok(if place == Place::File { Place::Missing } else { place });
            }
            place = self.place(&relative[..end])?;
        }
        Ok(place)
    }

    /// The content of what was found to be a file.
    ///
    /// # Errors
    ///
    /// Also `FileTooLarge`, before more than the limit is read.
    pub(super) fn read(&self, relative: &str, limit: u64) -> io::Result<Vec<u8>> {
        let root = match self {
            Self::Folder(root) => root,
            Self::Zip(archive) => return archive.read(relative, limit),
        };
        let file = File::open(root.join(relative))?;
        let length = file.metadata()?.len();
        if length > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut content = Vec::new();
        content.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
        file.take(limit).read_to_end(&mut content)?;
        Ok(content)
    }

    /// What is in a folder, the first `most` of it, in no order. Names that are no text cannot be asked
    /// for and are left out.
    pub(super) fn entries(&self, folder: &str, most: usize) -> io::Result<Vec<(String, Place)>> {
        let root = match self {
            Self::Folder(root) => root,
            Self::Zip(archive) => return Ok(archive.entries(folder, most)),
        };
        let mut entries = Vec::new();
        for entry in root.join(folder).read_dir()?.take(most) {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type()?;
            let place = if kind.is_symlink() {
                // A link to itself, or through what may not be read, leads nowhere.
                place(root, &below(folder, &name)).unwrap_or(Place::Missing)
            } else {
                kind.into()
            };
            entries.push((name, place));
        }
        Ok(entries)
    }
}

impl From<FileType> for Place {
    fn from(kind: FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Folder
        } else {
            Self::Missing
        }
    }
}

/// The path of a name in a folder.
pub(super) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn place(root: &Path, relative: &str) -> io::Result<Place> {
    let path = root.join(relative);
    let Some(seen) = present(path.symlink_metadata())? else { return Ok(Place::Missing) };
    if !seen.is_symlink() {
        return Ok(seen.file_type().into());
    }
    let Some(target) = present(path.canonicalize())? else { return Ok(Place::Missing) };
    if target.starts_with(root) { Ok(target.metadata()?.file_type().into()) } else { Ok(Place::Outside) }
}

/// None for what cannot be there.
fn present<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | InvalidFilename) => Ok(None),
        Err(error) => Err(error),
    }
}
