//! The lines of a queue, from standard input: all at once where that is a file, else as they arrive and as far as
//! there is room for what they ask.

use crate::error::OperationError;
use crate::mux::Mux;
use crate::sys::fd::Read;
use crate::sys::stdio;
use std::collections::VecDeque;
use std::io;

/// Larger things are put as files.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;

/// A line by its number, from 1; without its newline.
pub(super) type Numbered = (u64, Result<Vec<u8>, OperationError>);

pub(super) struct Lines {
    source: Source,
    splitter: Splitter,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Watched,
    /// There is no room for more.
    Paused,
    Ended,
}

impl Lines {
    /// Watches standard input, or reads all of a file.
    pub(super) fn open(mux: &mut Mux) -> io::Result<Self> {
        match mux.watch_input() {
            Ok(()) => Ok(Self { source: Source::Watched, splitter: Splitter::default() }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::all(),
            Err(error) => Err(error),
        }
    }

    /// All there will be, before anything else is done.
    pub(super) fn all() -> io::Result<Self> {
        Ok(Self { source: Source::Ended, splitter: read_all()? })
    }

    /// Whether all that will ever come has been taken.
    pub(super) fn have_ended(&self) -> bool {
        self.source == Source::Ended && self.splitter.lines.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Numbered> {
        self.splitter.lines.pop_front()
    }

    /// Standard input has something.
    pub(super) fn read(&mut self, mux: &mut Mux) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        match stdio::read_input(&mut buffer) {
            Read::Data(count) => self.splitter.push(&buffer[..count]),
            Read::WouldBlock => {}
            Read::Eof => {
                mux.forget_input()?;
                self.splitter.end();
                self.source = Source::Ended;
            }
            Read::Failed(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Stops or starts watching standard input.
    pub(super) fn balance(&mut self, mux: &mut Mux, room: bool) -> io::Result<()> {
        let wanted = room && self.splitter.lines.is_empty();
        self.source = match self.source {
            Source::Watched if !wanted => {
                mux.forget_input()?;
                Source::Paused
            }
            Source::Paused if wanted => {
                mux.watch_input()?;
                Source::Watched
            }
            same => same,
        };
        Ok(())
    }

    /// Takes nothing more.
    pub(super) fn stop(&mut self, mux: &mut Mux) -> io::Result<()> {
        if self.source == Source::Watched {
            mux.forget_input()?;
        }
        self.source = Source::Ended;
        self.splitter.lines.clear();
        Ok(())
    }
}

fn read_all() -> io::Result<Splitter> {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match stdio::read_input(&mut buffer) {
            Read::Data(count) => splitter.push(&buffer[..count]),
            Read::WouldBlock => stdio::wait_for_input()?,
            Read::Eof => {
                splitter.end();
                return Ok(splitter);
            }
            Read::Failed(errno) => return Err(errno.into()),
        }
    }
}

/// Lines out of bytes; empty ones are left out.
#[derive(Debug, Default)]
struct Splitter {
    number: u64,
    begun: Vec<u8>,
    /// The line that has begun is too long already.
    skipping: bool,
    lines: VecDeque<Numbered>,
}

impl Splitter {
    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..at]);
            self.finish();
            bytes = &bytes[at + 1..];
        }
        self.extend(bytes);
    }

    /// A last line without its newline is a line.
    fn end(&mut self) {
        if !self.begun.is_empty() || self.skipping {
            self.finish();
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.begun.len() + bytes.len() > MAX_LINE_BYTES {
            self.skipping = true;
            self.begun = Vec::new();
        }
        if !self.skipping {
            self.begun.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self) {
        self.number += 1;
        let line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.skipping) {
            self.lines.push_back((self.number, Err(OperationError::TooLong(MAX_LINE_BYTES))));
        } else if !line.trim_ascii().is_empty() {
            self.lines.push_back((self.number, Ok(line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(splitter: &mut Splitter) -> Vec<(u64, Option<Vec<u8>>)> {
        splitter.end();
        splitter.lines.drain(..).map(|(number, line)| (number, line.ok())).collect()
    }

    #[test]
    fn lines_have_their_numbers_and_empty_ones_count() {
        let mut splitter = Splitter::default();
        splitter.push(b"a\n\n \r\nb");
        assert_eq!(split(&mut splitter), [(1, Some(b"a".to_vec())), (4, Some(b"b".to_vec()))]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_holds_no_memory() {
        let mut splitter = Splitter::default();
        (0..3).for_each(|_| splitter.push(&vec![b'x'; MAX_LINE_BYTES / 2 + 1]));
        assert!(splitter.begun.is_empty());
        splitter.push(b"\nb\n");
        assert_eq!(split(&mut splitter), [(1, None), (2, Some(b"b".to_vec()))]);
    }

    proptest! {
        #[test]
        fn however_bytes_arrive_lines_are_the_same(
            bytes in prop::collection::vec(prop::sample::select(&b"ab\n\n "[..]), 0..60),
            chunk in 1usize..9,
        ) {
            let mut whole = Splitter::default();
            whole.push(&bytes);
            let mut pieces = Splitter::default();
            bytes.chunks(chunk).for_each(|piece| pieces.push(piece));
            prop_assert_eq!(split(&mut whole), split(&mut pieces));
        }
    }
}
