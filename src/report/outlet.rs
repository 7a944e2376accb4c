//! One of our standard streams: what waits for it, and where it has gone.

use crate::sys::fd::{Errno, Write};
use crate::sys::stdio::{self, Stream};
use std::collections::VecDeque;

/// Below this, sources are told to go on.
const LOW_BYTES: usize = 256 * 1024;

/// How it stands with the outlets after a flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Streams that would not take everything.
    pub full: Vec<Stream>,
    /// So much waits that sources must pause.
    pub high: bool,
    /// Our standard output, which is no terminal, has taken something.
    pub begun: bool,
    /// Nobody reads our standard output any more.
    pub closed: bool,
    /// Our standard output cannot be written; told once.
    pub failed: Option<Errno>,
}

impl Pressure {
    pub(super) fn and(mut self, other: Self) -> Self {
        self.full.extend(other.full);
        self.high |= other.high;
        self.begun |= other.begun;
        self.closed |= other.closed;
        self.failed = self.failed.or(other.failed);
        self
    }
}

#[derive(Debug)]
pub(super) struct Outlet {
    stream: Stream,
    terminal: bool,
    waiting: VecDeque<u8>,
    begun: bool,
    closed: bool,
}

impl Outlet {
    pub(super) fn new(stream: Stream) -> Self {
        let terminal = stdio::is_terminal(stream);
        Self { stream, terminal, waiting: VecDeque::new(), begun: false, closed: false }
    }

    /// Queues what this stream may get as it is.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !self.closed {
            self.waiting.extend(bytes);
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether not all that was queued is written.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sees whether anybody still reads, where nothing waits to be written, which would tell.
    pub(super) fn look(&mut self) {
        self.closed |= !self.terminal && !self.waits() && self.stream.is_unread();
    }

    pub(super) fn flush(&mut self) -> Pressure {
        let mut failed = None;
        while !self.waiting.is_empty() {
            match self.stream.write(self.waiting.as_slices().0) {
                Write::Done(count) => {
                    self.begun = !self.terminal;
                    self.waiting.drain(..count);
                }
                Write::WouldBlock => break,
                end @ (Write::Closed | Write::Failed(_)) => {
                    failed = if let Write::Failed(errno) = end { Some(errno) } else { None };
                    self.closed = true;
                    self.waiting.clear();
                }
            }
        }
        Pressure {
            full: if self.waiting.is_empty() { Vec::new() } else { vec![self.stream] },
            high: self.waiting.len() > LOW_BYTES,
            begun: self.begun && self.stream == Stream::Out,
            closed: self.closed && self.stream == Stream::Out,
            failed: failed.filter(|_| self.stream == Stream::Out),
        }
    }
}
