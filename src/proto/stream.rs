//! Streams of one context with others above or below it: messages of any length, in frames of at
//! most 64 KiB, as far as the reader has given credit.

mod half;
mod window;

use super::frame::{Frame, Kind, Priority};
use super::ids::{ContextId, StreamId};
use super::message::{Credit, MessageError, Record, ResetReason, number};
use half::{Piece, ReceiveHalf, Received, SendHalf};
use std::collections::{HashMap, VecDeque};
use std::time::Instant;
use window::Pool;

/// Credit of a new stream in each direction, in bytes.
pub const WINDOW_BYTES: u32 = 64 * 1024;
/// What the window of a bulk stream that keeps draining grows to.
pub const MAX_WINDOW_BYTES: u32 = 64 * WINDOW_BYTES;
/// What all grown windows of a peer may take beyond [`WINDOW_BYTES`] each.
const MAX_GROWTH_BYTES: u32 = 4 * MAX_WINDOW_BYTES;
/// Largest message: a value, or a chunk of output. All unfinished ones of a peer have this together.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// Streams that another context may have open here.
const MAX_STREAMS_OF_PEER: usize = 4096;

/// Streams that are joined by splices have numbers from here on, which no other has.
pub const FIRST_JOINED: StreamId = StreamId(1 << 31);

/// A stream as this context names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    pub peer: ContextId,
    pub id: StreamId,
}

impl StreamKey {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.extend(self.peer.0.to_be_bytes());
        out.extend(self.id.0.to_be_bytes());
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (peer, id) = bytes.split_at_checked(4).ok_or(MessageError::BadRecord)?;
        Ok(Self { peer: ContextId(number(peer)?), id: StreamId(number(id)?) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// A message; the first of a stream that the peer opened has `opens`, its last has `end`.
    /// On a held stream, `owed_bytes` are to be granted when the message has been used.
    Message { key: StreamKey, message: Vec<u8>, opens: bool, end: bool, owed_bytes: usize },
    /// The peer ended the stream early, or broke its rules.
    Reset { key: StreamKey, reason: ResetReason },
    /// The peer, too, is done with a stream that is not open here any more.
    Settled { key: StreamKey },
}

/// Which side opens a stream decides the parity of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ancestor,
    Descendant,
}

/// All streams of one context.
#[derive(Debug)]
pub struct Streams {
    me: ContextId,
    table: HashMap<StreamKey, Stream>,
    opened: u32,
    peers: HashMap<ContextId, Budget>,
    frames: VecDeque<Frame>,
    events: VecDeque<StreamEvent>,
}

#[derive(Debug)]
struct Stream {
    send: SendHalf,
    receive: ReceiveHalf,
    priority: Priority,
}

/// What is left of what one peer's streams may take together.
#[derive(Debug)]
struct Budget {
    windows: Pool,
    partial_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { windows: Pool::new(MAX_GROWTH_BYTES), partial_bytes: MAX_MESSAGE_BYTES }
    }
}

impl Stream {
    fn new(priority: Priority, opening: bool) -> Self {
        Self { send: SendHalf::new(opening), receive: ReceiveHalf::new(!opening), priority }
    }
}

