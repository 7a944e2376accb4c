//! One source for several puts: what goes to contexts behind one relay crosses the link to it once, and what
//! goes from one context to others goes no higher than the nearest that is above both.

use super::operation::{Fetch, OperationId, Report, Request};
use super::{Controller, Due, Running};
use crate::error::HostErrorKind;
use crate::proto::frame::Priority;
use crate::proto::ids::{ContextId, StreamId};
use crate::proto::message::{FromAgent, ResetReason, ToAgent};
use crate::proto::splice::SpliceEvent;
use crate::proto::stream::{FIRST_JOINED, StreamKey};
use crate::proto::value::Value;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// A context that takes no byte for so long is left behind.
const PATIENCE: Duration = Duration::from_secs(10);
/// A relay above others waits longer than they do: they know better who is slow.
const MORE_PATIENCE: Duration = Duration::from_secs(2);

/// A put that has been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    pub operation: OperationId,
    /// What it is fed by: [`Controller::send`] through this one, which may feed others too; or a fetch.
    pub feeder: OperationId,
}

impl Submitted {
    /// What is fed by itself, or by nothing.
    pub fn alone(operation: OperationId) -> Self {
        Self { operation, feeder: operation }
    }
}

/// The splices that have been ordered and are not over.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    numbers: u32,
    /// By who is told of a splice: what it leads to, with the streams that end there.
    by_owner: HashMap<StreamKey, Vec<(StreamId, Vec<StreamId>)>>,
    /// Which contexts have to be ready before anything goes on the stream that feeds them.
    led_to: HashMap<StreamKey, Vec<ContextId>>,
}

impl Lanes {
    pub(super) fn next(&mut self) -> StreamId {
        self.numbers += 2;
        StreamId(FIRST_JOINED.0 + self.numbers)
    }

    /// All that is to be sent on a stream has been.
    pub(super) fn has_passed(&mut self, feeder: StreamKey) {
        self.led_to.remove(&feeder);
    }

    /// The contexts that what is sent on a stream comes to in the end.
    pub(super) fn led_to(&self, feeder: StreamKey) -> &[ContextId] {
        self.led_to.get(&feeder).map_or(&[], Vec::as_slice)
    }
}

/// A splice that is being laid: on which stream each context gets its own, and how many splices are below one another.
#[derive(Default)]
pub(super) struct Laid {
    ends: BTreeMap<ContextId, StreamKey>,
    depth: u32,
}

impl Laid {
    /// Where a context gets what is passed on.
    pub(super) fn end_of(&self, context: ContextId) -> Option<StreamKey> {
        self.ends.get(&context).copied()
    }
}

impl Controller {
    /// Asks several contexts to take the same: a put each. Contexts that are the same are asked twice.
    pub fn submit_put(&mut self, contexts: &[ContextId], put: &Request, now: Instant) -> Vec<Submitted> {
        let able: Vec<_> = contexts.iter().map(|context| self.able(*context, put, now)).collect();
        let mut feeders = BTreeMap::new();
        for together in self.branches(ContextId::CONTROLLER, &able) {
            if together.len() < 2 {
                continue;
            }
            let relay = self.meeting(&together);
            let id = self.lanes.next();
            let mut laid = Laid::default();
            let source = StreamKey { peer: ContextId::CONTROLLER, id };
            self.lay(relay, source, &together, &mut laid);
            let pipe = StreamKey { peer: relay, id };
            let feeder = self.open_pipe(pipe);
            self.lanes.led_to.insert(pipe, self.all_on_the_way(&laid));
            feeders.extend(laid.ends.into_iter().map(|(context, end)| (context, (feeder, end))));
        }
        let submitted = able.into_iter().map(|context| {
            let shared = feeders.remove(&context);
            let operation = self.submit_joined(context, put, shared.map(|(_, end)| end), now);
            shared.map_or(Submitted::alone(operation), |(feeder, _)| Submitted { operation, feeder })
        });
        let submitted = submitted.collect();
        self.collect_frames();
        submitted
    }

