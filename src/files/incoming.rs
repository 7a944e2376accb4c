//! What comes, written beside its place and moved there once it is whole.

use super::ground::{Ground, replaceable};
use super::packing::Unpacker;
use super::place::Place;
use super::scratch::{Scratch, Temp};
use super::{LocalError, Side, add_zeros, hex};
use crate::proto::entry::{Entry, EntryKind, MAX_HOLE_BYTES, Piece, SUM_BYTES};
use crate::sys::disk;
use crate::sys::unfinished::Unfinished;
use sha1::{Digest, Sha1};
use std::ffi::OsStr;
use std::fs::{FileTimes, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
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
    writing: Option<Writing>,
    /// Outlives what is being written.
    scratch: Scratch,
    /// The root, once it is known where that leads. Its folders are as they are to be when nothing more is done in them.
    ground: Option<Ground>,
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
            writing: None,
            scratch: Scratch::new(unfinished),
            ground: None,
            received: Received::default(),
        }
    }

    /// Finds out where the root leads, without a symbolic link on the way; what is begun does so too.
    ///
    /// # Errors
    ///
    /// When it leads nowhere, or where it may not.
    pub fn settle(&mut self) -> Result<Option<&Path>, LocalError> {
        if let (None, Some(root)) = (&self.ground, self.root.as_mut()) {
            let ground = Ground::new(Place::open(root, self.rules.side, self.rules.tree)?);
            if self.rules.side == Side::There {
                *root = ground.path();
            }
            self.ground = Some(ground);
        }
        Ok(self.root.as_deref())
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
        while let Some((name, settled)) = self.ground.as_mut().and_then(Ground::settle) {
            settled
                .map_err(|error| self.rules.side.error(&self.path(name.as_os_str().as_bytes()), &error))?;
        }
        if self.rules.tree {
            self.confirm()?;
        }
        Ok(&self.received)
    }

    fn begin(&mut self, entry: Entry) -> Result<Vec<u8>, LocalError> {
        if let Some(writing) = &self.writing {
            return Err(not_whole(writing));
        }
        self.check(&entry.name)?;
        self.settle()?;
        let path = self.path(&entry.name);
        self.received.files += 1;
        match entry.kind.clone() {
            EntryKind::Folder => self.folder(&path, entry).map(|()| Vec::new()),
            EntryKind::Link { .. } if entry.name.is_empty() => {
                Err(LocalError("refused: a link in the place of a file".to_owned()))
            }
            EntryKind::Link { to } => {
                let made = self.link(&path, &entry, OsStr::from_bytes(&to));
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

    /// An entry goes below the root, in a folder that this transfer knows.
    fn check(&self, name: &[u8]) -> Result<(), LocalError> {
        let below = below(name);
        let allowed = if name.is_empty() {
            self.received.files == 0
        } else {
            let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
            let known = below.parent().is_some_and(|parent| self.knows(parent));
            // "a//b", "a/" and "./a" are other names for what has a plain one.
            let exact = below.components().collect::<PathBuf>().as_os_str().as_bytes() == name;
            self.rules.tree && plain && known && exact && !name.contains(&0)
        };
        let refused = || LocalError(format!("refused: the name {} leads elsewhere", below.display()));
        allowed.then_some(()).ok_or_else(refused)
    }

    fn knows(&self, folder: &Path) -> bool {
        self.ground.as_ref().is_some_and(|ground| ground.knows(folder))
    }

    /// As it is told to the user.
    fn path(&self, name: &[u8]) -> PathBuf {
        let root = self.root.clone().unwrap_or_else(|| PathBuf::from("-"));
        if name.is_empty() { root } else { root.join(below(name)) }
    }

    fn ground(&mut self) -> io::Result<&mut Ground> {
        self.ground.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn folder(&mut self, path: &Path, entry: Entry) -> Result<(), LocalError> {
        if !self.rules.tree {
            return Err(LocalError("refused: a folder in the place of a file".to_owned()));
        }
        let (mode, mtime_ns) = (self.mode(&entry), self.rules.keep.then_some(entry.mtime_ns));
        match self.ground().and_then(|ground| ground.make_folder(below(&entry.name), mode, mtime_ns)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(LocalError(format!("{} is there, and is no folder", path.display())));
            }
            Err(error) => return Err(self.rules.side.error(path, &error)),
        }
        Ok(())
    }

    fn link(&mut self, path: &Path, entry: &Entry, to: &OsStr) -> io::Result<()> {
        let keep = self.rules.keep;
        let Some(ground) = &mut self.ground else { return Ok(()) };
        let (folder, name) = ground.find(below(&entry.name))?;
        self.scratch.replace(folder, name, folder_of(path), |name| {
            folder.make_link(to, name)?;
            if keep { folder.set_link_time(name, entry.mtime_ns) } else { Ok(()) }
        })
    }

    fn open(&mut self, path: PathBuf, entry: Entry, limit: u64, exact: bool) -> Result<(), LocalError> {
        let side = self.rules.side;
        let temp = match &mut self.ground {
            None => None,
            Some(ground) => {
                let wrong = |error: io::Error| side.error(&path, &error);
                let (folder, name) = ground.find(below(&entry.name)).map_err(wrong)?;
                replaceable(folder, name, &path, side)?;
                Some(self.scratch.file_in(folder, folder_of(&path)).map_err(wrong)?)
            }
        };
        self.writing =
            Some(Writing { path, temp, entry, limit, exact, at: 0, on_disk: [0; 2], sum: Sha1::new() });
        Ok(())
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
        settled.map_err(|error| self.rules.side.error(&path, &error))?;
        if !self.rules.tree {
            self.confirm()?;
        }
        let Some(ground) = &mut self.ground else { return Ok(()) };
        ground
            .find(below(&writing.entry.name))
            .and_then(|(folder, name)| self.scratch.persist(temp, folder, name, folder_of(&path)))
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

    /// What has come is found by the name that is told.
    fn confirm(&self) -> Result<(), LocalError> {
        let (Some(ground), Some(root)) = (&self.ground, &self.root) else { return Ok(()) };
        match ground.is_there() {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(LocalError(format!("{}: another folder has taken the place of that one", root.display())))
            }
            Err(error) => Err(self.rules.side.error(root, &error)),
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

/// The name of an entry as a path.
fn below(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
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
    use std::fs;

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
