//! A file or a tree of this machine, or what comes over standard input, as the pieces of a transfer.

use super::notes::{NoteKind, Notes};
use super::packing::Packer;
use super::{LocalError, Side, add_zeros, hex};
use crate::proto::entry::{Entry, EntryKind, MAX_HOLE_BYTES, PIECE_BYTES, Piece, SMALL_BYTES, SUM_BYTES};
use crate::sys::{disk, fd};
use sha1::{Digest, Sha1};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is to be sent.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, or with `tree` a folder with all that is in it.
    Local { path: PathBuf, tree: bool },
    /// What [`Outgoing::push`] is given.
    Pushed,
}

/// Reads as fast as its owner asks for pieces.
#[derive(Debug)]
pub struct Outgoing {
    side: Side,
    root: PathBuf,
    tree: bool,
    packer: Packer,
    /// Names below the root that are still to be looked at, the next one last.
    todo: Vec<PathBuf>,
    reading: Option<Reading>,
    sent_bytes: u64,
    files: u64,
    /// Of what is sent alone, in hexadecimal.
    sum: Option<String>,
    notes: Notes,
}

#[derive(Debug)]
struct Reading {
    path: PathBuf,
    /// `None` for what is pushed.
    file: Option<File>,
    size: Option<u64>,
    /// Before the first byte was read.
    state: (u64, i64, i64),
    at: u64,
    /// What is known to be written there; before it are zeros, and behind it nobody has looked.
    extent: Range<u64>,
    sum: Sha1,
}

impl Outgoing {
    pub fn new(source: &Source, packed: bool, side: Side) -> Self {
        let (root, tree, todo, reading) = match source {
            Source::Local { path, tree } => (path.clone(), *tree, vec![PathBuf::new()], None),
            Source::Pushed => {
                let path = PathBuf::from("standard input");
                let sum = Sha1::new();
                let state = (0, 0, 0);
                let reading =
                    Reading { path, file: None, size: None, state, at: 0, extent: 0..u64::MAX, sum };
                (PathBuf::new(), false, Vec::new(), Some(reading))
            }
        };
        Self {
            side,
            root,
            tree,
            packer: Packer::new(packed),
            todo,
            reading,
            sent_bytes: 0,
            files: 0,
            sum: None,
            notes: Notes::default(),
        }
    }

    /// How many bytes of contents have been handed out.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// How many files, folders and links have been handed out, or begun.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// The SHA-1 sum of what has been sent, if it is one file.
    pub fn sum(&self) -> Option<&str> {
        self.sum.as_deref()
    }

