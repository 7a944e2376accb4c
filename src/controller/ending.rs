//! How operations and contexts end: with an answer, an error, by being stopped, with their context.

use super::context::{Context, Place, State};
use super::operation::{Answer, OperationId, Report, Said};
use super::{Controller, Due, Running};
use crate::error::{HostError, HostErrorKind, Loss};
use crate::link::Cause;
use crate::proto::ids::ContextId;
use crate::proto::message::ResetReason;
use crate::proto::stream::StreamKey;
use crate::sys::child::Exit;
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

/// How long what has been cancelled may go on before its agent is ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// What contexts get for an orderly end where nobody waits for it at a terminal.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// Of that, what still ran there gets.
const LAST_CHANCE: Duration = Duration::from_millis(1500);

/// What ssh itself ends with when it has lost the connection.
const SSH_FAILED: i32 = 255;

impl Controller {
    /// The agent has ended, and with it a script that has called `os._exit`, or has died of a signal.
    pub(super) fn scripts_ended(&mut self, id: ContextId, exit: Exit) {
        let answer = match exit {
            Exit::Status(SSH_FAILED) => return,
            Exit::Status(status) => Answer::Exit(status),
            Exit::Signal(signal) => Answer::Killed(signal),
        };
        for operation in self.operations_of(id) {
            if self.operations.get(&operation).is_some_and(|running| running.script) {
                self.finish(operation, answer.clone());
            }
        }
    }

    /// What has been asked of a context and has not ended, in that order.
    pub(super) fn operations_of(&self, id: ContextId) -> Vec<OperationId> {
        let [first, last] = StreamKey::all_of(id);
        self.by_stream.range(first..=last).map(|(_, operation)| *operation).collect()
    }

    pub(super) fn finish(&mut self, operation: OperationId, answer: Answer) {
        if let Some(running) = self.remove(operation) {
            // What it could still have read is not of interest any more.
            self.streams.reset(running.stream, ResetReason::Cancelled);
            self.reports.push_back(Report::Done { operation, outcome: Ok(answer) });
        }
    }

    pub(super) fn remove(&mut self, operation: OperationId) -> Option<Running> {
        let running = self.operations.remove(&operation)?;
        self.by_stream.remove(&running.stream);
        if let Some(at) = running.deadline {
            self.deadlines.remove(&(at, Due::Operation(operation)));
        }
        Some(running)
    }

    pub(super) fn fail(&mut self, operation: OperationId, kind: HostErrorKind, said: Vec<String>) {
        let context = self.operations.get(&operation).and_then(|running| self.contexts.get(&running.context));
        let hop = context.and_then(Context::failing_hop);
        self.fail_with(operation, HostError { hop, kind, said });
    }

    fn fail_with(&mut self, operation: OperationId, error: HostError) {
        let Some(running) = self.remove(operation) else { return };
        self.streams.reset(running.stream, ResetReason::Cancelled);
        self.reports.push_back(Report::Done { operation, outcome: Err(error) });
        self.collect_frames();
    }

    /// Fails an operation while it runs; if it cannot be stopped, so fails its context.
    pub(super) fn stop(&mut self, operation: OperationId, kind: HostErrorKind, now: Instant) {
        let running = self.operations.get(&operation).map(|running| running.stream);
        self.stop_awaiting(operation, &kind);
        // Nobody takes what has come of a file that does not come whole, and zeros would take long.
        self.reports
            .retain(|report| !matches!(report, Report::Said { operation: of, said: Said::Piece(_), .. } if *of == operation));
        self.fail(operation, kind, Vec::new());
        let context = running.and_then(|key| Some((key, self.contexts.get_mut(&key.peer)?)));
        if let Some((key, context)) = context.filter(|(_, context)| context.state == State::Open) {
            let until = now + PATIENCE;
            context.stopping.insert(key.id, until);
            self.deadlines.insert((until, Due::Stop(key)));
        }
    }

    /// What was cancelled has ended.
    pub(super) fn settled(&mut self, key: StreamKey) {
        let until = self.contexts.get_mut(&key.peer).and_then(|context| context.stopping.remove(&key.id));
        if let Some(until) = until {
            self.deadlines.remove(&(until, Due::Stop(key)));
            if !self.is_settling(key.peer) {
                self.has_opened(key.peer);
            }
            self.go_if_let(key.peer);
        }
    }

