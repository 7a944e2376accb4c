//! What is fetched, written beside its place and moved there once it is whole.

use super::packing::Unpacker;
use super::{LocalError, hex};
use crate::proto::entry::{Entry, EntryKind, Piece, SUM_BYTES};
use crate::sys::unnamed;
use sha1::{Digest, Sha1};
use std::collections::HashSet;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{ffi::OsStr, io};
use tempfile::NamedTempFile;

/// A file that does not say its size is taken up to this many bytes.
const MAX_UNSIZED_BYTES: u64 = 64 * 1024 * 1024;
/// Even zeros take their time.
const MAX_HOLE_BYTES: u64 = 64 * 1024;
const PREFIX: &str = ".hopvine-";

/// The receiving end of a fetch.
#[derive(Debug)]
pub struct Incoming {
    root: Option<PathBuf>,
    tree: bool,
    keep: bool,
    mask: u32,
    unpacker: Unpacker,
    /// Folders that this transfer has found or made: nothing is written anywhere else.
    folders: HashSet<PathBuf>,
    /// Modes and times of folders, which are set when all is in them.
    late: Vec<(PathBuf, Entry)>,
    writing: Option<Writing>,
    received: Received,
}

#[derive(Debug)]
struct Writing {
    path: PathBuf,
    /// `None` where contents go to standard output.
    temp: Option<Temp>,
    entry: Entry,
    limit: u64,
    exact: bool,
    at: u64,
    sum: Sha1,
}

/// A file that takes its place later, and is gone when it is dropped.
#[derive(Debug)]
enum Temp {
    /// Gone too when this program is killed.
    Unnamed(File),
    Named(NamedTempFile),
}

impl Temp {
    /// On the file system of that place, for its owner alone.
    fn beside(path: &Path) -> io::Result<Self> {
        let folder = folder_of(path);
        match unnamed::in_folder(folder) {
            Some(file) => Ok(Self::Unnamed(file)),
            None => tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder).map(Self::Named),
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(named) => named.as_file(),
        }
    }

    fn persist(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Unnamed(file) => replace(path, |name| unnamed::give_name(&file, name)),
            Self::Named(named) => named.persist(path).map(drop).map_err(|error| error.error),
        }
    }
}

/// What has come so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub bytes: u64,
    pub files: u64,
    /// Of a file that was fetched alone, in hexadecimal.
    pub sum: Option<String>,
}

impl Incoming {
    /// `root`: where it goes; nowhere, and contents are handed back. `mask` is the umask.
    pub fn new(root: Option<PathBuf>, tree: bool, keep: bool, packed: bool, mask: u32) -> Self {
        Self {
            root,
            tree,
            keep,
            mask,
            unpacker: Unpacker::new(packed),
            folders: HashSet::new(),
            late: Vec::new(),
            writing: None,
            received: Received::default(),
        }
    }

    pub fn received(&self) -> &Received {
        &self.received
    }

    /// Bytes so far, the file that is coming included, and how many there will be where that is known.
    pub fn progress(&self) -> (u64, Option<u64>) {
        let coming = self.writing.as_ref();
        let total = coming.filter(|writing| writing.exact && !self.tree).map(|writing| writing.limit);
        (self.received.bytes + coming.map_or(0, |writing| writing.at), total)
    }

    /// Takes a piece; returns what is for standard output.
    ///
    /// # Errors
    ///
    /// When it cannot be written here, is not what was announced, or would go where it may not.
    pub fn take(&mut self, piece: Piece) -> Result<Vec<u8>, LocalError> {
        match piece {
            Piece::Entry(entry) => self.begin(entry),
            Piece::Content(bytes) => {
                let plain = self.unpacker.unpack(bytes)?;
                self.write(plain)
            }
            Piece::Hole(size) => self.skip(size),
            Piece::Sum(sum) => self.close(&sum).map(|()| Vec::new()),
        }
    }