    /// What is to be told beside.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The pieces for the next part of what is pushed; `None` behind the last.
    pub fn push(&mut self, bytes: Vec<u8>, last: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let Some(reading) = &mut self.reading else { return pieces };
        if reading.at == 0 && self.sent_bytes == 0 {
            pieces.push(Piece::Entry(Entry {
                name: Vec::new(),
                mode: 0o644,
                mtime_ns: 0,
                kind: EntryKind::File { size: None },
            }));
        }
        reading.sum.update(&bytes);
        reading.at += bytes.len() as u64;
        self.sent_bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            pieces.push(Piece::Content(self.packer.pack(bytes)));
        }
        if last {
            let sum = self.reading.take().map(|reading| reading.sum.finalize().into());
            self.sum = sum.as_ref().map(|sum: &[u8; SUM_BYTES]| hex(sum));
            pieces.extend(sum.map(Piece::Sum));
        }
        pieces
    }

    /// The next piece; `None` when all has been handed out.
    ///
    /// # Errors
    ///
    /// When what was named cannot be read, or becomes shorter meanwhile. What is below it is left out, and told.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, LocalError> {
        if let Some(reading) = self.reading.take() {
            let is_root = reading.path == self.root;
            return match self.read_on(reading) {
                Err(error) if !is_root => {
                    self.leave_out(error);
                    self.files -= 1;
                    Ok(Some(Piece::Dropped))
                }
                piece => piece.map(Some),
            };
        }
        while let Some(name) = self.todo.pop() {
            let is_root = name.as_os_str().is_empty();
            match self.begin(name) {
                Ok(Some(entry)) => {
                    self.files += 1;
                    return Ok(Some(Piece::Entry(entry)));
                }
                Ok(None) => {}
                Err(error) if !is_root => self.leave_out(error),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn leave_out(&mut self, LocalError(why): LocalError) {
        self.notes.add(NoteKind::Unread, why.into_bytes());
    }

    fn begin(&mut self, name: PathBuf) -> Result<Option<Entry>, LocalError> {
        let path = if name.as_os_str().is_empty() { self.root.clone() } else { self.root.join(&name) };
        let side = self.side;
        let wrong = |error| side.error(&path, &error);
        let is_root = name.as_os_str().is_empty();
        let info = if is_root { fs::metadata(&path) } else { fs::symlink_metadata(&path) }.map_err(wrong)?;
        let entry = |kind| Some(entry_of(&name, &info, kind));
        if info.is_dir() {
            if !self.tree {
                return Err(self.folder(&path));
            }
            let mut below = fs::read_dir(&path)
                .and_then(|found| {
                    found.map(|found| Ok(name.join(found?.file_name()))).collect::<Result<Vec<_>, _>>()
                })
                .map_err(wrong)?;
            below.sort_unstable_by(|one, other| other.cmp(one));
            self.todo.extend(below);
            return Ok(entry(EntryKind::Folder));
        }
        if info.is_symlink() {
            let to = fs::read_link(&path).map_err(wrong)?.as_os_str().as_bytes().to_vec();
            return Ok(entry(EntryKind::Link { to }));
        }
        if !info.is_file() {
            // A tree holds what a tree can hold elsewhere; a socket there would be none.
            if is_root {
                return Err(side.special(&path));
            }
            self.notes.add(NoteKind::Skipped, path.into_os_string().into_vec());
            return Ok(None);
        }
        let mut file = fd::open_file(&path).map_err(wrong)?;
        let info = file.metadata().map_err(wrong)?;
        if !info.is_file() {
            return Err(side.special(&path));
        }
        let size = info.len();
        let mut contents = Vec::new();
        if size <= SMALL_BYTES as u64 {
            (&mut file).take(SMALL_BYTES as u64 + 1).read_to_end(&mut contents).map_err(wrong)?;
        }
        // Some files of the kernel's own tell more than there is, and have no blocks.
        let is_all = size <= SMALL_BYTES as u64 && info.blocks() == 0 && contents.len() as u64 <= size;
        if contents.len() as u64 == size || (is_all && !contents.is_empty()) {
            let size = contents.len() as u64;
            self.sent_bytes += size;
            let sum: [u8; SUM_BYTES] = Sha1::digest(&contents).into();
            self.sum = (!self.tree).then(|| hex(&sum));
            let contents = self.packer.pack(contents);
            return Ok(Some(entry_of(&name, &info, EntryKind::Whole { size, sum, contents })));
        }
        // Files of the kernel's own tell no size.
        let size = (size > 0).then_some(size);
        let file = if contents.is_empty() { file } else { fd::open_file(&path).map_err(wrong)? };
        // Whoever has fewer blocks than bytes has holes, or a file system that packs.
        let sparse = size.is_some_and(|size| info.blocks() < size / 512);
        let extent = if sparse { 0..0 } else { 0..u64::MAX };
        let (state, sum) = (state_of(&info), Sha1::new());
        self.reading = Some(Reading { path, file: Some(file), size, state, at: 0, extent, sum });
        Ok(Some(entry_of(&name, &info, EntryKind::File { size })))
    }

    fn folder(&self, path: &Path) -> LocalError {
        let (name, does) = (
            self.side.name(path),
            match self.side {
                Side::Here => "sends",
                Side::There => "fetches",
            },
        );
        LocalError(format!("{name} is a folder; -r {does} it with all that is in it"))
    }

    fn read_on(&mut self, mut reading: Reading) -> Result<Piece, LocalError> {
        let side = self.side;
        let wrong = |error| side.error(&reading.path, &error);
        let left = reading.size.map_or(u64::MAX, |size| size - reading.at);
        if let Some(file) = reading.file.as_ref().filter(|_| left > 0 && reading.at == reading.extent.end) {
            reading.extent = disk::next_extent(file, reading.at).map_err(wrong)?;
        }
        let hole = reading.extent.start.saturating_sub(reading.at).min(left).min(MAX_HOLE_BYTES);
        if hole > 0 {
            add_zeros(&mut reading.sum, hole);
            reading.at += hole;
            self.sent_bytes += hole;
            self.reading = Some(reading);
            return Ok(Piece::Hole(hole));
        }
        let left = left.min(reading.extent.end - reading.at);
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES)];
        if let Some(file) = &mut reading.file {
            fill(file, &mut bytes).map_err(wrong)?;
        }
        if bytes.is_empty() {
            return self.end(reading);
        }
        let size = bytes.len() as u64;
        reading.sum.update(&bytes);
        reading.at += size;
        self.sent_bytes += size;
        self.reading = Some(reading);
        let zeros = bytes.len() == PIECE_BYTES && bytes.iter().all(|byte| *byte == 0);
        Ok(if zeros { Piece::Hole(size) } else { Piece::Content(self.packer.pack(bytes)) })
    }

    fn end(&mut self, reading: Reading) -> Result<Piece, LocalError> {
        if reading.size.is_some_and(|size| reading.at < size) {
            let name = self.side.name(&reading.path);
            return Err(LocalError(format!("{name} has become shorter while it was read")));
        }
        let after = reading.file.as_ref().and_then(|file| file.metadata().ok());
        let changed = reading.size.is_some() && after.is_some_and(|after| reading.state != state_of(&after));
        if changed {
            self.notes.add(NoteKind::Changed, reading.path.into_os_string().into_vec());
        }
        let sum: [u8; SUM_BYTES] = reading.sum.finalize().into();
        self.sum = (!self.tree).then(|| hex(&sum));
        Ok(Piece::Sum(sum))
    }
}

/// What differs when somebody writes to a file: its size, and when that was.
fn state_of(info: &Metadata) -> (u64, i64, i64) {
    (info.len(), info.mtime(), info.mtime_nsec())
}

/// Reads until the buffer is full, or cuts it where the file ends.
fn fill(file: &mut File, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut at = 0;
    while at < buffer.len() {
        match file.read(&mut buffer[at..]) {
            Ok(0) => break,
            Ok(count) => at += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(at);
    Ok(())
}

fn entry_of(name: &Path, info: &Metadata, kind: EntryKind) -> Entry {
    Entry {
        name: name.as_os_str().as_bytes().to_vec(),
        mode: info.mode() & 0o7777,
        mtime_ns: info.mtime().saturating_mul(1_000_000_000).saturating_add(info.mtime_nsec()),
        kind,
    }
}
