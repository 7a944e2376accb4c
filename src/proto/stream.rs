//! Streams of one context with others above or below it: messages of any length, in frames of at
//! most 64 KiB, as far as the reader has given credit.

use super::frame::{Frame, Kind, MAX_BODY_BYTES, Priority};
use super::ids::{ContextId, StreamId};
use super::message::{Credit, Record, ResetReason};
use std::collections::{HashMap, VecDeque};

/// Credit of a new stream in each direction, in bytes.
pub const WINDOW_BYTES: u32 = 64 * 1024;
/// What the window of a bulk stream that keeps draining grows to.
pub const MAX_WINDOW_BYTES: u32 = 64 * WINDOW_BYTES;
/// What all grown windows of a context may take beyond [`WINDOW_BYTES`] each.
const MAX_GROWTH_BYTES: u32 = 4 * MAX_WINDOW_BYTES;
/// Largest message: a value, or a chunk of output.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// Streams that another context may have open here.
const MAX_STREAMS_OF_PEER: usize = 4096;

/// A stream as this context names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    pub peer: ContextId,
    pub id: StreamId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// A message; the first of a stream that the peer opened has `opens`, its last has `end`.
    Message { key: StreamKey, message: Vec<u8>, opens: bool, end: bool },
    /// The peer ended the stream early, or broke its rules.
    Reset { key: StreamKey, reason: ResetReason },
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
    /// How much of [`MAX_GROWTH_BYTES`] is in use.
    growth_bytes: u32,
    frames: VecDeque<Frame>,
    events: VecDeque<StreamEvent>,
}

#[derive(Debug)]
struct Stream {
    send: SendHalf,
    receive: ReceiveHalf,
    priority: Priority,
}

#[derive(Debug)]
struct SendHalf {
    opening: bool,
    credit_bytes: u32,
    unsent: VecDeque<Outgoing>,
    ended: bool,
}

#[derive(Debug)]
struct Outgoing {
    message: Vec<u8>,
    /// `0 <= sent <= message.len()`
    sent: usize,
    end: bool,
}

#[derive(Debug)]
struct ReceiveHalf {
    /// What the peer may still send.
    granted_bytes: u32,
    window_bytes: u32,
    /// Used up here but not yet granted again.
    used_bytes: u32,
    partial: Vec<u8>,
    fresh: bool,
    ended: bool,
    held: bool,
}

impl Stream {
    fn new(priority: Priority, opening: bool) -> Self {
        Self {
            send: SendHalf { opening, credit_bytes: WINDOW_BYTES, unsent: VecDeque::new(), ended: false },
            receive: ReceiveHalf {
                granted_bytes: WINDOW_BYTES,
                window_bytes: WINDOW_BYTES,
                used_bytes: 0,
                partial: Vec::new(),
                fresh: !opening,
                ended: false,
                held: false,
            },
            priority,
        }
    }
}

impl Streams {
    pub fn new(me: ContextId) -> Self {
        Self { me, table: HashMap::new(), opened: 0, growth_bytes: 0, frames: VecDeque::new(), events: VecDeque::new() }
    }

    /// Opens a stream to a descendant with its first message. With `end`, nothing follows.
    pub fn open(&mut self, peer: ContextId, priority: Priority, message: Vec<u8>, end: bool) -> StreamKey {
        self.opened += 2;
        let key = StreamKey { peer, id: StreamId(self.opened) };
        self.table.insert(key, Stream::new(priority, true));
        self.send(key, message, end);
        key
    }

    /// Queues a message. A stream that has gone takes it silently: its event has told.
    pub fn send(&mut self, key: StreamKey, message: Vec<u8>, end: bool) {
        if let Some(stream) = self.table.get_mut(&key) {
            stream.send.unsent.push_back(Outgoing { message, sent: 0, end });
            self.advance(key);
        }
    }

    /// How many bytes wait here for the peer's credit.
    pub fn unsent_bytes(&self, key: StreamKey) -> usize {
        let unsent = self.table.get(&key).map(|stream| &stream.send.unsent);
        unsent.into_iter().flatten().map(|outgoing| outgoing.message.len() - outgoing.sent).sum()
    }

    /// From now on credit is given by [`Self::grant`] only, when what came has really been used.
    pub fn hold(&mut self, key: StreamKey) {
        if let Some(stream) = self.table.get_mut(&key) {
            stream.receive.held = true;
        }
    }