    /// All has come: what is left to do, and whether nothing is missing.
    ///
    /// # Errors
    ///
    /// When it has ended in the middle of a file, or modes and times of folders cannot be set.
    pub fn finish(&mut self) -> Result<&Received, LocalError> {
        if let Some(writing) = self.writing.take() {
            return Err(LocalError(format!("{} has not come whole", writing.path.display())));
        }
        if self.received.files == 0 {
            return Err(LocalError("nothing has come".to_owned()));
        }
        for (path, entry) in std::mem::take(&mut self.late).into_iter().rev() {
            let set = fs::set_permissions(&path, Permissions::from_mode(self.mode(&entry)))
                .and_then(|()| if self.keep { File::open(&path)?.set_times(times(&entry)) } else { Ok(()) });
            set.map_err(|error| LocalError::of(&path, &error))?;
        }
        Ok(&self.received)
    }

    fn begin(&mut self, entry: Entry) -> Result<Vec<u8>, LocalError> {
        if let Some(writing) = &self.writing {
            return Err(LocalError(format!("{} has not come whole", writing.path.display())));
        }
        let path = self.place(&entry.name)?;
        if entry.name.is_empty() && self.root.is_some() {
            // A template may name a folder for each host.
            fs::create_dir_all(folder_of(&path)).map_err(|error| LocalError::of(&path, &error))?;
        }
        self.received.files += 1;
        match entry.kind.clone() {
            EntryKind::Folder => self.folder(path, entry).map(|()| Vec::new()),
            EntryKind::Link { .. } if entry.name.is_empty() => {
                Err(LocalError("refused: a link in the place of a file".to_owned()))
            }
            EntryKind::Link { to } => link(&path, &to).map(|()| Vec::new()),
            EntryKind::File { size } => {
                let limit = size.unwrap_or(MAX_UNSIZED_BYTES);
                self.open(path, entry, limit, size.is_some()).map(|()| Vec::new())
            }
            EntryKind::Whole { size, sum, contents } => {
                self.open(path, entry, size, true)?;
                let plain = self.unpacker.unpack(contents)?;
                let plain = self.write(plain)?;
                self.close(&sum)?;
                Ok(plain)
            }
        }
    }

    /// Where an entry goes: below the root, in a folder that this transfer knows.
    fn place(&self, name: &[u8]) -> Result<PathBuf, LocalError> {
        let root = self.root.clone().unwrap_or_else(|| PathBuf::from("-"));
        let below = Path::new(OsStr::from_bytes(name));
        let refused = || LocalError(format!("refused: the name {} leads elsewhere", below.display()));
        if name.is_empty() {
            return if self.received.files == 0 { Ok(root) } else { Err(refused()) };
        }
        let plain = below.components().all(|part| matches!(part, Component::Normal(_))) && !name.contains(&0);
        let path = root.join(below);
        let known = path.parent().is_some_and(|parent| self.folders.contains(parent));
        // "a//b", "a/" and "./a" are other names for what has a plain one.
        let exact = below.components().collect::<PathBuf>().as_os_str().as_bytes() == name;
        if self.tree && plain && known && exact { Ok(path) } else { Err(refused()) }
    }

