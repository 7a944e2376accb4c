//! The other end of a link: this process as the child, on descriptors that were its standard input
//! and output.

use super::outbound::{Flushed, Outbound};
use crate::proto::frame::Frame;
use crate::proto::message::{ChildHello, ParentHello};
use crate::proto::session::{Closed, Event as SessionEvent, Session};
use crate::sys::fd::{self, Read};
use crate::sys::poll::Interest;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

const READ_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub enum UplinkEvent {
    /// Who we are, whom we obey.
    Greeted(ParentHello),
    /// The parent lives.
    Pinged,
    Frame(Frame),
    /// The parent has gone, or must not be listened to any more.
    Ended(Gone),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    Eof,
    Failed,
    Session(Closed),
}

#[derive(Debug)]
pub struct Uplink {
    input: OwnedFd,
    output: OwnedFd,
    session: Session,
    out: Outbound,
    /// What the parent sends to whatever it starts, before its hello: for Python.
    skip: usize,
    ended: bool,
    events: VecDeque<UplinkEvent>,
}

impl Uplink {
    /// `skip` bytes of the input are not for us.
    pub fn new(input: OwnedFd, output: OwnedFd, skip: usize, now: Instant) -> Self {
        let (session, out) = (Session::child(now), Outbound::default());
        Self { input, output, session, out, skip, ended: false, events: VecDeque::new() }
    }

    pub fn input(&self) -> &OwnedFd {
        &self.input
    }

    pub fn output(&self) -> &OwnedFd {
        &self.output
    }

    /// What the input is to be watched for, and the output.
    pub fn interest(&self) -> (Interest, Interest) {
        let readable = !self.ended && !self.session.is_backlogged();
        let writable = !self.out.is_empty() || self.session.has_output();
        (Interest { readable, writable: false }, Interest { readable: false, writable })
    }

    pub fn send(&mut self, frame: Frame) {
        self.events.extend(self.session.send(frame).map(UplinkEvent::Frame));
    }

    /// Answers the parent's hello: the marker, then ours.
    pub fn answer(&mut self, theirs: &ParentHello) {
        self.out.push(theirs.nonce.into_iter().rev());
        let version = crate::proto::VERSION;
        self.session.answer(&ChildHello { version, pid: std::process::id(), python: 0 });
    }

    pub fn poll_event(&mut self) -> Option<UplinkEvent> {
        self.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.drain_session();
    }

    /// Reads once.
    pub fn handle_readable(&mut self, buffer: &mut Vec<u8>, now: Instant) {
        buffer.resize(READ_BYTES, 0);
        match fd::read(self.input.as_fd(), buffer) {
            Read::Data(count) => {
                self.handle_input(&buffer[..count], now);
            }
            Read::WouldBlock => {}
            Read::Eof => self.end(Gone::Eof),
            Read::Failed(_) => self.end(Gone::Failed),
        }
    }

    /// Takes what has come from the parent.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        let skipped = bytes.len().min(self.skip);
        self.skip -= skipped;
        if bytes.len() > skipped {
            self.session.handle_input(&bytes[skipped..], now);
            self.drain_session();
        }
    }

    /// Writes as much as goes.
    pub fn flush(&mut self) {
        if self.out.flush(&mut self.session, self.output.as_fd()) == Flushed::Lost {
            self.end(Gone::Failed);
        }
    }

    fn drain_session(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Pinged => self.events.push_back(UplinkEvent::Pinged),
                SessionEvent::Greeted(hello) => self.events.push_back(UplinkEvent::Greeted(hello)),
                SessionEvent::Frame(frame) => self.events.push_back(UplinkEvent::Frame(frame)),
                SessionEvent::Closed(reason) => self.end(Gone::Session(reason)),
                SessionEvent::Noise(_) | SessionEvent::Ready(_) => {}
            }
        }
    }

    fn end(&mut self, gone: Gone) {
        if !std::mem::replace(&mut self.ended, true) {
            self.events.push_back(UplinkEvent::Ended(gone));
        }
    }
}
