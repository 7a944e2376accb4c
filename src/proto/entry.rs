//! Files on streams: one record for each file, folder and link (docs/PROTOCOL.md, "Files").

use super::message::MessageError;

/// What a piece of a file's contents holds at most, once it is unpacked.
pub const MAX_PIECE_BYTES: usize = 65_536;
/// What is read of a file at once; packed it still fits a frame.
pub const PIECE_BYTES: usize = 61_440;
/// The contents of a file that is no larger go with its entry.
pub const SMALL_BYTES: usize = 32_768;
/// Zeros in one piece: each takes the reader its time, and next to no credit.
pub const MAX_HOLE_BYTES: u64 = 1024 * 1024;
pub const SUM_BYTES: usize = 20;
/// Stands for the size of what ends when it ends.
const UNKNOWN: u64 = u64::MAX;
const HEAD_BYTES: usize = 23;

/// A file, a folder or a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Below what was named, `/` between folders; empty for itself.
    pub name: Vec<u8>,
    /// The twelve lower bits of its mode.
    pub mode: u32,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    pub kind: EntryKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Folder,
    Link {
        to: Vec<u8>,
    },
    /// A file with all that is in it, packed where the transfer is.
    Whole {
        size: u64,
        sum: [u8; SUM_BYTES],
        contents: Vec<u8>,
    },
    /// A file whose contents follow, and then their sum.
    File {
        size: Option<u64>,
    },
}

impl Entry {
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (kind, size) = match &self.kind {
            EntryKind::Folder => (0, 0),
            EntryKind::Link { .. } => (1, 0),
            EntryKind::Whole { size, .. } => (2, *size),
            EntryKind::File { size } => (3, size.unwrap_or(UNKNOWN)),
        };
        out.push(kind);
        out.extend(self.mode.to_be_bytes());
        out.extend(self.mtime_ns.to_be_bytes());
        out.extend(size.to_be_bytes());
        out.extend(u16::try_from(self.name.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(&self.name);
        match &self.kind {
            EntryKind::Folder | EntryKind::File { .. } => {}
            EntryKind::Link { to } => out.extend(to),
            EntryKind::Whole { sum, contents, .. } => {
                out.extend(sum);
                out.extend(contents);
            }
        }
    }

    /// # Errors
    ///
    /// When it is cut short, or its kind is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(MessageError::BadRecord)?;
        let [kind, m0, m1, m2, m3, times @ ..] = head;
        let mode = u32::from_be_bytes([*m0, *m1, *m2, *m3]);
        let (mtime, sizes) = times.split_first_chunk::<8>().ok_or(MessageError::BadRecord)?;
        let (size, length) = sizes.split_first_chunk::<8>().ok_or(MessageError::BadRecord)?;
        let size = u64::from_be_bytes(*size);
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (name, rest) = rest.split_at_checked(length).ok_or(MessageError::BadRecord)?;
        let kind = match kind {
            0 => EntryKind::Folder,
            1 => EntryKind::Link { to: rest.to_vec() },
            2 => {
                let (sum, contents) = rest.split_first_chunk().ok_or(MessageError::BadRecord)?;
                EntryKind::Whole { size, sum: *sum, contents: contents.to_vec() }
            }
            3 => EntryKind::File { size: (size != UNKNOWN).then_some(size) },
            _ => return Err(MessageError::BadRecord),
        };
        Ok(Self { name: name.to_vec(), mode, mtime_ns: i64::from_be_bytes(*mtime), kind })
    }
}

/// What a transfer is made of, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Entry(Entry),
    Content(Vec<u8>),
    /// So many zeros, at most [`MAX_HOLE_BYTES`].
    Hole(u64),
    /// The SHA-1 sum of a file whose contents have come.
    Sum([u8; SUM_BYTES]),
    /// In the place of the sum: the file of a tree cannot be read to its end, and is not to be.
    Dropped,
}

impl Piece {
    /// Its place behind the first tag of a direction.
    pub(super) fn offset(&self) -> u8 {
        match self {
            Self::Entry(_) => 0,
            Self::Content(_) => 1,
            Self::Hole(_) => 2,
            Self::Sum(_) | Self::Dropped => 3,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Entry(entry) => entry.encode(out),
            Self::Content(bytes) => out.extend(bytes),
            Self::Hole(size) => out.extend(size.to_be_bytes()),
            Self::Sum(sum) => out.extend(sum),
            Self::Dropped => {}
        }
    }

    pub(super) fn decode(offset: u8, body: &[u8]) -> Result<Self, MessageError> {
        Ok(match offset {
            0 => Self::Entry(Entry::decode(body)?),
            1 => Self::Content(body.to_vec()),
            2 => Self::Hole(u64::from_be_bytes(body.try_into().map_err(|_| MessageError::BadRecord)?)),
            _ if body.is_empty() => Self::Dropped,
            _ => Self::Sum(body.try_into().map_err(|_| MessageError::BadRecord)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_have_the_layout_that_the_protocol_document_gives() {
        let entry = Entry {
            name: b"a/b".to_vec(),
            mode: 0o644,
            mtime_ns: 1_500_000_000,
            kind: EntryKind::Whole { size: 2, sum: [7; SUM_BYTES], contents: b"hi".to_vec() },
        };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        let head = b"\x02\0\0\x01\xa4\0\0\0\0\x59\x68\x2f\0\0\0\0\0\0\0\0\x02\0\x03a/b";
        assert_eq!(bytes, [&head[..], &[7; SUM_BYTES], b"hi"].concat());
        assert_eq!(Entry::decode(&bytes), Ok(entry));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_piece_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80), offset in 0u8..4) {
            if let Ok(piece) = Piece::decode(offset, &bytes) {
                let mut again = Vec::new();
                piece.encode(&mut again);
                let sized = matches!(&piece, Piece::Entry(Entry { kind: EntryKind::Folder | EntryKind::Link { .. } | EntryKind::File { .. }, .. }));
                prop_assert!(sized || again == bytes);
            }
        }
    }
}