    /// What was cancelled goes on: only the end of its agent ends it.
    pub(super) fn give_up(&mut self, key: StreamKey) {
        let Some(context) = self.contexts.get_mut(&key.peer).filter(|context| context.state == State::Open)
        else {
            return;
        };
        if context.goes_last {
            // As if it had ended: what is let go anyway is no loss to tell of.
            context.stopping.remove(&key.id);
            return self.go_if_let(key.peer);
        }
        self.abort(key.peer, Cause::Stuck);
        self.warn(key.peer, || Loss::Stuck.to_string());
    }

    /// What is being stopped may take until then, and no longer.
    pub fn give_up_by(&mut self, last: Instant) {
        for (peer, context) in &mut self.contexts {
            for (id, until) in context.stopping.iter_mut().filter(|(_, until)| **until > last) {
                let due = Due::Stop(StreamKey { peer: *peer, id: *id });
                self.deadlines.remove(&(*until, due));
                self.deadlines.insert((last, due));
                *until = last;
            }
        }
    }

    /// Ends all in order, when whoever has asked for it has gone; returns until when that may take.
    pub fn wind_up(&mut self, now: Instant) -> Instant {
        self.close_all();
        self.give_up_by(now + LAST_CHANCE);
        now + LAST_WAIT
    }

    /// Ends what nobody uses and nothing leads through that somebody uses: hops on the way to what has gone.
    pub fn close_unused(&mut self) {
        let is_used = |id: &ContextId| self.contexts.get(id).is_some_and(|context| context.users > 0);
        let used = self.contexts.keys().copied().filter(is_used);
        let wanted: BTreeSet<ContextId> = used.flat_map(|id| self.line(id)).collect();
        // What serves beside one that is used has no users of its own.
        let unused = |id: &ContextId| !wanted.contains(id) && !self.line(*id).iter().any(is_used);
        let all = self.subtree(ContextId::CONTROLLER).into_iter().skip(1);
        for id in all.filter(unused).collect::<Vec<_>>() {
            // What is below one has been let go with it.
            if self.is_usable(id) {
                self.let_go(id);
            }
        }
    }

    /// A context is gone with all that is below it, and all operations in these have failed.
    pub(super) fn lose(&mut self, id: ContextId, kind: &HostErrorKind, said: &[String]) {
        let Some(context) = self.contexts.get(&id) else { return };
        let named = |gone: ContextId| match self.contexts.get(&gone) {
            Some(behind) if gone != id => context.named_in(&behind.target.hops),
            _ => context.failing_hop(),
        };
        let line = self.subtree(id).into_iter().rev();
        for (gone, hop) in line.map(|gone| (gone, named(gone))).collect::<Vec<_>>() {
            let error = HostError { hop, kind: kind.clone(), said: said.to_vec() };
            self.fail_wishes(gone, &error);
            self.forget(gone, &error);
        }
    }

    fn forget(&mut self, id: ContextId, error: &HostError) {
        self.forget_trips(id);
        self.joined.retain(|key| key.peer != id);
        for operation in self.operations_of(id) {
            self.fail_with(operation, error.clone());
        }
        self.will_not_open(id, error);
        self.has_ended(id, error);
        self.forget_wishes_of(id);
        self.streams.forget_peer(id);
        self.forget_lanes(id);
        self.leave_connecting(id, State::Closing);
        // What waits for it may be for others too.
        if let Some(waiting) = self.waiting.remove(&id) {
            self.go_on(waiting);
        }
        self.meant_for.retain(|stream, to| stream.peer != id && *to != id);
        let Some(context) = self.contexts.remove(&id) else { return };
        if let Entry::Occupied(mut siblings) = self.children.entry(context.place.parent()) {
            siblings.get_mut().remove(&id);
            if siblings.get().is_empty() {
                siblings.remove();
            }
        }
        if let Some(until) = context.gone_at {
            self.deadlines.remove(&(until, Due::Gone(id)));
        }
        for (stream, until) in context.stopping {
            self.deadlines.remove(&(until, Due::Stop(StreamKey { peer: id, id: stream })));
        }
        if self.by_path.get(&context.target.hops) == Some(&id) {
            self.by_path.remove(&context.target.hops);
        }
        if let Place::Behind { stream, .. } = context.place {
            self.spawns.remove(&stream);
        }
        self.child_has_gone(context.place.parent());
    }
}
