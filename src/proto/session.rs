//! One link between a parent and its child: hello, frames both ways, keepalive, and an end.
//!
//! The parent's hello and what it sends with it go out before the child has said anything: one
//! flight. A session knows contexts only as numbers to pass on; who may send what is for `route`.

use super::frame::{Decoder, Frame, FrameError, HEADER_BYTES, Kind};
use super::ids::{ContextId, StreamId};
use super::message::{ChildHello, ParentHello, Record};
use super::outbox::Outbox;
use std::time::{Duration, Instant};

/// A link is lost when this many keepalives in a row go without any answer.
pub const MAX_MISSED: u32 = 3;
/// More than all windows of a link together: only answers to questions can exceed it.
const MAX_BACKLOG_BYTES: usize = 32 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// To a parent: the child runs.
    Ready(ChildHello),
    /// To a child: who it is.
    Greeted(ParentHello),
    Frame(Frame),
    /// The other end has asked for a sign of life, and is given it.
    Pinged,
    /// The start of something that is not ours and came between two frames.
    Noise(Vec<u8>),
    /// Nothing more comes, and nothing more can be sent.
    Closed(Closed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The other end said goodbye.
    Bye,
    Silent {
        quiet: Duration,
    },
    BadFrame(FrameError),
    /// A frame that has no place at this point of the session.
    OutOfOrder(Kind),
    BadHello,
    Version {
        theirs: u16,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitingHello,
    Open,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Parent,
    Child,
}

#[derive(Debug)]
pub struct Session {
    role: Role,
    state: State,
    /// This end and the other; the child learns both from the hello.
    me: ContextId,
    peer: ContextId,
    decoder: Decoder,
    outbox: Outbox,
    events: std::collections::VecDeque<Event>,
    keepalive: Duration,
    heard: Instant,
    /// The end of the current interval, and how many intervals in a row nothing was heard in.
    due: Option<Instant>,
    missed: u32,
    /// BYE goes out behind all that is queued.
    leaving: bool,
}

impl Session {
    /// The upper end. The hello is the first thing it transmits.
    pub fn parent(me: ContextId, hello: &ParentHello, now: Instant) -> Self {
        let keepalive = Duration::from_millis(hello.keepalive_ms.into());
        let mut session = Self::new(Role::Parent, me, ContextId(hello.context), keepalive, now);
        session.control(Kind::Hello, Record::encode(hello));
        session
    }

    /// The lower end, which waits to be told who it is.
    pub fn child(now: Instant) -> Self {
        Self::new(Role::Child, ContextId::CONTROLLER, ContextId::CONTROLLER, Duration::MAX, now)
    }

    fn new(role: Role, me: ContextId, peer: ContextId, keepalive: Duration, now: Instant) -> Self {
        Self {
            role,
            state: State::AwaitingHello,
            me,
            peer,
            decoder: Decoder::default(),
            outbox: Outbox::default(),
            events: std::collections::VecDeque::new(),
            keepalive,
            heard: now,
            due: None,
            missed: 0,
            leaving: false,
        }
    }

    /// Queues a frame for the other end or for what is behind it; returns what that would answer to a reset of what it has
    /// never heard of.
    #[must_use]
    pub fn send(&mut self, frame: Frame) -> Option<Frame> {
        if self.state == State::Closed { None } else { self.outbox.push(frame) }
    }

    /// Says goodbye after all that is queued.
    pub fn close(&mut self) {
        self.leaving = self.state != State::Closed;
    }

    /// Whether so much waits to be sent that no more questions should be taken.
    pub fn is_backlogged(&self) -> bool {
        self.outbox.bytes() > MAX_BACKLOG_BYTES
    }

    /// Answers a parent's hello; the marker has been written before.
    pub fn answer(&mut self, hello: &ChildHello) {
        self.control(Kind::Hello, Record::encode(hello));
    }

    pub fn handle_input(&mut self, mut bytes: &[u8], now: Instant) {
        if self.state == State::Closed {
            return;
        }
        self.heard = now;
        self.missed = 0;
        loop {
            let frame = self.decoder.poll_frame(&mut bytes);
            let noise = self.decoder.take_noise();
            if !noise.is_empty() {
                self.events.push_back(Event::Noise(noise));
            }
            match frame {
                Ok(Some(frame)) => self.handle_frame(frame),
                Ok(None) => return,
                Err(error) => return self.end(Closed::BadFrame(error)),
            }
            if self.state == State::Closed {
                return;
            }
        }
    }

    /// To be called at [`Self::poll_timeout`]: a parent asks for a sign of life, and so gives one.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        self.due = now.checked_add(self.keepalive);
        self.decoder.give_back();
        self.missed += 1;
        if self.missed > MAX_MISSED {
            return self.end(Closed::Silent { quiet: now.duration_since(self.heard) });
        }
        if self.role == Role::Parent {
            self.control(Kind::Ping, Vec::new());
        }
    }

    /// The end of each keepalive interval of an open session.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Open => self.due,
            State::AwaitingHello | State::Closed => None,
        }
    }

    /// Takes what is to be written next.
    pub fn poll_transmit(&mut self) -> Option<Frame> {
        self.outbox.pop().or_else(|| {
            let leaves = std::mem::take(&mut self.leaving);
            leaves.then(|| Frame::control(Kind::Bye, self.me, self.peer, StreamId::LINK, Vec::new()))
        })
    }

    /// The size in bytes of the frame that [`Self::poll_transmit`] would return.
    pub fn next_bytes(&self) -> Option<usize> {
        let body = self.outbox.peek().map(|frame| frame.body.len());
        body.or(self.leaving.then_some(0)).map(|body| HEADER_BYTES + body)
    }

    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty() || self.leaving
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn handle_frame(&mut self, frame: Frame) {
        match (self.state, frame.kind) {
            (State::AwaitingHello, Kind::Hello) => self.handle_hello(&frame),
            (State::Open, Kind::Ping) => {
                self.control(Kind::Pong, frame.body.into_bytes());
                self.events.push_back(Event::Pinged);
            }
            (State::Open, Kind::Pong) => {}
            (State::Open, Kind::Bye) => self.end(Closed::Bye),
            (State::Open, Kind::Open | Kind::Data | Kind::Credit | Kind::Reset) => {
                self.events.push_back(Event::Frame(frame));
            }
            (_, kind) => self.end(Closed::OutOfOrder(kind)),
        }
    }

    fn handle_hello(&mut self, frame: &Frame) {
        let (version, event) = match self.role {
            Role::Parent => match <ChildHello as Record>::decode(&frame.body) {
                Ok(hello) => (hello.version, Event::Ready(hello)),
                Err(_) => return self.end(Closed::BadHello),
            },
            Role::Child => match <ParentHello as Record>::decode(&frame.body) {
                Ok(hello) => {
                    self.me = ContextId(hello.context);
                    self.peer = frame.from;
                    self.keepalive = Duration::from_millis(hello.keepalive_ms.into());
                    (hello.version, Event::Greeted(hello))
                }
                Err(_) => return self.end(Closed::BadHello),
            },
        };
        if version != super::VERSION {
            return self.end(Closed::Version { theirs: version });
        }
        self.state = State::Open;
        self.due = self.heard.checked_add(self.keepalive);
        self.events.push_back(event);
    }

    fn control(&mut self, kind: Kind, body: Vec<u8>) {
        let unheard = self.outbox.push(Frame::control(kind, self.me, self.peer, StreamId::LINK, body));
        debug_assert!(unheard.is_none(), "nothing resets the link itself");
    }

    fn end(&mut self, reason: Closed) {
        self.state = State::Closed;
        self.events.push_back(Event::Closed(reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::frame::Priority;
    use crate::proto::message::greeting;

    const KEEPALIVE: Duration = Duration::from_secs(15);

    /// Two sessions, a wire between them, and a clock that jumps.
    struct Pair {
        parent: Session,
        child: Session,
        now: Instant,
        chunk: usize,
        cut: bool,
    }

    impl Pair {
        fn new(chunk: usize) -> Self {
            let now = crate::sys::clock::now();
            let hello = greeting(ContextId(1), &[ContextId(0)], [7; 16], 15_000, 0, "title".into());
            Self {
                parent: Session::parent(ContextId(0), &hello, now),
                child: Session::child(now),
                now,
                chunk,
                cut: false,
            }
        }

        fn open(chunk: usize) -> Self {
            let mut pair = Self::new(chunk);
            pair.drive();
            assert!(matches!(pair.child.poll_event(), Some(Event::Greeted(hello)) if hello.context == 1));
            pair.child.answer(&ChildHello { version: crate::proto::VERSION, pid: 42, python: 0 });
            pair.drive();
            assert!(matches!(pair.parent.poll_event(), Some(Event::Ready(hello)) if hello.pid == 42));
            pair
        }

        /// Delivers until both ends are idle.
        fn drive(&mut self) {
            while self.parent.has_output() || self.child.has_output() {
                let (mut down, mut up) = (Vec::new(), Vec::new());
                for (end, wire) in [(&mut self.parent, &mut down), (&mut self.child, &mut up)] {
                    std::iter::from_fn(|| end.poll_transmit()).for_each(|frame| frame.encode(wire));
                }
                if !self.cut {
                    down.chunks(self.chunk).for_each(|bytes| self.child.handle_input(bytes, self.now));
                    up.chunks(self.chunk).for_each(|bytes| self.parent.handle_input(bytes, self.now));
                }
            }
        }

        /// Jumps to the next deadline of either end.
        fn pass_time(&mut self) {
            self.now = [self.parent.poll_timeout(), self.child.poll_timeout()]
                .into_iter()
                .flatten()
                .min()
                .expect("a deadline");
            self.parent.handle_timeout(self.now);
            self.child.handle_timeout(self.now);
            self.drive();
        }
    }

    fn data(stream: u32, body: &[u8]) -> Frame {
        Frame {
            priority: Priority::Interactive,
            ..Frame::control(Kind::Data, ContextId(0), ContextId(1), StreamId(stream), body.to_vec())
        }
    }

    #[test]
    fn frames_sent_with_the_hello_arrive_behind_it_in_any_chunking() {
        for chunk in [1, 2, 21, 22, 23, 1000] {
            let mut pair = Pair::new(chunk);
            assert!(pair.parent.send(data(2, b"early")).is_none());
            pair.drive();
            assert!(matches!(pair.child.poll_event(), Some(Event::Greeted(_))));
            assert_eq!(pair.child.poll_event(), Some(Event::Frame(data(2, b"early"))));
        }
    }

    #[test]
    fn an_idle_link_stays_open() {
        let mut pair = Pair::open(1000);
        for _ in 0..100 {
            pair.pass_time();
        }
        assert_eq!(pair.parent.poll_event(), None);
        let heard: Vec<_> = std::iter::from_fn(|| pair.child.poll_event()).collect();
        assert!(heard.len() >= 99 && heard.iter().all(|event| *event == Event::Pinged), "{heard:?}");
    }

    #[test]
    fn a_large_frame_leaves_no_room_behind_but_while_it_comes() {
        let mut pair = Pair::open(1000);
        let large = data(2, &[7; 60_000]);
        assert!(pair.parent.send(large.clone()).is_none());
        pair.drive();
        assert_eq!(pair.child.poll_event(), Some(Event::Frame(large.clone())));
        assert!(pair.child.decoder.room() >= 60_000);
        pair.pass_time();
        assert_eq!((pair.child.poll_event(), pair.child.decoder.room()), (Some(Event::Pinged), 0));
        // One of which a part has come stays.
        let mut bytes = Vec::new();
        large.encode(&mut bytes);
        pair.child.handle_input(&bytes[..50_000], pair.now);
        pair.now = pair.child.poll_timeout().expect("a deadline");
        pair.child.handle_timeout(pair.now);
        pair.child.handle_input(&bytes[50_000..], pair.now);
        assert_eq!(pair.child.poll_event(), Some(Event::Frame(large)));
    }

    #[test]
    fn a_link_that_falls_silent_is_lost_after_three_missed_keepalives() {
        let mut pair = Pair::open(1000);
        pair.cut = true;
        let started = pair.now;
        let lost = loop {
            pair.pass_time();
            if let Some(event) = pair.parent.poll_event() {
                break event;
            }
        };
        assert_eq!(lost, Event::Closed(Closed::Silent { quiet: KEEPALIVE * 4 }));
        assert_eq!(pair.now - started, KEEPALIVE * 4);
        assert!(matches!(pair.child.poll_event(), Some(Event::Closed(Closed::Silent { .. }))));
    }

    #[test]
    fn goodbye_comes_after_all_that_was_queued() {
        let mut pair = Pair::open(1000);
        pair.parent.close();
        assert!(pair.parent.send(data(2, b"last")).is_none());
        pair.drive();
        assert_eq!(pair.child.poll_event(), Some(Event::Frame(data(2, b"last"))));
        assert_eq!(pair.child.poll_event(), Some(Event::Closed(Closed::Bye)));
    }

    #[test]
    fn late_noise_between_frames_is_told_and_does_no_harm() {
        let mut pair = Pair::open(1000);
        pair.parent.handle_input(b"You have mail.\n", pair.now);
        assert_eq!(pair.parent.poll_event(), Some(Event::Noise(b"You have mail.\n".to_vec())));
        let up = Frame { to: ContextId(0), from: ContextId(1), ..data(2, b"x") };
        assert!(pair.child.send(up).is_none());
        pair.drive();
        assert!(matches!(pair.parent.poll_event(), Some(Event::Frame(_))));
    }

    #[test]
    fn another_version_and_frames_before_the_hello_are_refused() {
        let mut pair = Pair::new(1000);
        pair.drive();
        pair.child.poll_event();
        pair.child.answer(&ChildHello { version: 99, pid: 1, python: 0 });
        pair.drive();
        assert_eq!(pair.parent.poll_event(), Some(Event::Closed(Closed::Version { theirs: 99 })));

        let mut pair = Pair::new(1000);
        let mut bytes = Vec::new();
        data(2, b"x").encode(&mut bytes);
        pair.parent.handle_input(&bytes, pair.now);
        assert_eq!(pair.parent.poll_event(), Some(Event::Closed(Closed::OutOfOrder(Kind::Data))));
    }
}
