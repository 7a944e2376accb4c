//! Splices: what one context sends here on a stream goes out to others on streams of theirs, frame by
//! frame (docs/PROTOCOL.md, "Splices"). Nothing waits here for credit: the source is given what the slowest
//! member has given.

use super::frame::{Frame, Kind, Priority};
use super::ids::ContextId;
use super::message::{Credit, Record, ResetReason};
use super::stream::{StreamKey, WINDOW_BYTES};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// What passes is made of messages no larger than this: whoever takes them keeps one until it is whole.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpliceEvent {
    /// A member takes nothing, and is sent nothing more. `owner` as for [`Splices::add`].
    Dropped { owner: StreamKey, member: StreamKey },
    /// All has passed, or one side has gone.
    Over { owner: StreamKey },
}

/// The splices of one context.
#[derive(Debug)]
pub struct Splices {
    me: ContextId,
    by_source: HashMap<StreamKey, Splice>,
    sources: HashMap<StreamKey, StreamKey>,
    frames: VecDeque<Frame>,
    events: VecDeque<SpliceEvent>,
}

#[derive(Debug)]
struct Splice {
    owner: StreamKey,
    members: Vec<Member>,
    /// How long one may hold up the others.
    patience: Duration,
    /// `passed_bytes <= granted_bytes <= allowed_bytes` of each member.
    passed_bytes: u64,
    granted_bytes: u64,
    /// Of the message that is on its way.
    message_bytes: usize,
    /// Since when the source has had no credit, while some member has given more than others.
    stalled: Option<Instant>,
}

#[derive(Debug)]
struct Member {
    key: StreamKey,
    allowed_bytes: u64,
}

impl Splice {
    fn slowest(&self) -> u64 {
        self.members.iter().map(|member| member.allowed_bytes).min().unwrap_or(self.granted_bytes)
    }

    fn is_held_up(&self) -> bool {
        let ahead = self.members.iter().any(|member| member.allowed_bytes > self.granted_bytes);
        ahead && self.passed_bytes == self.granted_bytes
    }

    /// Looks whether some hold up others.
    fn note(&mut self, now: Instant) {
        self.stalled = self.stalled.or(Some(now)).filter(|_| self.is_held_up());
    }

    /// When those that hold up others are left behind.
    fn due(&self) -> Option<Instant> {
        self.stalled.map(|since| since + self.patience)
    }
}

