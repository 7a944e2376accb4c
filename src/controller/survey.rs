//! What there is, for who looks: the tree, what is on its way, and how long each context takes to answer.

use super::Controller;
use super::context::{Context, State};
use crate::proto::frame::Priority;
use crate::proto::ids::ContextId;
use crate::proto::stream::StreamKey;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A message that no context knows: each answers with a reset, at any depth and whatever else it does, as long as its
/// loop runs (docs/PROTOCOL.md, "Streams").
const UNKNOWN: [u8; 1] = [0];

/// Round trips to contexts.
#[derive(Debug, Default)]
pub(super) struct Trips {
    asked: HashMap<ContextId, (StreamKey, Instant)>,
    took: HashMap<ContextId, Duration>,
}

/// One context.
#[derive(Clone, Debug)]
pub struct Seen {
    pub context: ContextId,
    /// How many hops lie above it.
    pub depth: u32,
    pub hop: String,
    /// The target that leads to it.
    pub path: String,
    /// `connecting`, `open` or `closing`.
    pub state: &'static str,
    /// `sys.hexversion`, 0 for this program.
    pub python: u32,
    /// The last that was measured.
    pub round_trip: Option<Duration>,
    /// How long it has owed an answer.
    pub silent: Option<Duration>,
    pub streams: u32,
    /// What waits for its credit.
    pub queued_bytes: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

impl Controller {
    /// All contexts, each behind the one that it is below; nobody is waited for.
    pub fn survey(&self, now: Instant) -> Vec<Seen> {
        let below = self.subtree(ContextId::CONTROLLER);
        let mut seen: Vec<(Vec<ContextId>, Seen)> = below
            .into_iter()
            .filter_map(|id| {
                let mut line = self.line(id);
                line.reverse();
                Some((line, self.see(id, self.contexts.get(&id)?, now)))
            })
            .collect();
        seen.sort_by(|(one, _), (other, _)| one.cmp(other));
        seen.into_iter().map(|(_, seen)| seen).collect()
    }

    fn see(&self, id: ContextId, context: &Context, now: Instant) -> Seen {
        let traffic = self.streams.traffic(id);
        let owed = self.trips.asked.get(&id).map(|(_, at)| *at);
        Seen {
            context: id,
            depth: u32::try_from(context.target.hops.len().saturating_sub(1)).unwrap_or(u32::MAX),
            hop: context.target.hops.last().map(ToString::to_string).unwrap_or_default(),
            path: context.target.name.clone(),
            state: match context.state {
                State::Connecting { .. } => "connecting",
                State::Open => "open",
                State::Closing => "closing",
            },
            python: context.python,
            round_trip: self.trips.took.get(&id).copied(),
            silent: owed.map(|at| now.saturating_duration_since(at)),
            streams: traffic.streams,
            queued_bytes: traffic.queued_bytes,
            sent_bytes: traffic.sent_bytes,
            received_bytes: traffic.received_bytes,
        }
    }

    /// Asks all contexts that run, and do not owe an answer, for one.
    pub fn sound_out(&mut self, now: Instant) {
        let open = self.contexts.iter().filter(|(_, context)| context.state == State::Open);
        for id in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.sound_out_one(id, now);
        }
        self.collect_frames();
    }

    /// The same for one, which runs.
    pub fn sound_out_one(&mut self, id: ContextId, now: Instant) {
        if !self.trips.asked.contains_key(&id) {
            let key = self.streams.open(id, Priority::Control, UNKNOWN.to_vec(), true);
            self.trips.asked.insert(id, (key, now));
            self.collect_frames();
        }
    }

    /// Whether a reset is the answer to that.
    pub(super) fn has_answered(&mut self, key: StreamKey, now: Instant) -> bool {
        let asked = self.trips.asked.get(&key.peer).filter(|(asked, _)| *asked == key);
        let Some(asked) = asked.map(|(_, at)| *at) else { return false };
        self.trips.asked.remove(&key.peer);
        self.trips.took.insert(key.peer, now.saturating_duration_since(asked));
        true
    }

    /// A context has gone.
    pub(super) fn forget_trips(&mut self, id: ContextId) {
        self.trips.asked.remove(&id);
        self.trips.took.remove(&id);
    }

    /// Whether one context is above another, or is it.
    pub fn leads_to(&self, above: ContextId, below: ContextId) -> bool {
        self.line(below).contains(&above)
    }
}