    fn folder(&mut self, path: PathBuf, entry: Entry) -> Result<(), LocalError> {
        if !self.tree {
            return Err(LocalError("refused: a folder in the place of a file".to_owned()));
        }
        match fs::create_dir(&path) {
            Ok(()) => self.late.push((path.clone(), entry)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // The user's own way to the root may be a link; below it one would lead out of the tree.
                let info =
                    if entry.name.is_empty() { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
                if !info.map_err(|error| LocalError::of(&path, &error))?.is_dir() {
                    return Err(LocalError(format!("{} is there, and is no folder", path.display())));
                }
                if self.keep {
                    self.late.push((path.clone(), entry));
                }
            }
            Err(error) => return Err(LocalError::of(&path, &error)),
        }
        self.folders.insert(path);
        Ok(())
    }

    fn open(&mut self, path: PathBuf, entry: Entry, limit: u64, exact: bool) -> Result<(), LocalError> {
        let temp = match &self.root {
            None => None,
            Some(_)
                if fs::symlink_metadata(&path).is_ok_and(|info| !info.is_file() && !info.is_symlink()) =>
            {
                return Err(LocalError(format!("{} is there, and is no file", path.display())));
            }
            Some(_) => Some(Temp::beside(&path).map_err(|error| LocalError::of(&path, &error))?),
        };
        self.writing = Some(Writing { path, temp, entry, limit, exact, at: 0, sum: Sha1::new() });
        Ok(())
    }

    fn write(&mut self, plain: Vec<u8>) -> Result<Vec<u8>, LocalError> {
        let Some(writing) = &mut self.writing else { return Err(stray()) };
        writing.advance(plain.len() as u64)?;
        writing.sum.update(&plain);
        let Some(temp) = &mut writing.temp else { return Ok(plain) };
        temp.file().write_all(&plain).map_err(|error| LocalError::of(&writing.path, &error))?;
        Ok(Vec::new())
    }

    fn skip(&mut self, size: u64) -> Result<Vec<u8>, LocalError> {
        let Some(writing) = &mut self.writing else { return Err(stray()) };
        if size > MAX_HOLE_BYTES {
            return Err(LocalError("refused: a hole that is too large".to_owned()));
        }
        writing.advance(size)?;
        let zeros = vec![0; 1 << 16];
        let mut left = size;
        while left > 0 {
            let count = left.min(zeros.len() as u64);
            writing.sum.update(&zeros[..usize::try_from(count).unwrap_or(0)]);
            left -= count;
        }
        let Some(temp) = &mut writing.temp else {
            return Ok(vec![0; usize::try_from(size).unwrap_or(0)]);
        };
        let at = writing.at;
        let skipped = temp.file().set_len(at).and_then(|()| temp.file().seek(SeekFrom::Start(at)));
        skipped.map(|_| Vec::new()).map_err(|error| LocalError::of(&writing.path, &error))
    }

    fn close(&mut self, expected: &[u8; SUM_BYTES]) -> Result<(), LocalError> {
        let Some(writing) = self.writing.take() else { return Err(stray()) };
        let path = writing.path.clone();
        let sum: [u8; SUM_BYTES] = writing.sum.finalize().into();
        if sum != *expected || (writing.exact && writing.at != writing.limit) {
            return Err(LocalError(format!(
                "{} has come with another SHA-1 sum than it was sent with",
                path.display()
            )));
        }
        self.received.bytes += writing.at;
        if writing.entry.name.is_empty() {
            self.received.sum = Some(hex(&sum));
        }
        let Some(temp) = writing.temp else { return Ok(()) };
        let mode = self.mode(&writing.entry);
        let settled = temp.file().set_permissions(Permissions::from_mode(mode)).and_then(|()| {
            if self.keep {
                temp.file().set_times(times(&writing.entry))?;
            }
            // Of a tree each file by itself would take longer than all the rest.
            if self.tree { Ok(()) } else { temp.file().sync_all() }
        });
        settled.and_then(|()| temp.persist(&path)).map_err(|error| LocalError::of(&path, &error))
    }

    fn mode(&self, entry: &Entry) -> u32 {
        if self.keep { entry.mode & 0o7777 } else { entry.mode & 0o777 & !self.mask }
    }
}

impl Writing {
    fn advance(&mut self, bytes: u64) -> Result<(), LocalError> {
        self.at = self.at.saturating_add(bytes);
        if self.at > self.limit {
            return Err(LocalError(format!("refused: more than was announced for {}", self.path.display())));
        }
        Ok(())
    }
}

fn stray() -> LocalError {
    LocalError("refused: contents of no file".to_owned())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn link(path: &Path, to: &[u8]) -> Result<(), LocalError> {
    let to = OsStr::from_bytes(to);
    replace(path, |name| std::os::unix::fs::symlink(to, name)).map_err(|error| LocalError::of(path, &error))
}

/// Makes something under another name, and moves it to its place.
fn replace(path: &Path, make: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let made = tempfile::Builder::new().prefix(PREFIX).make_in(folder_of(path), make)?;
    made.into_temp_path().persist(path).map_err(|error| error.error)
}

fn times(entry: &Entry) -> FileTimes {
    let distance = Duration::from_nanos(entry.mtime_ns.unsigned_abs());
    let time =
        if entry.mtime_ns < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    let time = time.unwrap_or(SystemTime::UNIX_EPOCH);
    FileTimes::new().set_modified(time).set_accessed(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: EntryKind) -> Piece {
        Piece::Entry(Entry { name: name.into(), mode: 0o644, mtime_ns: 0, kind })
    }

    fn whole(name: &str, contents: &[u8]) -> Piece {
        let kind = EntryKind::Whole {
            size: contents.len() as u64,
            sum: Sha1::digest(contents).into(),
            contents: contents.to_vec(),
        };
        entry(name, kind)
    }

    fn into_tree(root: &Path, pieces: Vec<Piece>) -> Result<(), LocalError> {
        let mut incoming = Incoming::new(Some(root.to_owned()), true, false, false, 0o022);
        pieces.into_iter().try_for_each(|piece| incoming.take(piece).map(drop))?;
        incoming.finish().map(drop)
    }

    #[test]
    fn a_hostile_sender_chooses_no_name_outside_of_the_destination() {
        let scratch = tempfile::tempdir().expect("a folder");
        let root = scratch.path().join("in");
        let folder = || entry("", EntryKind::Folder);
        for name in ["../x", "/x", "a/../../x", "..", ".", "./x", "a//x", "x/", "unknown/x", "", "x\0y"] {
            let got = into_tree(&root, vec![folder(), whole(name, b"bad")]);
            assert!(got.is_err(), "{name:?}");
        }
        let out = EntryKind::Link { to: scratch.path().as_os_str().as_bytes().to_vec() };
        let through = vec![folder(), entry("a", out), whole("a/x", b"bad")];
        assert!(into_tree(&root, through).is_err());
        // Nor by a link that is already there.
        assert!(
            into_tree(&root, vec![folder(), entry("a", EntryKind::Folder), whole("a/x", b"bad")]).is_err()
        );
        assert!(!scratch.path().join("x").exists());
        let left: Vec<_> =
            fs::read_dir(&root).expect("made").flatten().map(|found| found.file_name()).collect();
        assert_eq!(left, ["a"]);
    }

    #[test]
    fn what_is_there_stays_until_all_has_come() {
        let scratch = tempfile::tempdir().expect("a folder");
        let path = scratch.path().join("file");
        fs::write(&path, "old").expect("written");
        let broken = [
            vec![entry("", EntryKind::File { size: Some(4) }), Piece::Content(b"newer".to_vec())],
            vec![entry("", EntryKind::File { size: Some(4) }), Piece::Content(b"new".to_vec())],
            vec![
                entry("", EntryKind::File { size: Some(4) }),
                Piece::Content(b"new!".to_vec()),
                Piece::Sum([0; SUM_BYTES]),
            ],
            vec![entry("", EntryKind::Folder)],
            vec![entry("", EntryKind::Link { to: b"/etc/passwd".to_vec() })],
            vec![],
            vec![whole("below", b"x")],
            vec![Piece::Content(b"x".to_vec())],
            vec![entry("", EntryKind::File { size: Some(u64::MAX - 1) }), Piece::Hole(u64::MAX)],
        ];
        for pieces in broken {
            let mut incoming = Incoming::new(Some(path.clone()), false, false, false, 0o022);
            let taken = pieces.iter().try_for_each(|piece| incoming.take(piece.clone()).map(drop));
            assert!(taken.is_err() || incoming.finish().is_err(), "{pieces:?}");
        }
        assert_eq!(fs::read(&path).expect("there"), b"old");
        assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 1);
        let mut incoming = Incoming::new(Some(path.clone()), false, false, false, 0o022);
        incoming.take(whole("", b"new")).expect("taken");
        assert_eq!(incoming.finish().map(|received| received.bytes), Ok(3));
        assert_eq!(fs::read(&path).expect("there"), b"new");
    }
}
