//! Bytes on their way out, written before what the session says.

use crate::proto::session::Session;
use crate::sys::fd::{self, Write};
use std::os::fd::BorrowedFd;

/// Room that only the contents of files need.
const LARGE_BYTES: usize = 64 * 1024;

/// `0 <= written <= bytes.len()`.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    bytes: Vec<u8>,
    written: usize,
}

/// What has become of all that was to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    Gone,
    Waiting,
    /// Nobody takes it any more.
    Lost,
}

impl Outbound {
    pub(super) fn push(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.bytes.extend(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Writes as much as goes.
    pub(super) fn flush(&mut self, session: &mut Session, fd: BorrowedFd<'_>) -> Flushed {
        let mut flushed = Flushed::Gone;
        loop {
            if self.is_empty() {
                self.clear();
            }
            // What starts a child and what is first asked of it leave in one piece.
            session.poll_transmit(&mut self.bytes);
            if self.bytes.is_empty() {
                return flushed;
            }
            match fd::write(fd, self.rest()) {
                Write::Done(count) => self.written += count,
                Write::WouldBlock => return Flushed::Waiting,
                Write::Closed | Write::Failed(_) => {
                    self.written = self.bytes.len();
                    flushed = Flushed::Lost;
                }
            }
        }
    }

    /// What has carried files keeps its room: the C library would give it back to the system, and
    /// have it faulted in again for the next write.
    fn clear(&mut self) {
        if self.bytes.capacity() < LARGE_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.written = 0;
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
}
