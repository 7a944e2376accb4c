//! What comes, written beside its place and moved there once it is whole.

use super::packing::Unpacker;
use super::scratch::{Scratch, Temp, folder_of};
use super::{LocalError, Side, add_zeros, hex};
use crate::proto::entry::{Entry, EntryKind, MAX_HOLE_BYTES, Piece, SUM_BYTES};
use crate::sys::unfinished::Unfinished;
use crate::sys::{disk, fd};
use sha1::{Digest, Sha1};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, FileTimes, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file from another machine that does not say its size is taken up to this many bytes.
pub const MAX_UNSIZED_BYTES: u64 = 64 * 1024 * 1024;
/// What a disk may be behind in a file that is waited for at its end: nobody else has a turn meanwhile.
const BEHIND_BYTES: u64 = 8 * 1024 * 1024;

/// How what comes becomes files.
#[derive(Clone, Debug)]
pub struct Rules {
    pub side: Side,
    pub tree: bool,
    /// Modes and times stay as they are at the other end.
    pub keep: bool,
    pub packed: bool,
    /// Of files; otherwise what they have at the other end, within the umask.
    pub mode: Option<u32>,
    pub umask: u32,
    /// How large a file may be that does not say its size.
    pub unsized_bytes: u64,
}

/// The receiving end of a transfer.
#[derive(Debug)]
pub struct Incoming {
    root: Option<PathBuf>,
    rules: Rules,
    unpacker: Unpacker,
    /// Folders that this transfer has found or made: nothing is written anywhere else.
    folders: HashSet<PathBuf>,
    /// Modes and times of folders that are set when all is in them.
    late: Vec<Late>,
    writing: Option<Writing>,
    /// Outlives what is being written.
    scratch: Scratch,
    received: Received,
}

#[derive(Debug)]
struct Late {
    path: PathBuf,
    mode: u32,
    mtime_ns: Option<i64>,
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
    /// Up to here it is on the disk, and on its way there.
    on_disk: [u64; 2],
    sum: Sha1,
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
    /// `root`: where it goes; nowhere, and contents are handed back. What has a name before it is whole
    /// is told to `unfinished`.
    pub fn new(root: Option<PathBuf>, rules: Rules, unfinished: Option<Unfinished>) -> Self {
        Self {
            root,
            unpacker: Unpacker::new(rules.packed),
            rules,
            folders: HashSet::new(),
            late: Vec::new(),
            writing: None,
            scratch: Scratch::new(unfinished),
            received: Received::default(),
        }
    }

    pub fn received(&self) -> &Received {
        &self.received
    }

