//! Bytes on their way out, written before what the session says. Large bodies are written from where they are.

use crate::proto::frame::{Body, Frame};
use crate::proto::session::Session;
use crate::sys::fd::{self, Write};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// About how much is out of reach of what is more urgent: one frame may be a little larger.
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
            while session.next_bytes().is_some_and(|next| self.has_room_for(next))
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

    fn has_room_for(&self, more: usize) -> bool {
        self.is_empty() || self.bytes + more <= AT_ONCE_BYTES
    }

    fn add(&mut self, frame: Frame) {
        if frame.body.len() <= SMALL_BYTES {
            return self.join(|joined| frame.encode(joined));
        }
        self.join(|joined| joined.extend(frame.head()));
        self.bytes += frame.body.len();
        self.pieces.push_back(Piece::Body(frame.body));
    }

    /// Has `more` added at the end: not to what is being written, which would never be all gone, nor to what is large.
    fn join(&mut self, more: impl FnOnce(&mut Vec<u8>)) {
        let begun = self.pieces.len() == 1 && self.written > 0;
        if let Some(Piece::Joined(last)) = self.pieces.back_mut()
            && !begun
            && last.len() < AT_ONCE_BYTES
        {
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
    use crate::proto::frame::{HEADER_BYTES, Kind, MAX_BODY_BYTES, Priority};
    use crate::proto::ids::{ContextId, StreamId};
    use crate::proto::message::greeting;
    use crate::sys::clock;
    use std::io::Read as _;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn session() -> Session {
        let hello = greeting(ContextId(1), &[ContextId(0)], [7; 16], 15_000, 0, "title".into());
        Session::parent(ContextId(0), &hello, clock::now())
    }

    fn bulk(body: Vec<u8>) -> Frame {
        let priority = Priority::Bulk;
        Frame { priority, ..Frame::control(Kind::Data, ContextId(0), ContextId(1), StreamId(2), body) }
    }

    #[test]
    fn what_a_full_socket_takes_piece_by_piece_is_all_of_it_and_in_order() {
        let (mut session, mut twin) = (session(), session());
        let (mut out, mut expected) = (Outbound::default(), b"payload".to_vec());
        out.push(b"payload".to_vec());
        let sizes = [1, SMALL_BYTES, SMALL_BYTES + 1, 65_535, 65_535, 65_535, 65_535, 65_535, 0, 30_000];
        for (number, size) in (0..).zip(sizes.iter().cycle().take(70)) {
            let frame = bulk((0..*size).map(|at| (at * 7 + number) as u8).collect());
            assert!(session.send(frame.clone()).is_none() && twin.send(frame).is_none());
        }
        while let Some(frame) = twin.poll_transmit() {
            frame.encode(&mut expected);
        }
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a socket");
        let (mut got, mut buffer) = (Vec::new(), vec![0; 10_007]);
        while out.flush(&mut session, ours.as_fd()) == Flushed::Waiting {
            assert!(out.bytes <= HEADER_BYTES + MAX_BODY_BYTES, "{}", out.bytes);
            let count = theirs.read(&mut buffer).expect("something");
            got.extend_from_slice(&buffer[..count]);
        }
        drop(ours);
        theirs.read_to_end(&mut got).expect("the rest");
        assert!(got == expected && out.is_empty() && out.bytes == 0);
    }

    #[test]
    fn small_frames_for_a_slow_reader_take_a_bounded_room() {
        let (mut session, mut out) = (session(), Outbound::default());
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a socket");
        let (mut left, mut buffer, mut most) = (10 * 1024, vec![0; 10_007], 0);
        loop {
            // There is always more, and never a moment at which all has gone.
            while left > 0 && session.next_bytes().is_none() {
                (0..256).for_each(|_| assert!(session.send(bulk(vec![7; 1024])).is_none()));
                left -= 256;
            }
            if out.flush(&mut session, ours.as_fd()) != Flushed::Waiting && left == 0 {
                break;
            }
            let held = out.pieces.iter().map(|piece| match piece {
                Piece::Joined(bytes) => bytes.capacity(),
                Piece::Body(body) => body.len(),
            });
            most = most.max(held.sum::<usize>());
            assert!(theirs.read(&mut buffer).expect("something") > 0);
        }
        assert!(most <= 4 * AT_ONCE_BYTES, "{most}");
    }

    #[test]
    fn what_is_urgent_waits_for_one_large_frame_at_most() {
        let (mut session, mut out) = (session(), Outbound::default());
        assert!(session.poll_transmit().is_some(), "the greeting");
        (0..20).for_each(|_| assert!(session.send(bulk(vec![7; MAX_BODY_BYTES])).is_none()));
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a socket");
        assert_eq!(out.flush(&mut session, ours.as_fd()), Flushed::Waiting);
        let urgent = Frame::control(Kind::Ping, ContextId(0), ContextId(1), StreamId::LINK, vec![9; 50]);
        assert!(session.send(urgent.clone()).is_none());
        let before = out.bytes;
        assert!(before <= HEADER_BYTES + MAX_BODY_BYTES, "{before}");
        let (mut got, mut buffer) = (Vec::new(), vec![0; 10_007]);
        while out.flush(&mut session, ours.as_fd()) == Flushed::Waiting {
            let count = theirs.read(&mut buffer).expect("something");
            got.extend_from_slice(&buffer[..count]);
        }
        drop(ours);
        theirs.read_to_end(&mut got).expect("the rest");
        let mut wanted = Vec::new();
        urgent.encode(&mut wanted);
        let at = got.windows(wanted.len()).position(|window| window == wanted).expect("it came");
        assert_eq!(at % (HEADER_BYTES + MAX_BODY_BYTES), 0);
        assert!(at < got.len() - 10 * MAX_BODY_BYTES, "{at}");
    }
}
