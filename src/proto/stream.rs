//! Streams of one context with others above or below it: messages of any length, in frames of at
//! most 64 KiB, as far as the reader has given credit.

mod half;
mod window;

#[cfg(test)]
mod tests;

use super::frame::{Frame, Kind, Priority};
use super::ids::{ContextId, StreamId};
use super::message::{Credit, MessageError, Record, ResetReason, number};
use half::{Piece, ReceiveHalf, Received, SendHalf};
use std::collections::{BTreeMap, HashMap, VecDeque};
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
    /// The first and the last that a peer can have, in their order.
    pub fn all_of(peer: ContextId) -> [Self; 2] {
        [0, u32::MAX].map(|id| Self { peer, id: StreamId(id) })
    }

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
    /// By peer, so that one that goes costs no look at the others.
    table: BTreeMap<StreamKey, Stream>,
    opened: u32,
    peers: HashMap<ContextId, Budget>,
    frames: VecDeque<Frame>,
    events: VecDeque<StreamEvent>,
}

/// What is between this context and a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Those that are open.
    pub streams: u32,
    /// What waits for the peer's credit.
    pub queued_bytes: u64,
    /// Of all messages so far.
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

#[derive(Debug)]
struct Stream {
    send: SendHalf,
    receive: ReceiveHalf,
    priority: Priority,
    /// Whether the peer has opened it.
    theirs: bool,
}

/// What is left of what one peer's streams may take together.
#[derive(Debug)]
struct Budget {
    windows: Pool,
    partial_bytes: usize,
    streams: usize,
    sent_bytes: u64,
    received_bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            windows: Pool::new(MAX_GROWTH_BYTES),
            partial_bytes: MAX_MESSAGE_BYTES,
            streams: MAX_STREAMS_OF_PEER,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }
}

impl Stream {
    fn new(priority: Priority, opening: bool) -> Self {
        let (send, receive) = (SendHalf::new(opening), ReceiveHalf::new(!opening));
        Self { send, receive, priority, theirs: !opening }
    }
}

impl Streams {
    pub fn new(me: ContextId) -> Self {
        Self {
            me,
            table: BTreeMap::new(),
            opened: 0,
            peers: HashMap::new(),
            frames: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Opens a stream to a descendant with its first message. With `end`, nothing follows.
    pub fn open(&mut self, peer: ContextId, priority: Priority, message: Vec<u8>, end: bool) -> StreamKey {
        let key = self.next_key(peer);
        self.table.insert(key, Stream::new(priority, true));
        self.send(key, message, end);
        key
    }

    /// Tells a descendant what has no answer: the stream is gone as soon as all of it has been sent.
    pub fn tell(&mut self, peer: ContextId, priority: Priority, message: Vec<u8>) -> StreamKey {
        let key = self.next_key(peer);
        let stream = Stream::new(priority, true);
        self.table.insert(key, Stream { receive: ReceiveHalf::closed(), ..stream });
        self.send(key, message, true);
        key
    }

    /// Ends a stream that takes no answer, without a word to the peer, which knows that.
    pub fn answer_nothing(&mut self, key: StreamKey) {
        if let Some(stream) = self.table.get_mut(&key) {
            stream.send = SendHalf::closed();
            self.close_if_done(key);
        }
    }

    fn next_key(&mut self, peer: ContextId) -> StreamKey {
        self.opened += 2;
        StreamKey { peer, id: StreamId(self.opened) }
    }

    /// Begins to send on a stream that a splice leads on: nobody opens it, and nothing comes back.
    pub fn join_sending(&mut self, key: StreamKey, priority: Priority) {
        let (send, receive) = (SendHalf::new(false), ReceiveHalf::closed());
        self.table.insert(key, Stream { send, receive, priority, theirs: false });
    }

    /// Begins to take what a splice brings on a stream.
    pub fn join_receiving(&mut self, key: StreamKey) {
        let (send, receive) = (SendHalf::closed(), ReceiveHalf::new(false));
        self.table.insert(key, Stream { send, receive, priority: Priority::Bulk, theirs: false });
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
        for key in self.keys_of(peer) {
            self.forget(key);
        }
        self.peers.remove(&peer);
        self.frames.retain(|frame| frame.to != peer);
    }

    /// What is between us and a peer now, and has been.
    pub fn traffic(&self, peer: ContextId) -> Traffic {
        let keys = self.keys_of(peer);
        let queued: usize = keys.iter().map(|key| self.unsent_bytes(*key)).sum();
        let (sent_bytes, received_bytes) =
            self.peers.get(&peer).map_or((0, 0), |budget| (budget.sent_bytes, budget.received_bytes));
        Traffic {
            streams: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            queued_bytes: queued as u64,
            sent_bytes,
            received_bytes,
        }
    }

    fn keys_of(&self, peer: ContextId) -> Vec<StreamKey> {
        let [first, last] = StreamKey::all_of(peer);
        self.table.range(first..=last).map(|(key, _)| *key).collect()
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
        let budget = self.peers.entry(key.peer).or_default();
        let Some(left) = budget.streams.checked_sub(1) else {
            return self.control(Kind::Reset, key, ResetReason::TooManyStreams.encode());
        };
        budget.streams = left;
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
        let budget = self.peers.entry(key.peer).or_default();
        budget.received_bytes += frame.body.len() as u64;
        let room = &mut budget.partial_bytes;
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
            self.peers.entry(key.peer).or_default().sent_bytes += body.len() as u64;
            self.frames.push_back(Frame {
                kind,
                priority,
                more,
                end,
                to,
                from,
                stream: key.id,
                body: body.into(),
            });
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
            budget.streams += usize::from(stream.theirs);
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