    /// Bytes so far, the file that is coming included, and how many there will be where that is known.
    pub fn progress(&self) -> (u64, Option<u64>) {
        let coming = self.writing.as_ref();
        let total = coming.filter(|writing| writing.exact && !self.rules.tree).map(|writing| writing.limit);
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
            Piece::Dropped => self.drop_file().map(|()| Vec::new()),
        }
    }

    /// All has come: what is left to do, and whether nothing is missing.
    ///
    /// # Errors
    ///
    /// When it has ended in the middle of a file, or modes and times of folders cannot be set.
    pub fn finish(&mut self) -> Result<&Received, LocalError> {
        if let Some(writing) = self.writing.take() {
            return Err(not_whole(&writing));
        }
        if self.received.files == 0 {
            return Err(LocalError("nothing has come".to_owned()));
        }
        while let Some(late) = self.late.pop() {
            late.settle().map_err(|error| self.rules.side.error(&late.path, &error))?;
        }
        Ok(&self.received)
    }

    fn begin(&mut self, entry: Entry) -> Result<Vec<u8>, LocalError> {
        if let Some(writing) = &self.writing {
            return Err(not_whole(writing));
        }
        let path = self.place(&entry.name)?;
        if entry.name.is_empty() && self.root.is_some() && self.rules.side == Side::Here {
            // A template may name a folder for each host.
            fs::create_dir_all(folder_of(&path)).map_err(|error| Side::Here.error(&path, &error))?;
        }
        self.received.files += 1;
        match entry.kind.clone() {
            EntryKind::Folder => self.folder(path, entry).map(|()| Vec::new()),
            EntryKind::Link { .. } if entry.name.is_empty() => {
                Err(LocalError("refused: a link in the place of a file".to_owned()))
            }
            EntryKind::Link { to } => {
                let made = self.scratch.replace(&path, |name| {
                    symlink(OsStr::from_bytes(&to), name)?;
                    if self.rules.keep { disk::set_link_time(name, entry.mtime_ns) } else { Ok(()) }
                });
                made.map(|()| Vec::new()).map_err(|error| self.rules.side.error(&path, &error))
            }
            EntryKind::File { size } => {
                let limit = size.unwrap_or(self.rules.unsized_bytes);
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
        if self.rules.tree && plain && known && exact { Ok(path) } else { Err(refused()) }
    }

    fn folder(&mut self, path: PathBuf, entry: Entry) -> Result<(), LocalError> {
        if !self.rules.tree {
            return Err(LocalError("refused: a folder in the place of a file".to_owned()));
        }
        let wrong = |error: io::Error| self.rules.side.error(&path, &error);
        let mut due = self.mode(&entry);
        // As it will be at once: nobody puts it right should all this end on the way. But we may write to it
        // meanwhile, and not everybody.
        let mut meanwhile = due & !0o002 | 0o700;
        let made = match DirBuilder::new().mode(meanwhile & 0o777).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            made => made.map(|()| true).map_err(wrong)?,
        };
        // The user's own way to the root may be a link; below it one would lead out of the tree.
        let info = if entry.name.is_empty() { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
        let info = info.map_err(wrong)?;
        if !info.is_dir() {
            return Err(LocalError(format!("{} is there, and is no folder", path.display())));
        }
        let mut there = info.permissions().mode() & 0o7777;
        match (made, self.rules.keep) {
            // It has inherited its group, and that all in it does.
            (true, false) => [due, meanwhile] = [due, meanwhile].map(|mode| mode | there & 0o2000),
            (true, true) => {}
            (false, keep) => {
                meanwhile = there | 0o700;
                due = if keep { due } else { there };
            }
        }
        // Where that may not be and matters, what comes into it tells.
        if there != meanwhile && fs::set_permissions(&path, Permissions::from_mode(meanwhile)).is_ok() {
            there = meanwhile;
        }
        if self.rules.keep || there != due {
            let mtime_ns = self.rules.keep.then_some(entry.mtime_ns);
            self.late.push(Late { path: path.clone(), mode: due, mtime_ns });
        }
        self.folders.insert(path);
        Ok(())
    }

    fn open(&mut self, path: PathBuf, entry: Entry, limit: u64, exact: bool) -> Result<(), LocalError> {
        let temp = match &self.root {
            None => None,
            Some(_) => {
                self.replaceable(&path)?;
                let temp = self.scratch.file_beside(&path);
                Some(temp.map_err(|error| self.rules.side.error(&path, &error))?)
            }
        };
        self.writing =
            Some(Writing { path, temp, entry, limit, exact, at: 0, on_disk: [0; 2], sum: Sha1::new() });
        Ok(())
    }

    /// Whether a file may take that place.
    fn replaceable(&self, path: &Path) -> Result<(), LocalError> {
        let Ok(info) = fs::symlink_metadata(path) else { return Ok(()) };
        match self.rules.side {
            _ if info.is_file() || info.is_symlink() => Ok(()),
            Side::Here => Err(LocalError(format!("{} is there, and is no file", path.display()))),
            Side::There if info.is_dir() => Err(LocalError(format!(
                "{} is a folder; name the file in it, or end the name with /",
                path.display()
            ))),
            Side::There => Err(Side::There.special(path)),
        }
    }

    fn write(&mut self, plain: Vec<u8>) -> Result<Vec<u8>, LocalError> {
        let Some(writing) = &mut self.writing else { return Err(stray()) };
        writing.advance(plain.len() as u64, self.rules.side)?;
        writing.sum.update(&plain);
        let Some(temp) = &mut writing.temp else { return Ok(plain) };
        let mut written = temp.file().write_all(&plain);
        let [done, begun] = writing.on_disk;
        if !self.rules.tree && writing.at - begun >= BEHIND_BYTES {
            written = written
                .and_then(|()| disk::begin(temp.file(), begun..writing.at))
                .and_then(|()| disk::wait(temp.file(), done..begun));
            writing.on_disk = [begun, writing.at];
        }
        written.map(|()| Vec::new()).map_err(|error| self.rules.side.error(&writing.path, &error))
    }

    fn skip(&mut self, size: u64) -> Result<Vec<u8>, LocalError> {
        let Some(writing) = &mut self.writing else { return Err(stray()) };
        if size > MAX_HOLE_BYTES {
            return Err(LocalError("refused: a hole that is too large".to_owned()));
        }
        writing.advance(size, self.rules.side)?;
        add_zeros(&mut writing.sum, size);
        let Some(temp) = &mut writing.temp else {
            return Ok(vec![0; usize::try_from(size).unwrap_or(0)]);
        };
        let at = writing.at;
        let skipped = temp.file().set_len(at).and_then(|()| temp.file().seek(SeekFrom::Start(at)));
        skipped.map(|_| Vec::new()).map_err(|error| self.rules.side.error(&writing.path, &error))
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
            if self.rules.keep {
                temp.file().set_times(times(writing.entry.mtime_ns))?;
            }
            // Of a tree each file by itself would take longer than all the rest.
            if self.rules.tree { Ok(()) } else { temp.file().sync_all() }
        });
        settled
            .and_then(|()| self.scratch.persist(temp, &path))
            .map_err(|error| self.rules.side.error(&path, &error))
    }

    /// Its sender cannot read it to its end, and goes on with the rest of the tree.
    fn drop_file(&mut self) -> Result<(), LocalError> {
        match self.writing.take() {
            Some(_) if self.rules.tree => {
                self.received.files -= 1;
                Ok(())
            }
            Some(writing) => Err(not_whole(&writing)),
            None => Err(stray()),
        }
    }

    fn mode(&self, entry: &Entry) -> u32 {
        let rules = &self.rules;
        match rules.mode.filter(|_| entry.kind != EntryKind::Folder) {
            _ if rules.keep => entry.mode & 0o7777,
            Some(mode) => mode,
            None => entry.mode & 0o777 & !rules.umask,
        }
    }
}

