//! The upper end of a link to a program that we have not started: over a socket, and without a marker, as
//! nothing else can have been said there.

use super::outbound::{Flushed, Outbound};
use crate::proto::frame::Frame;
use crate::proto::ids::ContextId;
use crate::proto::message::{ChildHello, ParentHello};
use crate::proto::session::{Event as SessionEvent, Session};
use crate::sys::fd::{self, Read};
use crate::sys::poll::Interest;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

const READ_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub enum GuestEvent {
    Ready(ChildHello),
    Frame(Frame),
    /// It has said goodbye, or has gone.
    Ended,
}

#[derive(Debug)]
pub struct Guest {
    socket: OwnedFd,
    session: Session,
    out: Outbound,
    buffer: Vec<u8>,
    ended: bool,
    events: VecDeque<GuestEvent>,
}

impl Guest {
    /// Greets whoever is at the other end of the socket.
    pub fn new(socket: OwnedFd, me: ContextId, hello: &ParentHello, now: Instant) -> Self {
        let session = Session::parent(me, hello, now);
        Self {
            socket,
            session,
            out: Outbound::default(),
            buffer: vec![0; READ_BYTES],
            ended: false,
            events: VecDeque::new(),
        }
    }

    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// What the socket is to be watched for.
    pub fn interest(&self) -> Interest {
        let readable = !self.ended && !self.session.is_backlogged();
        Interest { readable, writable: !self.out.is_empty() || self.session.has_output() }
    }

    pub fn send(&mut self, frame: Frame) {
        self.events.extend(self.session.send(frame).map(GuestEvent::Frame));
    }

    pub fn poll_event(&mut self) -> Option<GuestEvent> {
        self.events.pop_front()
    }

    /// Reads once.
    pub fn handle_readable(&mut self, now: Instant) {
        match fd::read(self.socket.as_fd(), &mut self.buffer) {
            Read::Data(count) => {
                self.session.handle_input(&self.buffer[..count], now);
                self.drain_session();
            }
            Read::WouldBlock => {}
            Read::Eof | Read::Failed(_) => self.end(),
        }
    }

    /// Writes as much as goes.
    pub fn flush(&mut self) {
        if self.out.flush(&mut self.session, self.socket.as_fd()) == Flushed::Lost {
            self.end();
        }
    }

    fn drain_session(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Ready(hello) => self.events.push_back(GuestEvent::Ready(hello)),
                SessionEvent::Frame(frame) => self.events.push_back(GuestEvent::Frame(frame)),
                SessionEvent::Closed(_) => self.end(),
                SessionEvent::Noise(_) | SessionEvent::Greeted(_) | SessionEvent::Pinged => {}
            }
        }
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.events.push_back(GuestEvent::Ended);
        }
    }
}