    /// The same, with what `source` fetches for them.
    pub fn submit_put_from(
        &mut self,
        source: ContextId,
        fetch: &Fetch,
        contexts: &[ContextId],
        put: &Request,
        now: Instant,
    ) -> Vec<Submitted> {
        let fetch = Request::Fetch(fetch.clone());
        let source = self.able(source, &fetch, now);
        let able: Vec<_> = contexts.iter().map(|context| self.able(*context, put, now)).collect();
        let mut by_meeting: BTreeMap<(ContextId, usize), Vec<usize>> = BTreeMap::new();
        for (at, context) in able.iter().enumerate() {
            // A context that is asked twice is sent to twice.
            let before = able[..at].iter().filter(|other| *other == context).count();
            by_meeting.entry((self.meeting(&[source, *context]), before)).or_default().push(at);
        }
        let mut submitted = vec![None; able.len()];
        for ((relay, _), places) in by_meeting {
            let members: Vec<_> = places.iter().map(|at| able[*at]).collect();
            let id = self.lanes.next();
            let mut laid = Laid::default();
            self.lay(relay, StreamKey { peer: source, id }, &members, &mut laid);
            let contexts = self.all_on_the_way(&laid);
            let operations: Vec<_> = places
                .iter()
                .map(|at| (*at, self.submit_joined(able[*at], put, laid.ends.remove(&able[*at]), now)))
                .collect();
            // The last, so that all is laid when it begins.
            let feeder = self.submit_joined(source, &fetch, Some(StreamKey { peer: relay, id }), now);
            let order = self.operations.get(&feeder).map(|running| running.stream);
            self.lanes.led_to.extend(order.map(|order| (order, contexts)));
            for (at, operation) in operations {
                submitted[at] = Some(Submitted { operation, feeder });
            }
        }
        self.collect_frames();
        submitted.into_iter().flatten().collect()
    }

    /// A context wants a file moved to or from another one; whether it may, its owner knows, who answers by [`Self::joined`].
    pub fn poll_join(&mut self) -> Option<(StreamKey, Value)> {
        self.joins.pop_front()
    }

    /// What has come of that: a tuple of whether all is well, and a result or an error.
    pub fn joined(&mut self, key: StreamKey, told: Value) {
        self.joined.remove(&key);
        self.streams.send(key, ToAgent::Data(told).encode(), true);
        self.collect_frames();
    }

    /// Ends what feeds others at once; they hear of it from their relays.
    pub fn cut(&mut self, feeder: OperationId) {
        if let Some(running) = self.remove(feeder) {
            self.streams.reset(running.stream, ResetReason::Cancelled);
            self.collect_frames();
        }
    }

    /// Leaves an operation the time that another had, in whose place it is.
    pub fn keep_deadline(&mut self, operation: OperationId, deadline: Option<Instant>) {
        let Some(running) = self.operations.get_mut(&operation) else { return };
        let before = std::mem::replace(&mut running.deadline, deadline);
        self.deadlines.extend(deadline.map(|at| (at, Due::Operation(operation))));
        if let Some(at) = before.filter(|_| before != deadline) {
            self.deadlines.remove(&(at, Due::Operation(operation)));
        }
    }

    /// The end of `contexts` that is above all of them, and below which all of them are.
    pub(super) fn meeting(&self, contexts: &[ContextId]) -> ContextId {
        let above = |context: &ContextId| self.line(*context).into_iter().skip(1).rev().collect::<Vec<_>>();
        let mut lines = contexts.iter().map(above);
        let first = lines.next().unwrap_or_default();
        let common = lines.fold(first.len(), |common, line| {
            first.iter().zip(&line).take(common).take_while(|(one, other)| one == other).count()
        });
        first.get(common.saturating_sub(1)).copied().unwrap_or(ContextId::CONTROLLER)
    }