impl Drop for Incoming {
    /// Whatever has ended it: folders are left as they are to be.
    fn drop(&mut self) {
        self.writing = None;
        for late in self.late.drain(..).rev() {
            let _ = late.settle();
        }
    }
}

impl Late {
    fn settle(&self) -> io::Result<()> {
        // Opened before its mode may forbid that.
        let folder = fd::open_file(&self.path)?;
        folder.set_permissions(Permissions::from_mode(self.mode))?;
        self.mtime_ns.map_or(Ok(()), |mtime_ns| folder.set_times(times(mtime_ns)))
    }
}

impl Writing {
    fn advance(&mut self, bytes: u64, side: Side) -> Result<(), LocalError> {
        self.at = self.at.saturating_add(bytes);
        let path = self.path.display();
        match side {
            _ if self.at <= self.limit => Ok(()),
            Side::Here => Err(LocalError(format!("refused: more than was announced for {path}"))),
            Side::There => Err(LocalError(format!("{path} has become larger on the way"))),
        }
    }
}

fn stray() -> LocalError {
    LocalError("refused: contents of no file".to_owned())
}

fn not_whole(writing: &Writing) -> LocalError {
    LocalError(format!("{} has not come whole", writing.path.display()))
}

fn times(mtime_ns: i64) -> FileTimes {
    let distance = Duration::from_nanos(mtime_ns.unsigned_abs());
    let time = if mtime_ns < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
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

    fn rules(tree: bool) -> Rules {
        Rules {
            side: Side::Here,
            tree,
            keep: false,
            packed: false,
            mode: None,
            umask: 0o022,
            unsized_bytes: MAX_UNSIZED_BYTES,
        }
    }

    fn into_tree(root: &Path, pieces: Vec<Piece>) -> Result<(), LocalError> {
        let mut incoming = Incoming::new(Some(root.to_owned()), rules(true), None);
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
            let mut incoming = Incoming::new(Some(path.clone()), rules(false), None);
            let taken = pieces.iter().try_for_each(|piece| incoming.take(piece.clone()).map(drop));
            assert!(taken.is_err() || incoming.finish().is_err(), "{pieces:?}");
        }
        assert_eq!(fs::read(&path).expect("there"), b"old");
        assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 1);
        let mut incoming = Incoming::new(Some(path.clone()), rules(false), None);
        incoming.take(whole("", b"new")).expect("taken");
        assert_eq!(incoming.finish().map(|received| received.bytes), Ok(3));
        assert_eq!(fs::read(&path).expect("there"), b"new");
    }
}