    /// Says that `bytes` of the stream's messages have been used up.
    pub fn grant(&mut self, key: StreamKey, bytes: usize) {
        let Some(stream) = self.table.get_mut(&key) else { return };
        let half = &mut stream.receive;
        half.used_bytes = half.used_bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX)).min(half.window_bytes);
        if half.ended || half.used_bytes < half.window_bytes / 2 {
            return;
        }
        let mut credit = half.used_bytes;
        if stream.priority == Priority::Bulk && half.window_bytes < MAX_WINDOW_BYTES {
            let growth = half.window_bytes.min(MAX_GROWTH_BYTES - self.growth_bytes);
            half.window_bytes += growth;
            self.growth_bytes += growth;
            credit += growth;
        }
        half.used_bytes = 0;
        half.granted_bytes += credit;
        self.control(Kind::Credit, key, Record::encode(&Credit { bytes: credit }));
    }

    /// Ends a stream at once, in both directions.
    pub fn reset(&mut self, key: StreamKey, reason: ResetReason) {
        if self.forget(key) {
            self.control(Kind::Reset, key, reason.encode());
        }
    }

    /// Drops all streams with a context that has gone, without a word to it.
    pub fn forget_peer(&mut self, peer: ContextId) {
        let gone: Vec<_> = self.table.keys().filter(|key| key.peer == peer).copied().collect();
        for key in gone {
            self.forget(key);
        }
        self.frames.retain(|frame| frame.to != peer);
    }

    /// Takes a frame that is addressed to this context and not about the link.
    pub fn handle_frame(&mut self, frame: Frame) {
        let key = StreamKey { peer: frame.from, id: frame.stream };
        match frame.kind {
            Kind::Open => self.accept(key, frame),
            Kind::Data => self.receive(key, frame),
            Kind::Credit => self.credit(key, &frame.body),
            Kind::Reset => {
                if self.forget(key) {
                    let reason = ResetReason::decode(&frame.body).unwrap_or(ResetReason::Cancelled);
                    self.events.push_back(StreamEvent::Reset { key, reason });
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
        if id.0 % 2 == 0 { Side::Ancestor } else { Side::Descendant }
    }

    fn accept(&mut self, key: StreamKey, frame: Frame) {
        let opener = if key.peer > self.me { Side::Descendant } else { Side::Ancestor };
        if self.table.contains_key(&key) || Self::side(key.id) != opener {
            return self.break_off(key, ResetReason::UnknownMessage);
        }
        if self.table.keys().filter(|other| other.peer == key.peer && Self::side(other.id) == opener).count() >= MAX_STREAMS_OF_PEER {
            return self.control(Kind::Reset, key, ResetReason::TooManyStreams.encode());
        }
        self.table.insert(key, Stream::new(frame.priority, false));
        self.receive(key, frame);
    }

    fn receive(&mut self, key: StreamKey, frame: Frame) {
        let Some(stream) = self.table.get_mut(&key) else { return };
        let half = &mut stream.receive;
        let length = frame.body.len();
        let credit = u32::try_from(length).ok().and_then(|length| half.granted_bytes.checked_sub(length));
        let (Some(granted), false, true) = (credit, half.ended, half.partial.len() + length <= MAX_MESSAGE_BYTES) else {
            return self.break_off(key, ResetReason::TooMuch);
        };
        half.granted_bytes = granted;
        let held = half.held;
        if frame.more {
            half.partial.extend(frame.body);
        } else {
            let message = if half.partial.is_empty() {
                frame.body
            } else {
                let mut message = std::mem::take(&mut half.partial);
                message.extend(frame.body);
                message
            };
            let opens = std::mem::replace(&mut half.fresh, false);
            half.ended = frame.end;
            self.events.push_back(StreamEvent::Message { key, message, opens, end: frame.end });
        }
        if !held {
            self.grant(key, length);
        }
        self.close_if_done(key);
    }

    fn credit(&mut self, key: StreamKey, body: &[u8]) {
        let Some(stream) = self.table.get_mut(&key) else { return };
        let credit = <Credit as Record>::decode(body).ok();
        match credit.and_then(|credit| stream.send.credit_bytes.checked_add(credit.bytes)) {
            Some(bytes) => {
                stream.send.credit_bytes = bytes;
                self.advance(key);
            }
            None => self.break_off(key, ResetReason::TooMuch),
        }
    }

    /// Cuts what waits into frames as far as credit goes.
    fn advance(&mut self, key: StreamKey) {
        let Some(stream) = self.table.get_mut(&key) else { return };
        let half = &mut stream.send;
        while let Some(outgoing) = half.unsent.front_mut() {
            let rest = outgoing.message.len() - outgoing.sent;
            let length = rest.min(MAX_BODY_BYTES).min(half.credit_bytes as usize);
            if length == 0 && rest > 0 {
                break;
            }
            half.credit_bytes -= length as u32;
            let body = outgoing.message[outgoing.sent..outgoing.sent + length].to_vec();
            outgoing.sent += length;
            let whole = outgoing.sent == outgoing.message.len();
            let kind = if std::mem::replace(&mut half.opening, false) { Kind::Open } else { Kind::Data };
            half.ended |= whole && outgoing.end;
            self.frames.push_back(Frame {
                kind,
                priority: stream.priority,
                more: !whole,
                end: whole && outgoing.end,
                to: key.peer,
                from: self.me,
                stream: key.id,
                body,
            });
            if whole {
                half.unsent.pop_front();
            }
        }
        self.close_if_done(key);
    }

    fn close_if_done(&mut self, key: StreamKey) {
        if self.table.get(&key).is_some_and(|stream| stream.send.ended && stream.receive.ended) {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: StreamKey) -> bool {
        let gone = self.table.remove(&key);
        if let Some(stream) = &gone {
            self.growth_bytes -= stream.receive.window_bytes - WINDOW_BYTES;
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
    use proptest::prelude::*;

    const PARENT: ContextId = ContextId(0);
    const CHILD: ContextId = ContextId(1);

    /// Two contexts whose frames are exchanged at once.
    struct Pair {
        parent: Streams,
        child: Streams,
    }

    impl Pair {
        fn new() -> Self {
            Self { parent: Streams::new(PARENT), child: Streams::new(CHILD) }
        }

        fn drive(&mut self) {
            loop {
                let down = self.parent.poll_frame();
                let up = self.child.poll_frame();
                if down.is_none() && up.is_none() {
                    return;
                }
                down.into_iter().for_each(|frame| self.child.handle_frame(frame));
                up.into_iter().for_each(|frame| self.parent.handle_frame(frame));
            }
        }
    }

    fn messages(streams: &mut Streams) -> Vec<(StreamKey, Vec<u8>, bool)> {
        std::iter::from_fn(|| streams.poll_event())
            .map(|event| match event {
                StreamEvent::Message { key, message, end, .. } => (key, message, end),
                StreamEvent::Reset { key, reason } => panic!("{key:?} was reset: {reason:?}"),
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
        pair.parent.send(slow, vec![0; 1_000_000], true);
        let quick = pair.parent.open(CHILD, Priority::Interactive, vec![1; 500_000], true);
        pair.drive();
        assert!(pair.parent.unsent_bytes(slow) >= 1_000_000 - WINDOW_BYTES as usize);
        let got = messages(&mut pair.child);
        assert!(got.iter().any(|(key, message, _)| key.id == quick.id && message.len() == 500_000));
        for _ in 0..100 {
            pair.child.grant(StreamKey { peer: PARENT, id: slow.id }, WINDOW_BYTES as usize);
            pair.drive();
        }
        assert_eq!(messages(&mut pair.child).len(), 1);
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
        assert_eq!(pair.child.table[&back].receive.window_bytes, MAX_WINDOW_BYTES);
        assert_eq!(pair.child.growth_bytes, MAX_WINDOW_BYTES - WINDOW_BYTES);
        pair.parent.reset(key, ResetReason::Cancelled);
        pair.drive();
        assert_eq!(pair.child.growth_bytes, 0);
    }

    #[test]
    fn more_than_the_credit_is_refused() {
        let mut streams = Streams::new(PARENT);
        let mut frame = Frame::control(Kind::Open, CHILD, PARENT, StreamId(1), vec![0; MAX_BODY_BYTES]);
        frame.more = true;
        streams.handle_frame(frame.clone());
        streams.hold(StreamKey { peer: CHILD, id: StreamId(1) });
        frame.kind = Kind::Data;
        streams.handle_frame(frame.clone());
        streams.handle_frame(frame);
        let reset = StreamEvent::Reset { key: StreamKey { peer: CHILD, id: StreamId(1) }, reason: ResetReason::TooMuch };
        assert_eq!(streams.poll_event(), Some(reset));
        assert!(streams.table.is_empty());
    }

    #[test]
    fn credit_that_overflows_ends_the_stream_and_not_the_program() {
        let mut streams = Streams::new(PARENT);
        let key = streams.open(CHILD, Priority::Interactive, Vec::new(), false);
        let credit = Record::encode(&Credit { bytes: u32::MAX });
        streams.handle_frame(Frame::control(Kind::Credit, CHILD, PARENT, key.id, credit));
        assert_eq!(streams.poll_event(), Some(StreamEvent::Reset { key, reason: ResetReason::TooMuch }));
    }

    #[test]
    fn a_child_cannot_open_a_stream_that_looks_like_its_parents() {
        let mut streams = Streams::new(PARENT);
        streams.handle_frame(Frame::control(Kind::Open, CHILD, PARENT, StreamId(2), Vec::new()));
        assert_eq!(streams.poll_event(), None);
        assert_eq!(streams.poll_frame().map(|frame| frame.kind), Some(Kind::Reset));
    }

    #[test]
    fn open_streams_of_a_peer_are_capped() {
        let mut streams = Streams::new(PARENT);
        for n in 0..=MAX_STREAMS_OF_PEER as u32 {
            streams.handle_frame(Frame::control(Kind::Open, CHILD, PARENT, StreamId(2 * n + 1), Vec::new()));
        }
        assert_eq!(streams.table.len(), MAX_STREAMS_OF_PEER);
        assert!(std::iter::from_fn(|| streams.poll_frame()).any(|frame| frame.kind == Kind::Reset));
    }
}
