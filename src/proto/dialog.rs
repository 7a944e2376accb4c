//! The time before a child answers: finds the marker in whatever else arrives.
//!
//! Login shells, rc files and banners may print anything before the agent runs, our own marker of
//! another connection included. So the marker is the reverse of a random text that only this
//! connection's hello carries; an echo of the hello does not look like it.

use super::message::NONCE_BYTES;
use std::collections::VecDeque;

/// More noise than this before the marker is no greeting any more.
pub const MAX_NOISE_BYTES: usize = 1 << 20;
const TAIL_LINES: usize = 100;
const TAIL_LINE_BYTES: usize = 1000;

/// Scans what a new child sends.
#[derive(Clone, Debug)]
pub struct Dialog {
    marker: [u8; NONCE_BYTES],
    /// The last bytes seen, less than a marker's length: it may have begun in them.
    held: Vec<u8>,
    noise_bytes: usize,
    tail: Tail,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    Waiting,
    /// The agent runs; what followed the marker belongs to the session.
    Started {
        rest: Vec<u8>,
    },
    TooNoisy,
}

impl Dialog {
    pub fn new(mut nonce: [u8; NONCE_BYTES]) -> Self {
        nonce.reverse();
        Self { marker: nonce, held: Vec::new(), noise_bytes: 0, tail: Tail::default() }
    }

    pub fn handle_input(&mut self, bytes: &[u8]) -> Progress {
        self.held.extend_from_slice(bytes);
        if let Some(at) = self.held.windows(NONCE_BYTES).position(|window| window == self.marker) {
            let rest = self.held.split_off(at + NONCE_BYTES);
            self.held.truncate(at);
            return Progress::Started { rest };
        }
        let noise = self.held.len().saturating_sub(NONCE_BYTES - 1);
        self.tail.push(&self.held[..noise]);
        self.held.drain(..noise);
        self.noise_bytes += noise;
        if self.noise_bytes > MAX_NOISE_BYTES { Progress::TooNoisy } else { Progress::Waiting }
    }

    /// The last lines that were not ours; to be asked when no more input comes.
    pub fn into_noise(mut self) -> Vec<String> {
        self.tail.push(&self.held);
        self.tail.into_lines()
    }
}

/// The last hundred lines of a byte stream, each cut to a thousand bytes.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    lines: VecDeque<Vec<u8>>,
    partial: Vec<u8>,
}

impl Tail {
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = TAIL_LINE_BYTES - self.partial.len();
            self.partial.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                self.lines.push_back(std::mem::take(&mut self.partial));
                if self.lines.len() > TAIL_LINES {
                    self.lines.pop_front();
                }
            }
        }
    }

    /// The lines as text, without those that are empty.
    pub fn into_lines(mut self) -> Vec<String> {
        self.lines.push_back(self.partial);
        let lines = self.lines.iter().map(|line| String::from_utf8_lossy(line).trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONCE: [u8; NONCE_BYTES] = *b"\x01234567890abcde\xff";

    fn marker() -> Vec<u8> {
        NONCE.iter().rev().copied().collect()
    }

    proptest! {
        #[test]
        fn the_marker_is_found_in_any_noise_and_any_chunking(before in prop::collection::vec(any::<u8>(), 0..300), after in prop::collection::vec(any::<u8>(), 0..50), size in 1usize..40) {
            let bytes: Vec<u8> = before.into_iter().chain(marker()).chain(after.clone()).collect();
            let mut dialog = Dialog::new(NONCE);
            let mut chunks = bytes.chunks(size);
            let mut rest = loop {
                let Some(chunk) = chunks.next() else { panic!("no marker found") };
                if let Progress::Started { rest } = dialog.handle_input(chunk) { break rest }
            };
            rest.extend(chunks.flatten());
            prop_assert_eq!(rest, after);
        }
    }

    #[test]
    fn an_echo_of_the_hello_is_not_the_marker() {
        let mut dialog = Dialog::new(NONCE);
        assert_eq!(dialog.handle_input(&NONCE), Progress::Waiting);
    }

    #[test]
    fn endless_noise_ends_and_takes_little_memory() {
        let mut dialog = Dialog::new(NONCE);
        let chunk = vec![b'y'; 65536];
        let chunks = (0..).take_while(|_| dialog.handle_input(&chunk) == Progress::Waiting).count();
        assert_eq!(chunks, MAX_NOISE_BYTES / chunk.len());
        assert_eq!(dialog.into_noise().concat().len(), TAIL_LINE_BYTES);
    }

    #[test]
    fn the_last_hundred_lines_are_kept() {
        let mut tail = Tail::default();
        (0..250).for_each(|n| tail.push(format!("line {n}\n").as_bytes()));
        tail.push(b"partial");
        let lines = tail.into_lines();
        assert_eq!((lines[0].as_str(), lines.len()), ("line 150", 101));
        assert_eq!(lines.last().map(String::as_str), Some("partial"));
    }
}