impl Streams {
    pub fn new(me: ContextId) -> Self {
        Self {
            me,
            table: HashMap::new(),
            opened: 0,
            peers: HashMap::new(),
            frames: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Opens a stream to a descendant with its first message. With `end`, nothing follows.
    pub fn open(&mut self, peer: ContextId, priority: Priority, message: Vec<u8>, end: bool) -> StreamKey {
        self.opened += 2;
        let key = StreamKey { peer, id: StreamId(self.opened) };
        self.table.insert(key, Stream::new(priority, true));
        self.send(key, message, end);
        key
    }

    /// Begins to send on a stream that a splice leads on: nobody opens it, and nothing comes back.
    pub fn join_sending(&mut self, key: StreamKey, priority: Priority) {
        let send = SendHalf::new(false);
        self.table.insert(key, Stream { send, receive: ReceiveHalf::closed(), priority });
    }

    /// Begins to take what a splice brings on a stream.
    pub fn join_receiving(&mut self, key: StreamKey) {
        let receive = ReceiveHalf::new(false);
        self.table.insert(key, Stream { send: SendHalf::closed(), receive, priority: Priority::Bulk });
    }

    /// Queues a message. A stream that has gone takes it silently: its event has told.
    pub fn send(&mut self, key: StreamKey, message: Vec<u8>, end: bool) {
        if let Some(stream) = self.table.get_mut(&key) {
            stream.send.push(message, end);
            self.advance(key);
        }
    }

    /// How many bytes wait here for the peer's credit.
    pub fn unsent_bytes(&self, key: StreamKey) -> usize {
        self.table.get(&key).map_or(0, |stream| stream.send.unsent_bytes())
    }

    /// From now on the credit of whole messages is given by [`Self::grant`] only, when they have
    /// really been used.
    pub fn hold(&mut self, key: StreamKey) {
        if let Some(stream) = self.table.get_mut(&key) {
            stream.receive.hold();
        }
    }

    /// Says that `bytes` of the stream's messages have been used up. The window of a bulk stream becomes
    /// what its link needs.
    pub fn grant(&mut self, key: StreamKey, bytes: usize, now: Instant) {
        let bulk = self.table.get(&key).is_some_and(|stream| stream.priority == Priority::Bulk);
        self.give_credit(key, bytes, bulk, now);
    }

    fn give_credit(&mut self, key: StreamKey, bytes: usize, adapts: bool, now: Instant) {
        let Some(stream) = self.table.get_mut(&key) else { return };
        let pool = &mut self.peers.entry(key.peer).or_default().windows;
        if let Some(bytes) = stream.receive.credit_for(bytes, adapts, pool, now) {
            self.control(Kind::Credit, key, Record::encode(&Credit { bytes }));
        }
    }

    /// Ends a stream at once, in both directions.
    pub fn reset(&mut self, key: StreamKey, reason: ResetReason) {
        if self.forget(key) {
            self.control(Kind::Reset, key, reason.encode());
        }
    }

    /// Says that the work of a stream, which its opener has reset, has ended.
    pub fn confirm(&mut self, key: StreamKey) {
        self.control(Kind::Reset, key, ResetReason::Cancelled.encode());
    }

    /// Answers a frame whose sender may not address us.
    pub fn refuse(&mut self, frame: &Frame) {
        let key = StreamKey { peer: frame.from, id: frame.stream };
        self.control(Kind::Reset, key, ResetReason::UnknownMessage.encode());
    }

    /// Drops all streams with a context that has gone, without a word to it.
    pub fn forget_peer(&mut self, peer: ContextId) {
        let gone: Vec<_> = self.table.keys().filter(|key| key.peer == peer).copied().collect();
        for key in gone {
            self.forget(key);
        }
        self.peers.remove(&peer);
        self.frames.retain(|frame| frame.to != peer);
    }

    /// Takes a frame that is addressed to this context and not about the link.
    pub fn handle_frame(&mut self, frame: Frame, now: Instant) {
        let key = StreamKey { peer: frame.from, id: frame.stream };
        match frame.kind {
            Kind::Open => self.accept(key, frame, now),
            Kind::Data => self.receive(key, frame, now),
            Kind::Credit => self.credit(key, &frame.body),
            Kind::Reset => {
                if self.forget(key) {
                    let reason = ResetReason::decode(&frame.body).unwrap_or(ResetReason::Cancelled);
                    self.events.push_back(StreamEvent::Reset { key, reason });
                } else {
                    self.events.push_back(StreamEvent::Settled { key });
                }
            }
            Kind::Hello | Kind::Ping | Kind::Pong | Kind::Bye => {}
        }
    }

    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<StreamEvent> {
        self.events.pop_front()
    }

    fn side(id: StreamId) -> Side {
        if id.0.is_multiple_of(2) { Side::Ancestor } else { Side::Descendant }
    }

    fn accept(&mut self, key: StreamKey, frame: Frame, now: Instant) {
        let opener = if key.peer > self.me { Side::Descendant } else { Side::Ancestor };
        if self.table.contains_key(&key) || Self::side(key.id) != opener {
            return self.break_off(key, ResetReason::UnknownMessage);
        }
        if self.table.keys().filter(|other| other.peer == key.peer && Self::side(other.id) == opener).count()
            >= MAX_STREAMS_OF_PEER
        {
            return self.control(Kind::Reset, key, ResetReason::TooManyStreams.encode());
        }
        self.table.insert(key, Stream::new(frame.priority, false));
        self.receive(key, frame, now);
    }

    fn receive(&mut self, key: StreamKey, frame: Frame, now: Instant) {
        let Some(stream) = self.table.get_mut(&key) else {
            self.events.extend(frame.end.then_some(StreamEvent::Settled { key }));
            return;
        };
        // A message of many frames is bulk, whatever its stream is for.
        let (end, adapts) = (frame.end, frame.more || stream.priority == Priority::Bulk);
        let room = &mut self.peers.entry(key.peer).or_default().partial_bytes;
        let Some(Received { message, used_bytes, owed_bytes }) = stream.receive.take(frame, room) else {
            return self.break_off(key, ResetReason::TooMuch);
        };
        if let Some((message, opens)) = message {
            self.events.push_back(StreamEvent::Message { key, message, opens, end, owed_bytes });
        }
        self.give_credit(key, used_bytes, adapts, now);
        self.close_if_done(key);
    }

    fn credit(&mut self, key: StreamKey, body: &[u8]) {
        let Some(stream) = self.table.get_mut(&key) else { return };
        let credit = <Credit as Record>::decode(body).ok();
        match credit.and_then(|credit| stream.send.add_credit(credit.bytes)) {
            Some(()) => self.advance(key),
            None => self.break_off(key, ResetReason::TooMuch),
        }
    }

    /// Cuts what waits into frames as far as credit goes.
    fn advance(&mut self, key: StreamKey) {
        let Some(stream) = self.table.get_mut(&key) else { return };
        while let Some(Piece { kind, more, end, body }) = stream.send.next_piece() {
            let (priority, to, from) = (stream.priority, key.peer, self.me);
            self.frames.push_back(Frame { kind, priority, more, end, to, from, stream: key.id, body });
        }
        self.close_if_done(key);
    }

    fn close_if_done(&mut self, key: StreamKey) {
        if self.table.get(&key).is_some_and(|stream| stream.send.has_ended() && stream.receive.has_ended()) {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: StreamKey) -> bool {
        let gone = self.table.remove(&key);
        if let Some(stream) = &gone {
            let budget = self.peers.entry(key.peer).or_default();
            budget.windows.growth_bytes += stream.receive.growth_bytes();
            budget.partial_bytes += stream.receive.partial_bytes();
        }
        gone.is_some()
    }

    /// The peer broke a rule of this stream.
    fn break_off(&mut self, key: StreamKey, reason: ResetReason) {
        let known = self.forget(key);
        self.control(Kind::Reset, key, reason.encode());
        if known {
            self.events.push_back(StreamEvent::Reset { key, reason });
        }
    }

    fn control(&mut self, kind: Kind, key: StreamKey, body: Vec<u8>) {
        self.frames.push_back(Frame::control(kind, self.me, key.peer, key.id, body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::frame::MAX_BODY_BYTES;
    use crate::sys::clock::now;
    use proptest::prelude::*;

    const PARENT: ContextId = ContextId(0);
    const CHILD: ContextId = ContextId(1);

    /// Two contexts whose frames are exchanged at once.
    struct Pair {
        parent: Streams,
        child: Streams,
        now: Instant,
    }

    impl Pair {
        fn new() -> Self {
            Self { parent: Streams::new(PARENT), child: Streams::new(CHILD), now: now() }
        }

        fn drive(&mut self) {
            loop {
                let down = self.parent.poll_frame();
                let up = self.child.poll_frame();
                if down.is_none() && up.is_none() {
                    return;
                }
                down.into_iter().for_each(|frame| self.child.handle_frame(frame, self.now));
                up.into_iter().for_each(|frame| self.parent.handle_frame(frame, self.now));
            }
        }
    }

    fn messages(streams: &mut Streams) -> Vec<(StreamKey, Vec<u8>, bool)> {
        std::iter::from_fn(|| streams.poll_event())
            .map(|event| match event {
                StreamEvent::Message { key, message, end, .. } => (key, message, end),
                StreamEvent::Reset { key, reason } => panic!("{key:?} was reset: {reason:?}"),
                StreamEvent::Settled { key } => panic!("{key:?} has gone"),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn messages_of_any_length_arrive_whole_and_in_order(lengths in prop::collection::vec(0usize..200_000, 1..6)) {
            let mut pair = Pair::new();
            let sent: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(n, length)| vec![n as u8; *length]).collect();
            let key = pair.parent.open(CHILD, Priority::Interactive, b"first".to_vec(), false);
            for (n, message) in sent.iter().enumerate() {
                pair.parent.send(key, message.clone(), n + 1 == sent.len());
            }
            pair.drive();
            let got = messages(&mut pair.child);
            prop_assert_eq!(got.iter().skip(1).map(|(_, message, _)| message).collect::<Vec<_>>(), sent.iter().collect::<Vec<_>>());
            prop_assert!(got.last().is_some_and(|(_, _, end)| *end));
        }
    }

    #[test]
    fn a_reader_that_stalls_stops_its_writer_and_nobody_else() {
        let mut pair = Pair::new();
        let slow = pair.parent.open(CHILD, Priority::Interactive, b"slow".to_vec(), false);
        pair.drive();
        pair.child.hold(StreamKey { peer: PARENT, id: slow.id });
        for _ in 0..100 {
            pair.parent.send(slow, vec![0; 10_000], false);
        }
        let quick = pair.parent.open(CHILD, Priority::Interactive, vec![1; 500_000], true);
        pair.drive();
        assert!(pair.parent.unsent_bytes(slow) >= 1_000_000 - WINDOW_BYTES as usize);
        let got = messages(&mut pair.child);
        assert!(got.iter().any(|(key, message, _)| key.id == quick.id && message.len() == 500_000));
        let mut slow_messages = got.iter().filter(|(key, ..)| key.id == slow.id).count() - 1;
        while slow_messages < 100 {
            pair.child.grant(StreamKey { peer: PARENT, id: slow.id }, WINDOW_BYTES as usize / 2, pair.now);
            pair.drive();
            slow_messages += messages(&mut pair.child).len();
        }
        assert_eq!(pair.parent.unsent_bytes(slow), 0);
    }

    #[test]
    fn a_long_message_on_a_held_stream_is_put_together() {
        let mut pair = Pair::new();
        let key = pair.parent.open(CHILD, Priority::Interactive, b"open".to_vec(), false);
        pair.drive();
        messages(&mut pair.child);
        pair.child.hold(StreamKey { peer: PARENT, id: key.id });
        pair.parent.send(key, vec![1; 3_000_000], true);
        pair.drive();
        assert_eq!(messages(&mut pair.child).first().map(|(_, message, _)| message.len()), Some(3_000_000));
    }

    #[test]
    fn the_window_of_a_bulk_stream_grows_to_its_limit_and_is_given_back() {
        let mut pair = Pair::new();
        let key = pair.parent.open(CHILD, Priority::Bulk, Vec::new(), false);
        for _ in 0..400 {
            pair.parent.send(key, vec![0; 65_000], false);
            pair.drive();
            messages(&mut pair.child);
        }
        let back = StreamKey { peer: PARENT, id: key.id };
        assert_eq!(pair.child.table[&back].receive.growth_bytes(), MAX_WINDOW_BYTES - WINDOW_BYTES);
        assert_eq!(
            pair.child.peers[&PARENT].windows.growth_bytes,
            MAX_GROWTH_BYTES - (MAX_WINDOW_BYTES - WINDOW_BYTES)
        );
        pair.parent.reset(key, ResetReason::Cancelled);
        pair.drive();
        assert_eq!(pair.child.peers[&PARENT].windows.growth_bytes, MAX_GROWTH_BYTES);
    }

    #[test]
    fn more_than_the_credit_is_refused() {
        let mut streams = Streams::new(PARENT);
        let mut frame = Frame::control(Kind::Open, CHILD, PARENT, StreamId(1), vec![0; MAX_BODY_BYTES]);
        frame.more = true;
        streams.handle_frame(frame.clone(), now());
        frame.kind = Kind::Data;
        for _ in 0..3 {
            // As if the credit that was given had not arrived.
            if let Some(stream) = streams.table.values_mut().next() {
                stream.receive.granted_bytes = stream.receive.granted_bytes.min(WINDOW_BYTES / 2);
            }
            streams.handle_frame(frame.clone(), now());
        }
        let reset = StreamEvent::Reset {
            key: StreamKey { peer: CHILD, id: StreamId(1) },
            reason: ResetReason::TooMuch,
        };
        assert_eq!(streams.poll_event(), Some(reset));
        assert!(streams.table.is_empty());
    }

    #[test]
    fn unfinished_messages_of_a_peer_have_one_limit_together() {
        let mut streams = Streams::new(PARENT);
        let piece = |kind, stream| Frame {
            priority: Priority::Interactive,
            more: true,
            ..Frame::control(kind, CHILD, PARENT, StreamId(stream), vec![0; MAX_BODY_BYTES])
        };
        let rounds = MAX_MESSAGE_BYTES / MAX_BODY_BYTES / 8;
        (0..8).for_each(|n| streams.handle_frame(piece(Kind::Open, 2 * n + 1), now()));
        for _ in 0..rounds + 1 {
            (0..8).for_each(|n| streams.handle_frame(piece(Kind::Data, 2 * n + 1), now()));
        }
        let reset = std::iter::from_fn(|| streams.poll_event()).next();
        assert!(matches!(reset, Some(StreamEvent::Reset { reason: ResetReason::TooMuch, .. })), "{reset:?}");
    }

    #[test]
    fn credit_that_overflows_ends_the_stream_and_not_the_program() {
        let mut streams = Streams::new(PARENT);
        let key = streams.open(CHILD, Priority::Interactive, Vec::new(), false);
        let credit = Record::encode(&Credit { bytes: u32::MAX });
        streams.handle_frame(Frame::control(Kind::Credit, CHILD, PARENT, key.id, credit), now());
        assert_eq!(streams.poll_event(), Some(StreamEvent::Reset { key, reason: ResetReason::TooMuch }));
    }

    #[test]
    fn a_child_cannot_open_a_stream_that_looks_like_its_parents() {
        let mut streams = Streams::new(PARENT);
        streams.handle_frame(Frame::control(Kind::Open, CHILD, PARENT, StreamId(2), Vec::new()), now());
        assert_eq!(streams.poll_event(), None);
        assert_eq!(streams.poll_frame().map(|frame| frame.kind), Some(Kind::Reset));
    }

    #[test]
    fn open_streams_of_a_peer_are_capped() {
        let mut streams = Streams::new(PARENT);
        for n in 0..=MAX_STREAMS_OF_PEER as u32 {
            streams.handle_frame(
                Frame::control(Kind::Open, CHILD, PARENT, StreamId(2 * n + 1), Vec::new()),
                now(),
            );
        }
        assert_eq!(streams.table.len(), MAX_STREAMS_OF_PEER);
        assert!(std::iter::from_fn(|| streams.poll_frame()).any(|frame| frame.kind == Kind::Reset));
    }
}
