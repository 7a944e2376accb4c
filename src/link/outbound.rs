//! Bytes on their way out, written before what the session says. Large bodies are written from where they are.

use crate::proto::frame::{Body, Frame};
use crate::proto::session::Session;
use crate::sys::fd::{self, Write};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// About how much is out of reach of what is more urgent.
const AT_ONCE_BYTES: usize = 64 * 1024;
/// What is not larger is joined with what stands beside it.
const SMALL_BYTES: usize = 8 * 1024;
/// Pieces of one write.
const MAX_SLICES: usize = 16;

#[derive(Debug)]
enum Piece {
    Joined(Vec<u8>),
    Body(Body),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Joined(bytes) => bytes,
            Self::Body(body) => body,
        }
    }
}

/// No piece is empty, and of the first less than all has been written.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    pieces: VecDeque<Piece>,
    written: usize,
    /// What has not been written.
    bytes: usize,
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
        self.join(|joined| joined.extend(bytes));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes as much as goes.
    pub(super) fn flush(&mut self, session: &mut Session, fd: BorrowedFd<'_>) -> Flushed {
        let mut flushed = Flushed::Gone;
        loop {
            // What starts a child and what is first asked of it leave in one piece.
            while self.bytes < AT_ONCE_BYTES
                && let Some(frame) = session.poll_transmit()
            {
                self.add(frame);
            }
            if self.is_empty() {
                return flushed;
            }
            match self.write(fd) {
                Write::Done(count) => self.advance(count),
                Write::WouldBlock => return Flushed::Waiting,
                Write::Closed | Write::Failed(_) => {
                    *self = Self::default();
                    flushed = Flushed::Lost;
                }
            }
        }
    }

    fn add(&mut self, frame: Frame) {
        if frame.body.len() <= SMALL_BYTES {
            return self.join(|joined| frame.encode(joined));
        }
        self.join(|joined| joined.extend(frame.head()));
        self.bytes += frame.body.len();
        self.pieces.push_back(Piece::Body(frame.body));
    }

    /// Has `more` added at the end.
    fn join(&mut self, more: impl FnOnce(&mut Vec<u8>)) {
        if let Some(Piece::Joined(last)) = self.pieces.back_mut() {
            let before = last.len();
            more(last);
            self.bytes += last.len() - before;
            return;
        }
        let mut joined = Vec::new();
        more(&mut joined);
        self.bytes += joined.len();
        self.pieces.extend((!joined.is_empty()).then_some(Piece::Joined(joined)));
    }

    fn write(&self, fd: BorrowedFd<'_>) -> Write {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut skip = self.written;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(&piece.bytes()[std::mem::take(&mut skip)..]);
        }
        fd::write_pieces(fd, &slices[..self.pieces.len().min(MAX_SLICES)])
    }

    fn advance(&mut self, count: usize) {
        self.bytes -= count;
        self.written += count;
        while let Some(first) = self.pieces.front()
            && self.written >= first.bytes().len()
        {
            self.written -= first.bytes().len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::frame::{Kind, Priority};
    use crate::proto::ids::{ContextId, StreamId};
    use crate::proto::message::greeting;
    use crate::sys::clock;
    use std::io::Read as _;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_a_full_socket_takes_piece_by_piece_is_all_of_it_and_in_order() {
        let hello = greeting(ContextId(1), &[ContextId(0)], [7; 16], 15_000, 0, "title".into());
        let mut session = Session::parent(ContextId(0), &hello, clock::now());
        let (mut out, mut expected) = (Outbound::default(), b"payload".to_vec());
        out.push(b"payload".to_vec());
        let mut twin = Session::parent(ContextId(0), &hello, clock::now());
        let sizes = [1, SMALL_BYTES, SMALL_BYTES + 1, 65_535, 65_535, 65_535, 65_535, 65_535, 0, 30_000];
        for (number, size) in (0..).zip(sizes.iter().cycle().take(70)) {
            let body = (0..*size).map(|at| (at * 7 + number) as u8).collect();
            let frame = Frame {
                priority: Priority::Bulk,
                ..Frame::control(Kind::Data, ContextId(0), ContextId(1), StreamId(2), body)
            };
            assert!(session.send(frame.clone()).is_none() && twin.send(frame).is_none());
        }
        while let Some(frame) = twin.poll_transmit() {
            frame.encode(&mut expected);
        }
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a socket");
        let (mut got, mut buffer) = (Vec::new(), vec![0; 10_007]);
        while out.flush(&mut session, ours.as_fd()) == Flushed::Waiting {
            let count = theirs.read(&mut buffer).expect("something");
            got.extend_from_slice(&buffer[..count]);
        }
        drop(ours);
        theirs.read_to_end(&mut got).expect("the rest");
        assert!(got == expected && out.is_empty() && out.bytes == 0);
    }
}
