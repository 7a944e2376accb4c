//! Frames: a fixed header, which is all that a relay reads, and a body.
//!
//! Each frame begins with a magic number and a CRC-32 of what follows, because the pipe that an
//! agent answers through may be shared: a background job of the login shell can write into it at
//! any time. Between frames such noise is skipped; within one it ends the link.

use super::ids::{ContextId, StreamId};
use std::ops::Deref;
use std::rc::Rc;

/// Size of the header in bytes.
pub const HEADER_BYTES: usize = 22;
/// Largest body, in bytes: the length field has 16 bits.
pub const MAX_BODY_BYTES: usize = 0xffff;

/// Not valid UTF-8, so no text begins a frame by chance.
const MAGIC: [u8; 2] = [0xfe, 0xb1];
/// The part of the header that the checksum does not cover: magic, length, checksum.
const UNCHECKED_BYTES: usize = 8;
const MORE: u8 = 0x04;
const END: u8 = 0x08;
/// How much of what was skipped is kept for the user to see.
const MAX_NOISE_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Hello = 1,
    Ping = 2,
    Pong = 3,
    Bye = 4,
    Open = 5,
    Data = 6,
    Credit = 7,
    Reset = 8,
}

impl Kind {
    const ALL: [Self; 8] =
        [Self::Hello, Self::Ping, Self::Pong, Self::Bye, Self::Open, Self::Data, Self::Credit, Self::Reset];
}

/// Which frames go first on a link. Within one priority the streams take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    Control = 0,
    Interactive = 1,
    Bulk = 2,
}

impl Priority {
    pub const ALL: [Self; 3] = [Self::Control, Self::Interactive, Self::Bulk];
}

/// The body of a frame; what goes out on several links is there once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(Rc<Vec<u8>>);

impl Body {
    /// The bytes themselves, copied only where somebody else holds them too.
    pub fn into_bytes(self) -> Vec<u8> {
        Rc::unwrap_or_clone(self.0)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Rc::new(bytes))
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    pub priority: Priority,
    /// The message goes on in the stream's next frame.
    pub more: bool,
    /// The sender's half of the stream ends with this message.
    pub end: bool,
    pub to: ContextId,
    pub from: ContextId,
    pub stream: StreamId,
    /// At most [`MAX_BODY_BYTES`].
    pub body: Body,
}

impl Frame {
    /// A frame of the control class: about the link (stream 0) or about one stream.
    pub fn control(kind: Kind, from: ContextId, to: ContextId, stream: StreamId, body: Vec<u8>) -> Self {
        let body = body.into();
        Self { kind, priority: Priority::Control, more: false, end: false, to, from, stream, body }
    }

    /// Appends the encoded frame to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(HEADER_BYTES + self.body.len());
        out.extend(self.head());
        out.extend_from_slice(&self.body);
    }

    /// What stands before the body.
    pub fn head(&self) -> [u8; HEADER_BYTES] {
        let length = u16::try_from(self.body.len()).unwrap_or_else(|_| panic!("a frame's body fits 16 bits"));
        let flags = self.priority as u8 | if self.more { MORE } else { 0 } | if self.end { END } else { 0 };
        let mut head = [0; HEADER_BYTES];
        head[..2].copy_from_slice(&MAGIC);
        head[2..4].copy_from_slice(&length.to_be_bytes());
        head[8..10].copy_from_slice(&[self.kind as u8, flags]);
        for (at, id) in [(10, self.to.0), (14, self.from.0), (18, self.stream.0)] {
            head[at..at + 4].copy_from_slice(&id.to_be_bytes());
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&head[UNCHECKED_BYTES..]);
        checksum.update(&self.body);
        head[4..UNCHECKED_BYTES].copy_from_slice(&checksum.finalize().to_be_bytes());
        head
    }

    /// From a whole one.
    fn checked(frame: &[u8]) -> Result<Self, FrameError> {
        let checked = &frame[UNCHECKED_BYTES..];
        if frame[4..UNCHECKED_BYTES] != crc32fast::hash(checked).to_be_bytes() {
            return Err(FrameError::Corrupt);
        }
        Self::decode(checked)
    }

    fn decode(checked: &[u8]) -> Result<Self, FrameError> {
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == checked[0]);
        let flags = checked[1];
        let priority = Priority::ALL.into_iter().find(|priority| *priority as u8 == flags & 0x03);
        let (Some(kind), Some(priority), 0) = (kind, priority, flags & !0x0f) else {
            return Err(FrameError::Unknown { kind: checked[0], flags });
        };
        let id =
            |at: usize| u32::from_be_bytes([checked[at], checked[at + 1], checked[at + 2], checked[at + 3]]);
        Ok(Self {
            kind,
            priority,
            more: flags & MORE != 0,
            end: flags & END != 0,
            to: ContextId(id(2)),
            from: ContextId(id(6)),
            stream: StreamId(id(10)),
            body: checked[HEADER_BYTES - UNCHECKED_BYTES..].to_vec().into(),
        })
    }
}