impl Splices {
    pub fn new(me: ContextId) -> Self {
        Self {
            me,
            by_source: HashMap::new(),
            sources: HashMap::new(),
            frames: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Joins a stream of a context's to one or more of others. `owner` is who is told of it; a member that
    /// holds up the others for longer than `patience` is left behind.
    pub fn add(&mut self, owner: StreamKey, source: StreamKey, members: &[StreamKey], patience: Duration) {
        self.sources.extend(members.iter().map(|member| (*member, source)));
        let member = |key: &StreamKey| Member { key: *key, allowed_bytes: WINDOW_BYTES.into() };
        let splice = Splice {
            owner,
            members: members.iter().map(member).collect(),
            patience,
            passed_bytes: 0,
            granted_bytes: WINDOW_BYTES.into(),
            message_bytes: 0,
            stalled: None,
        };
        self.by_source.insert(source, splice);
    }

    /// Takes a frame that is addressed to this context; returns one that is of no splice.
    pub fn handle_frame(&mut self, frame: Frame, now: Instant) -> Option<Frame> {
        let key = StreamKey { peer: frame.from, id: frame.stream };
        match frame.kind {
            Kind::Data if self.by_source.contains_key(&key) => self.pass(key, &frame, now),
            Kind::Credit if self.sources.contains_key(&key) => self.credit(key, &frame.body, now),
            Kind::Reset if self.by_source.contains_key(&key) => self.end(key, ResetReason::Cancelled),
            Kind::Reset if self.sources.contains_key(&key) => self.leave(key),
            _ => return Some(frame),
        }
        None
    }

    /// A context has gone, with all its streams.
    pub fn lose(&mut self, is_gone: impl Fn(ContextId) -> bool) {
        let members: Vec<_> = self.sources.keys().filter(|key| is_gone(key.peer)).copied().collect();
        let sources: Vec<_> = self.by_source.keys().filter(|key| is_gone(key.peer)).copied().collect();
        members.into_iter().for_each(|member| self.leave(member));
        sources.into_iter().for_each(|source| self.end(source, ResetReason::Cancelled));
        self.frames.retain(|frame| !is_gone(frame.to));
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.by_source.values().filter_map(Splice::due).min()
    }

    /// To be called at [`Self::poll_timeout`]: leaves behind who takes nothing, while others would.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut slow = Vec::new();
        for splice in self.by_source.values().filter(|splice| splice.due().is_some_and(|due| due <= now)) {
            let stuck = splice.members.iter().filter(|member| member.allowed_bytes <= splice.granted_bytes);
            slow.extend(stuck.map(|member| (splice.owner, member.key)));
        }
        for (owner, member) in slow {
            self.reset(member, ResetReason::Cancelled);
            self.events.push_back(SpliceEvent::Dropped { owner, member });
            self.leave(member);
        }
    }

    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<SpliceEvent> {
        self.events.pop_front()
    }

    fn pass(&mut self, key: StreamKey, frame: &Frame, now: Instant) {
        let Some(splice) = self.by_source.get_mut(&key) else { return };
        splice.passed_bytes += frame.body.len() as u64;
        splice.message_bytes += frame.body.len();
        let too_much = splice.passed_bytes > splice.granted_bytes || splice.message_bytes > MAX_MESSAGE_BYTES;
        // A frame without a body costs its source nothing.
        if too_much || frame.body.is_empty() {
            self.control(Kind::Reset, key, ResetReason::TooMuch.encode());
            return self.end(key, ResetReason::Cancelled);
        }
        for member in &splice.members {
            let (to, stream) = (member.key.peer, member.key.id);
            // Whatever the source says: nothing may overtake the order that tells of the stream.
            let priority = Priority::Bulk;
            self.frames.push_back(Frame { priority, to, from: self.me, stream, ..frame.clone() });
        }
        if !frame.more {
            splice.message_bytes = 0;
        }
        splice.note(now);
        if frame.end {
            self.forget(key);
        }
    }

    fn credit(&mut self, key: StreamKey, body: &[u8], now: Instant) {
        let Some(source) = self.sources.get(&key).copied() else { return };
        let Some(splice) = self.by_source.get_mut(&source) else { return };
        let credit = <Credit as Record>::decode(body).map_or(0, |credit| credit.bytes);
        for member in splice.members.iter_mut().filter(|member| member.key == key) {
            member.allowed_bytes += u64::from(credit);
        }
        self.grant(source);
        if let Some(splice) = self.by_source.get_mut(&source) {
            splice.note(now);
        }
    }

    /// Passes on what the slowest has been given.
    fn grant(&mut self, source: StreamKey) {
        let Some(splice) = self.by_source.get_mut(&source) else { return };
        let more = splice.slowest().saturating_sub(splice.granted_bytes);
        let bytes = u32::try_from(more).unwrap_or(u32::MAX);
        if bytes > 0 {
            splice.granted_bytes += u64::from(bytes);
            splice.stalled = None;
            self.control(Kind::Credit, source, Record::encode(&Credit { bytes }));
        }
    }

    /// A member wants no more; without any, neither does the splice.
    fn leave(&mut self, key: StreamKey) {
        let Some(source) = self.sources.remove(&key) else { return };
        let Some(splice) = self.by_source.get_mut(&source) else { return };
        splice.members.retain(|member| member.key != key);
        if splice.members.is_empty() {
            self.control(Kind::Reset, source, ResetReason::Cancelled.encode());
            self.forget(source);
        } else {
            // It may have been the only one that was ahead.
            splice.stalled = splice.stalled.filter(|_| splice.is_held_up());
            self.grant(source);
        }
    }

    /// The source goes no further.
    fn end(&mut self, source: StreamKey, reason: ResetReason) {
        for member in self.forget(source) {
            self.reset(member, reason);
        }
    }

    /// Returns the members.
    fn forget(&mut self, source: StreamKey) -> Vec<StreamKey> {
        let Some(splice) = self.by_source.remove(&source) else { return Vec::new() };
        let members: Vec<_> = splice.members.iter().map(|member| member.key).collect();
        for member in &members {
            self.sources.remove(member);
        }
        self.events.push_back(SpliceEvent::Over { owner: splice.owner });
        members
    }

    /// Not before what a member has been told of its stream, which is bulk too.
    fn reset(&mut self, member: StreamKey, reason: ResetReason) {
        let frame = Frame::control(Kind::Reset, self.me, member.peer, member.id, reason.encode());
        self.frames.push_back(Frame { priority: Priority::Bulk, ..frame });
    }

    fn control(&mut self, kind: Kind, key: StreamKey, body: Vec<u8>) {
        self.frames.push_back(Frame::control(kind, self.me, key.peer, key.id, body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ids::StreamId;
    use crate::proto::stream::{StreamEvent, Streams};

    const ROOT: ContextId = ContextId(0);
    const RELAY: ContextId = ContextId(1);
    const PATIENCE: Duration = Duration::from_secs(10);
    const OWNER: StreamKey = key(0, 2);

    const fn key(peer: u32, id: u32) -> StreamKey {
        StreamKey { peer: ContextId(peer), id: StreamId(id) }
    }

    /// A source above, a relay, and members below it; frames are delivered at once.
    struct Grove {
        source: Streams,
        splices: Splices,
        members: Vec<Streams>,
        from: StreamKey,
        crossed_bytes: usize,
        now: Instant,
    }

    impl Grove {
        fn new(count: u32) -> Self {
            let mut grove = Self {
                source: Streams::new(ROOT),
                splices: Splices::new(RELAY),
                members: (0..count).map(|at| Streams::new(ContextId(2 + at))).collect(),
                from: key(1, 1 << 31),
                crossed_bytes: 0,
                now: crate::sys::clock::now(),
            };
            let keys: Vec<_> = (0..count).map(|at| key(2 + at, (1 << 31) + 2 + 2 * at)).collect();
            grove.splices.add(OWNER, key(0, 1 << 31), &keys, PATIENCE);
            grove.source.join_sending(grove.from, Priority::Bulk);
            for (member, joined) in grove.members.iter_mut().zip(keys) {
                member.join_receiving(StreamKey { peer: RELAY, ..joined });
            }
            grove
        }

        /// Delivers what everybody has to send; those of `deaf` take nothing.
        fn drive(&mut self, deaf: &[usize]) {
            loop {
                let mut idle = true;
                while let Some(frame) = self.source.poll_frame() {
                    (idle, self.crossed_bytes) = (false, self.crossed_bytes + frame.body.len());
                    // One that is over takes nothing more.
                    self.splices.handle_frame(frame, self.now);
                }
                while let Some(frame) = self.splices.poll_frame() {
                    idle = false;
                    match frame.to {
                        ROOT => self.source.handle_frame(frame, self.now),
                        ContextId(at) if !deaf.contains(&(at as usize - 2)) => {
                            self.members[at as usize - 2].handle_frame(frame, self.now);
                        }
                        _ => {}
                    }
                }
                for at in 0..self.members.len() {
                    while let Some(frame) = self.members[at].poll_frame() {
                        idle = false;
                        self.splices.handle_frame(frame, self.now);
                    }
                }
                if idle {
                    return;
                }
            }
        }

        /// All that a member has got, and whether that is the end of it.
        fn got(&mut self, at: usize) -> (usize, bool) {
            let (mut bytes, mut ended) = (0, false);
            while let Some(event) = self.members[at].poll_event() {
                let StreamEvent::Message { message, end, .. } = event else { return (bytes, false) };
                (bytes, ended) = (bytes + message.len(), end);
            }
            (bytes, ended)
        }
    }

    #[test]
    fn what_is_sent_once_reaches_all_and_crosses_the_first_link_once() {
        let mut grove = Grove::new(3);
        for at in 0..100 {
            grove.source.send(grove.from, vec![at; 60_000], at == 99);
        }
        grove.drive(&[]);
        assert_eq!(grove.crossed_bytes, 6_000_000);
        assert_eq!([0, 1, 2].map(|at| grove.got(at)), [(6_000_000, true); 3]);
        assert_eq!(grove.splices.poll_event(), Some(SpliceEvent::Over { owner: OWNER }));
    }

    #[test]
    fn nothing_is_kept_and_who_takes_nothing_is_left_behind_after_ten_seconds() {
        let mut grove = Grove::new(2);
        for _ in 0..10 {
            grove.source.send(grove.from, vec![7; 60_000], false);
        }
        grove.drive(&[1]);
        assert_eq!(grove.crossed_bytes, WINDOW_BYTES as usize);
        let due = grove.splices.poll_timeout().expect("somebody is slow");
        assert_eq!(due, grove.now + PATIENCE);
        grove.now = due;
        grove.splices.handle_timeout(grove.now);
        let member = key(3, (1 << 31) + 4);
        assert_eq!(grove.splices.poll_event(), Some(SpliceEvent::Dropped { owner: OWNER, member }));
        grove.source.send(grove.from, vec![0], true);
        grove.drive(&[1]);
        assert_eq!(grove.got(0), (600_001, true));
        assert_eq!(grove.splices.poll_timeout(), None);
    }

    #[test]
    fn patience_begins_when_somebody_is_held_up() {
        let mut grove = Grove::new(2);
        grove.source.send(grove.from, vec![7; 200_000], false);
        grove.drive(&[0, 1]);
        assert_eq!(grove.splices.poll_timeout(), None);
        grove.now += PATIENCE;
        let credit = |member: u32| {
            let body = Record::encode(&Credit { bytes: 1 << 20 });
            Frame::control(
                Kind::Credit,
                ContextId(2 + member),
                RELAY,
                StreamId((1 << 31) + 2 + 2 * member),
                body,
            )
        };
        grove.splices.handle_frame(credit(0), grove.now);
        assert_eq!(grove.splices.poll_timeout(), Some(grove.now + PATIENCE));
        grove.splices.handle_frame(credit(1), grove.now + PATIENCE / 2);
        assert_eq!(grove.splices.poll_timeout(), None);
    }

    #[test]
    fn what_passes_is_there_once_for_all_members() {
        let mut grove = Grove::new(3);
        grove.source.send(grove.from, vec![7; 60_000], false);
        while let Some(frame) = grove.source.poll_frame() {
            grove.splices.handle_frame(frame, grove.now);
        }
        let bodies: Vec<_> =
            std::iter::from_fn(|| grove.splices.poll_frame()).map(|frame| frame.body).collect();
        assert!(bodies.len() == 3 && bodies.iter().all(|body| body.as_ptr() == bodies[0].as_ptr()));
    }

    #[test]
    fn a_member_alone_is_waited_for() {
        let mut grove = Grove::new(1);
        grove.source.send(grove.from, vec![7; 200_000], true);
        grove.drive(&[0]);
        assert_eq!(grove.splices.poll_timeout(), None);
    }

    #[test]
    fn when_one_member_goes_the_others_go_on_and_when_all_go_the_source_is_told() {
        let mut grove = Grove::new(2);
        grove.source.send(grove.from, vec![7; 200_000], false);
        grove.drive(&[1]);
        grove.splices.lose(|context| context == ContextId(3));
        grove.drive(&[]);
        assert_eq!(grove.got(0), (200_000, false));
        grove.splices.lose(|context| context == ContextId(2));
        grove.drive(&[]);
        let from = grove.from;
        let told = std::iter::from_fn(|| grove.source.poll_event())
            .any(|event| matches!(event, StreamEvent::Reset { key, .. } if key == from));
        assert!(told);
    }

    #[test]
    fn a_message_without_an_end_ends_its_splice() {
        let mut grove = Grove::new(1);
        grove.source.send(grove.from, vec![7; 2 * MAX_MESSAGE_BYTES], true);
        grove.drive(&[]);
        assert!(matches!(grove.members[0].poll_event(), Some(StreamEvent::Reset { .. })));
        assert_eq!(grove.splices.poll_event(), Some(SpliceEvent::Over { owner: OWNER }));
    }

    #[test]
    fn a_frame_without_a_body_which_costs_nothing_ends_its_splice() {
        let mut grove = Grove::new(1);
        grove.source.send(grove.from, Vec::new(), false);
        grove.drive(&[]);
        assert!(matches!(grove.members[0].poll_event(), Some(StreamEvent::Reset { .. })));
    }

    #[test]
    fn a_source_that_sends_more_than_it_may_ends_its_splice() {
        let mut grove = Grove::new(1);
        let frame = |body| Frame {
            kind: Kind::Data,
            priority: Priority::Bulk,
            more: false,
            end: false,
            to: RELAY,
            from: ROOT,
            stream: StreamId(1 << 31),
            body: Vec::into(body),
        };
        for _ in 0..2 {
            grove.splices.handle_frame(frame(vec![0; 40_000]), grove.now);
        }
        let kinds: Vec<_> =
            std::iter::from_fn(|| grove.splices.poll_frame()).map(|frame| frame.kind).collect();
        assert_eq!(kinds, [Kind::Data, Kind::Reset, Kind::Reset]);
        // What is of no splice is given back.
        assert!(grove.splices.handle_frame(frame(Vec::new()), grove.now).is_some());
    }
}