    /// All that has to be ready before anything comes to the ends.
    fn all_on_the_way(&self, laid: &Laid) -> Vec<ContextId> {
        let mut all: Vec<_> = laid.ends.keys().flat_map(|end| self.line(*end)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Contexts that are behind the same child of `at` together; a child itself is alone.
    fn branches(&self, at: ContextId, contexts: &[ContextId]) -> Vec<Vec<ContextId>> {
        let mut branches: BTreeMap<(ContextId, bool), Vec<ContextId>> = BTreeMap::new();
        for context in contexts {
            let line = self.line(*context);
            let child =
                line.iter().position(|above| *above == at).and_then(|place| line.get(place.checked_sub(1)?));
            let child = child.copied().unwrap_or(*context);
            let branch = branches.entry((child, child == *context)).or_default();
            if !branch.contains(context) {
                branch.push(*context);
            }
        }
        branches.into_values().collect()
    }

    /// Has `at` and the relays below it pass on what comes on `source` to all of `contexts`.
    pub(super) fn lay(&mut self, at: ContextId, source: StreamKey, contexts: &[ContextId], laid: &mut Laid) {
        let (mut members, mut ends, mut below) = (Vec::new(), Vec::new(), 0);
        for branch in self.branches(at, contexts) {
            let id = self.lanes.next();
            let to = match branch[..] {
                [only] => {
                    laid.ends.insert(only, StreamKey { peer: at, id });
                    ends.push((id, vec![id]));
                    only
                }
                _ => {
                    let relay = self.meeting(&branch);
                    let mut inner = Laid::default();
                    self.lay(relay, StreamKey { peer: at, id }, &branch, &mut inner);
                    ends.push((id, inner.ends.values().map(|end| end.id).collect()));
                    laid.ends.extend(inner.ends);
                    below = below.max(inner.depth);
                    relay
                }
            };
            members.push(StreamKey { peer: to, id });
        }
        laid.depth = below + 1;
        let patience = PATIENCE + MORE_PATIENCE * below;
        let owner = if at == ContextId::CONTROLLER {
            self.splices.add(source, source, &members, patience);
            source
        } else {
            self.send_part(at, "relay");
            self.send_part(at, "splice");
            let patience_ms = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
            let message = ToAgent::Splice { patience_ms, source, members }.encode();
            self.streams.open(at, Priority::Interactive, message, true)
        };
        self.lanes.by_owner.insert(owner, ends);
    }

    /// What several are fed through; it reports only that it cannot go on, and has no deadline.
    fn open_pipe(&mut self, stream: StreamKey) -> OperationId {
        self.streams.join_sending(stream, Priority::Bulk);
        let running = Running {
            context: stream.peer,
            script: false,
            stream,
            joined: None,
            carried_bytes: 0,
            feeds: true,
            timeout: None,
            deadline: None,
        };
        self.next_operation += 1;
        let operation = OperationId(self.next_operation);
        self.operations.insert(operation, running);
        self.by_stream.insert(stream, operation);
        operation
    }

    /// Whether that is what several are fed through.
    pub(super) fn is_pipe(running: &Running) -> bool {
        running.stream.id > FIRST_JOINED
    }

    /// Whether a stream is about a splice that has been ordered.
    pub(super) fn is_lane(&self, key: StreamKey) -> bool {
        self.lanes.by_owner.contains_key(&key)
    }

    /// What a relay says of a splice.
    pub(super) fn handle_lane(&mut self, owner: StreamKey, message: &[u8], end: bool) {
        match FromAgent::decode(message) {
            Ok(FromAgent::Dropped(member)) => self.left_behind(owner, member.id),
            Ok(FromAgent::Result(_)) if end => drop(self.lanes.by_owner.remove(&owner)),
            Ok(_) | Err(_) => {
                self.refuse(owner);
                self.not_laid(owner);
            }
        }
    }

    /// A relay that will not do it: nobody behind it gets anything.
    pub(super) fn not_laid(&mut self, owner: StreamKey) {
        for (_, ends) in self.lanes.by_owner.remove(&owner).unwrap_or_default() {
            for operation in self.fed_on(&ends) {
                let what = "its relay does not join streams".to_owned();
                self.fail(operation, HostErrorKind::File { what }, Vec::new());
            }
        }
    }

    /// The splices that are laid here go on.
    pub(super) fn drain_splices(&mut self) {
        while let Some(event) = self.splices.poll_event() {
            match event {
                SpliceEvent::Dropped { owner, member } => self.left_behind(owner, member.id),
                SpliceEvent::Over { owner } => drop(self.lanes.by_owner.remove(&owner)),
            }
        }
    }

    /// A context has gone, and what led to it or from it.
    pub(super) fn forget_lanes(&mut self, id: ContextId) {
        self.lanes.led_to.retain(|feeder, _| feeder.peer != id);
        self.lanes.by_owner.retain(|owner, _| owner.peer != id || owner.id > FIRST_JOINED);
        self.splices.lose(|context| context == id);
        self.drain_splices();
    }

    /// Who takes nothing while others would is asked again, alone. Nobody holds up himself.
    fn left_behind(&mut self, owner: StreamKey, lane: StreamId) {
        let lanes = self.lanes.by_owner.get(&owner).map_or(&[][..], Vec::as_slice);
        let ends = lanes.iter().filter(|_| lanes.len() > 1).find(|(id, _)| *id == lane);
        let Some(ends) = ends.map(|(_, ends)| ends.clone()) else { return self.not_laid(owner) };
        for operation in self.fed_on(&ends) {
            let Some(&Running { context, deadline, .. }) = self.operations.get(&operation) else { continue };
            let target = self.target_name(context);
            self.note(&target, || "takes nothing while others would, and is sent its own".to_owned());
            self.cut(operation);
            self.reports.push_back(Report::LeftBehind { operation, deadline });
        }
    }

    /// The puts whose contents come on one of these.
    fn fed_on(&self, ends: &[StreamId]) -> Vec<OperationId> {
        let of = |running: &Running| running.joined.is_some_and(|joined| ends.contains(&joined.id));
        self.operations
            .iter()
            .filter(|(_, running)| !running.feeds && of(running))
            .map(|(id, _)| *id)
            .collect()
    }
}