/// Why bytes are not frames. The link cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The checksum is wrong: something else was written within a frame.
    Corrupt,
    Unknown {
        kind: u8,
        flags: u8,
    },
}

/// Cuts a byte stream into frames; holds at most one incomplete frame beside what is just being fed.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a frame, as far as it has come.
    begun: Vec<u8>,
    noise: Vec<u8>,
}

impl Decoder {
    /// Takes the next whole frame off the input, or `None` when all of that has been taken and more is needed.
    pub fn poll_frame(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        while !self.begun.is_empty() {
            let wanted = length_of(&self.begun).saturating_sub(self.begun.len());
            let (more, rest) = input.split_at(wanted.min(input.len()));
            self.begun.extend_from_slice(more);
            *input = rest;
            if !is_frame(&self.begun) {
                self.skip_begun();
            } else if self.begun.len() >= HEADER_BYTES && self.begun.len() == length_of(&self.begun) {
                let frame = Frame::checked(&self.begun);
                self.begun.clear();
                return frame.map(Some);
            } else if input.is_empty() {
                return Ok(None);
            }
        }
        self.skip_noise(input);
        let length = length_of(input);
        if input.len() < HEADER_BYTES || input.len() < length {
            self.begun.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        }
        let (frame, rest) = input.split_at(length);
        *input = rest;
        Frame::checked(frame).map(Some)
    }

    /// Returns the start of what has been skipped since the last call.
    pub fn take_noise(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.noise)
    }

    /// Gives back the room that a large frame has taken, if none is being put together. It is kept from one to the next:
    /// while much comes, most come in pieces, and fresh pages for each would cost a fault for every 4 KiB.
    pub fn give_back(&mut self) {
        if self.begun.is_empty() {
            self.begun = Vec::new();
        }
    }

    /// The room in bytes that is kept for a frame that comes in pieces.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.begun.capacity()
    }

    /// What looked like the beginning of a frame was none.
    fn skip_begun(&mut self) {
        let begun = std::mem::take(&mut self.begun);
        let mut rest = &begun[..];
        self.skip_noise(&mut rest);
        self.begun = rest.to_vec();
    }

    fn skip_noise(&mut self, input: &mut &[u8]) {
        if is_frame(input) {
            return;
        }
        let end = input
            .windows(MAGIC.len())
            .position(|window| window == MAGIC)
            .unwrap_or_else(|| input.len() - usize::from(input.last() == Some(&MAGIC[0])));
        let room = MAX_NOISE_BYTES - self.noise.len().min(MAX_NOISE_BYTES);
        self.noise.extend_from_slice(&input[..end.min(room)]);
        *input = &input[end..];
    }
}

/// Whether that may be the beginning of a frame.
fn is_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())])
}

