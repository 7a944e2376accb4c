//! A zip file as a root (a wheel, an egg, a zipapp): its directory is read once, a file of it when asked
//! for.

use super::root::{Place, below};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use zip::read::ZipArchiveMetadata;
use zip::{ZipArchive, ZipReadOptions};

#[derive(Clone, Debug)]
pub(super) struct Archive {
    path: PathBuf,
    bytes: Bytes,
    /// As the crate hands it out.
    directory: Arc<ZipArchiveMetadata>,
    /// Where in the directory a path is; one of a folder ends in `/`.
    files: BTreeMap<String, usize>,
}

/// Where its bytes are.
#[derive(Clone, Copy, Debug)]
enum Bytes {
    File(Stamp),
    /// In this program.
    Here(&'static [u8]),
}

/// What a rewritten file differs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Archive {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let stamp = Stamp::of(&file.metadata()?);
        Self::read_directory(path, Bytes::File(stamp), file)
    }

    /// One that this program has, under a name.
    pub(super) fn embedded(name: &str, bytes: &'static [u8]) -> io::Result<Self> {
        Self::read_directory(name.into(), Bytes::Here(bytes), Cursor::new(bytes))
    }

    fn read_directory(path: PathBuf, bytes: Bytes, reader: impl Read + Seek) -> io::Result<Self> {
        let archive = ZipArchive::new(reader)?;
        let mut files = BTreeMap::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_data(index)?;
            let name = entry.name()?;
            if is_inside(&name) && !entry.is_symlink() {
                files.insert(name.into_owned(), index);
            }
        }
        Ok(Self { path, bytes, directory: archive.metadata(), files })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn place(&self, relative: &str) -> Place {
        if self.files.contains_key(relative) {
            Place::File
        } else if self.under(relative).next().is_some() {
            Place::Folder
        } else {
            Place::Missing
        }
    }

    pub(super) fn read(&self, relative: &str, limit: u64) -> io::Result<Vec<u8>> {
        let index = self.files.get(relative).ok_or(io::ErrorKind::NotFound)?;
        let entry = self.directory.entry(*index)?;
        if entry.size() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut content = Vec::new();
        // What inflates to more than it declares is an error of the crate's reader.
        match self.bytes {
            Bytes::Here(bytes) => {
                let mut reader = Cursor::new(bytes);
                entry.with_reader(&mut reader, ZipReadOptions::new())?.read_to_end(&mut content)?;
            }
            Bytes::File(stamp) => {
                let mut file = File::open(&self.path)?;
                if Stamp::of(&file.metadata()?) != stamp {
                    return Err(io::Error::other("the zip file has changed since it was opened"));
                }
                entry.with_reader(&mut file, ZipReadOptions::new())?.read_to_end(&mut content)?;
            }
        }
        Ok(content)
    }

    pub(super) fn entries(&self, folder: &str, most: usize) -> Vec<(String, Place)> {
        let mut entries: Vec<(String, Place)> = Vec::new();
        for path in self.under(folder) {
            let (name, place) =
                path.split_once('/').map_or((path, Place::File), |(name, _)| (name, Place::Folder));
            if name.is_empty() || entries.last().is_some_and(|(last, _)| last == name) {
                continue;
            }
            if entries.len() == most {
                break;
            }
            entries.push((name.to_owned(), place));
        }
        entries
    }

    /// The paths of all that is in a folder, relative to it, in order; its own is empty.
    fn under(&self, folder: &str) -> impl Iterator<Item = &str> {
        let prefix = if folder.is_empty() { String::new() } else { below(folder, "") };
        self.files.range(prefix.clone()..).map_while(move |(path, _)| path.strip_prefix(&prefix))
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

fn is_inside(name: &str) -> bool {
    let path = name.strip_suffix('/').unwrap_or(name);
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
