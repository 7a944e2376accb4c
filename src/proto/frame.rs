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
        let length = u16::try_from(self.body.len()).unwrap_or_else(|_| panic!("a frame's body fits 16 bits"));
        out.reserve(HEADER_BYTES + self.body.len());
        out.extend(MAGIC);
        out.extend(length.to_be_bytes());
        let checksum_at = out.len();
        out.extend([0; 4]);
        let flags = self.priority as u8 | if self.more { MORE } else { 0 } | if self.end { END } else { 0 };
        out.extend([self.kind as u8, flags]);
        for id in [self.to.0, self.from.0, self.stream.0] {
            out.extend(id.to_be_bytes());
        }
        out.extend(&*self.body);
        let checksum = checksum(&out[checksum_at + 4..]);
        out[checksum_at..checksum_at + 4].copy_from_slice(&checksum.to_be_bytes());
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

fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
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

/// Cuts a byte stream into frames; holds at most one incomplete frame beside what was just fed.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// `0 <= at <= buffer.len()`: what comes before is used up.
    at: usize,
    noise: Vec<u8>,
}

impl Decoder {
    pub fn handle_input(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next whole frame, or `None` when more bytes are needed.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        self.skip_noise();
        let rest = &self.buffer[self.at..];
        if rest.len() < HEADER_BYTES {
            return Ok(None);
        }
        let length = HEADER_BYTES + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if rest.len() < length {
            return Ok(None);
        }
        let checked = &rest[UNCHECKED_BYTES..length];
        if rest[4..UNCHECKED_BYTES] != checksum(checked).to_be_bytes() {
            return Err(FrameError::Corrupt);
        }
        self.at += length;
        Frame::decode(checked).map(Some)
    }

    /// Returns the start of what has been skipped since the last call.
    pub fn take_noise(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.noise)
    }

    fn skip_noise(&mut self) {
        let rest = &self.buffer[self.at..];
        if rest.starts_with(&MAGIC[..rest.len().min(MAGIC.len())]) {
            return;
        }
        let end = rest
            .windows(MAGIC.len())
            .position(|window| window == MAGIC)
            .unwrap_or_else(|| rest.len() - usize::from(rest.last() == Some(&MAGIC[0])));
        let room = MAX_NOISE_BYTES - self.noise.len().min(MAX_NOISE_BYTES);
        self.noise.extend_from_slice(&rest[..end.min(room)]);
        self.at += end;
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

    fn decode_all(decoder: &mut Decoder) -> Result<Vec<Frame>, FrameError> {
        std::iter::from_fn(|| decoder.poll_frame().transpose()).collect()
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
                decoder.handle_input(head);
                got.extend(decode_all(&mut decoder).expect("frames decode"));
                rest = tail;
            }
            prop_assert_eq!(got, frames);
        }

        #[test]
        fn any_bytes_end_in_frames_an_error_or_a_wait_within_bounded_memory(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut decoder = Decoder::default();
            for chunk in bytes.chunks(7) {
                decoder.handle_input(chunk);
                if decode_all(&mut decoder).is_err() { break }
                prop_assert!(decoder.buffer.len() <= HEADER_BYTES + MAX_BODY_BYTES + 7);
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
            decoder.handle_input(&bytes);
            prop_assert_eq!(decode_all(&mut decoder), Ok(vec![frame.clone(), frame]));
            prop_assert_eq!(decoder.take_noise(), text.as_bytes());
        }
    }

    #[test]
    fn text_within_a_frame_is_an_error() {
        let frame = Frame::control(Kind::Ping, ContextId(0), ContextId(1), StreamId::LINK, vec![1; 50]);
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        bytes.splice(40..40, *b"late");
        let mut decoder = Decoder::default();
        decoder.handle_input(&bytes);
        assert_eq!(decoder.poll_frame(), Err(FrameError::Corrupt));
    }

    #[test]
    fn unknown_kinds_and_flags_are_errors() {
        for (at, byte) in [(UNCHECKED_BYTES, 99), (UNCHECKED_BYTES + 1, 0x10), (UNCHECKED_BYTES + 1, 0x03)] {
            let mut bytes = Vec::new();
            Frame::control(Kind::Ping, ContextId(0), ContextId(1), StreamId::LINK, Vec::new())
                .encode(&mut bytes);
            bytes[at] = byte;
            let sum = checksum(&bytes[UNCHECKED_BYTES..]);
            bytes[4..8].copy_from_slice(&sum.to_be_bytes());
            let mut decoder = Decoder::default();
            decoder.handle_input(&bytes);
            assert!(matches!(decoder.poll_frame(), Err(FrameError::Unknown { .. })), "byte {at} = {byte}");
        }
    }
}