/// How long the frame is that begins so; where that cannot be seen yet, what has to be seen first.
fn length_of(begun: &[u8]) -> usize {
    match *begun {
        [] | [_] => MAGIC.len(),
        [_, _, high, low, ..] if begun.len() >= HEADER_BYTES => {
            HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]))
        }
        _ => HEADER_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        let ids = (any::<u32>(), any::<u32>(), any::<u32>());
        let flags = (0..Kind::ALL.len(), 0..Priority::ALL.len(), any::<bool>(), any::<bool>());
        (ids, flags, prop::collection::vec(any::<u8>(), 0..300)).prop_map(
            |((to, from, stream), flags, body)| Frame {
                kind: Kind::ALL[flags.0],
                priority: Priority::ALL[flags.1],
                more: flags.2,
                end: flags.3,
                to: ContextId(to),
                from: ContextId(from),
                stream: StreamId(stream),
                body: body.into(),
            },
        )
    }

    fn decode_all(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        std::iter::from_fn(|| decoder.poll_frame(&mut bytes).transpose()).collect()
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(frames in prop::collection::vec(any_frame(), 0..8), cuts in prop::collection::vec(1usize..80, 1..40)) {
            let mut bytes = Vec::new();
            frames.iter().for_each(|frame| frame.encode(&mut bytes));
            let (mut decoder, mut got, mut rest) = (Decoder::default(), Vec::new(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                got.extend(decode_all(&mut decoder, head).expect("frames decode"));
                rest = tail;
            }
            prop_assert_eq!(got, frames);
        }

        #[test]
        fn any_bytes_end_in_frames_an_error_or_a_wait_within_bounded_memory(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut decoder = Decoder::default();
            for chunk in bytes.chunks(7) {
                if decode_all(&mut decoder, chunk).is_err() { break }
                prop_assert!(decoder.begun.len() <= HEADER_BYTES + MAX_BODY_BYTES);
                prop_assert!(decoder.noise.len() <= MAX_NOISE_BYTES);
            }
        }

        #[test]
        fn text_between_frames_is_skipped_and_kept(frame in any_frame(), text in "[ -~\n]{1,200}") {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            bytes.extend(text.as_bytes());
            frame.encode(&mut bytes);
            let mut decoder = Decoder::default();
            prop_assert_eq!(decode_all(&mut decoder, &bytes), Ok(vec![frame.clone(), frame]));
            prop_assert_eq!(decoder.take_noise(), text.as_bytes());
        }
    }

    #[test]
    fn noise_that_begins_as_a_frame_does_is_skipped_in_any_chunking() {
        let frame = Frame::control(Kind::Ping, ContextId(0), ContextId(1), StreamId::LINK, vec![1; 50]);
        let noise = [&[0xfe][..], &[0xfe, 0xfe], b"x", &[0xfe]].concat();
        let mut bytes = noise.clone();
        frame.encode(&mut bytes);
        for size in 1..=bytes.len() {
            let mut decoder = Decoder::default();
            let pieces = bytes.chunks(size).map(|chunk| decode_all(&mut decoder, chunk).expect("a frame"));
            assert_eq!(pieces.flatten().collect::<Vec<_>>(), std::slice::from_ref(&frame), "{size}");
            assert_eq!(decoder.take_noise(), noise, "{size}");
        }
    }

    #[test]
    fn text_within_a_frame_is_an_error() {
        let frame = Frame::control(Kind::Ping, ContextId(0), ContextId(1), StreamId::LINK, vec![1; 50]);
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        bytes.splice(40..40, *b"late");
        let mut decoder = Decoder::default();
        assert_eq!(decode_all(&mut decoder, &bytes), Err(FrameError::Corrupt));
    }

    #[test]
    fn unknown_kinds_and_flags_are_errors() {
        for (at, byte) in [(UNCHECKED_BYTES, 99), (UNCHECKED_BYTES + 1, 0x10), (UNCHECKED_BYTES + 1, 0x03)] {
            let mut bytes = Vec::new();
            Frame::control(Kind::Ping, ContextId(0), ContextId(1), StreamId::LINK, Vec::new())
                .encode(&mut bytes);
            bytes[at] = byte;
            let sum = crc32fast::hash(&bytes[UNCHECKED_BYTES..]);
            bytes[4..8].copy_from_slice(&sum.to_be_bytes());
            let mut decoder = Decoder::default();
            assert!(
                matches!(decode_all(&mut decoder, &bytes), Err(FrameError::Unknown { .. })),
                "byte {at} = {byte}"
            );
        }
    }
}
