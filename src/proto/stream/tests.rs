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
    let reset =
        StreamEvent::Reset { key: StreamKey { peer: CHILD, id: StreamId(1) }, reason: ResetReason::TooMuch };
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
        streams
            .handle_frame(Frame::control(Kind::Open, CHILD, PARENT, StreamId(2 * n + 1), Vec::new()), now());
    }
    assert_eq!(streams.table.len(), MAX_STREAMS_OF_PEER);
    assert!(std::iter::from_fn(|| streams.poll_frame()).any(|frame| frame.kind == Kind::Reset));
}

#[test]
fn what_has_no_answer_leaves_no_stream_at_either_end() {
    let mut pair = Pair::new();
    let long = vec![7; 3 * WINDOW_BYTES as usize];
    for n in 0..=MAX_STREAMS_OF_PEER {
        let message = if n == 0 { long.clone() } else { b"short".to_vec() };
        pair.parent.tell(CHILD, Priority::Interactive, message.clone());
        pair.drive();
        let got = messages(&mut pair.child);
        let [(key, text, true)] = &got[..] else { panic!("{n}: {} messages", got.len()) };
        assert_eq!(*text, message);
        pair.child.answer_nothing(*key);
    }
    assert!(pair.parent.table.is_empty() && pair.child.table.is_empty());
    assert_eq!(pair.child.peers[&PARENT].streams, MAX_STREAMS_OF_PEER);
}

#[test]
fn a_peer_that_goes_takes_its_own_streams_along() {
    let mut streams = Streams::new(PARENT);
    let [gone, stays] = [CHILD, ContextId(2)].map(|peer| {
        let own = streams.open(peer, Priority::Interactive, b"own".to_vec(), false);
        streams
            .handle_frame(Frame::control(Kind::Open, peer, PARENT, StreamId(1), b"theirs".to_vec()), now());
        own
    });
    streams.forget_peer(CHILD);
    let left: Vec<_> = streams.table.keys().copied().collect();
    assert_eq!(left, [StreamKey { id: StreamId(1), ..stays }, stays]);
    assert!(std::iter::from_fn(|| streams.poll_frame()).all(|frame| frame.to != gone.peer));
}
