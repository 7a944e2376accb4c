//! One request for many targets: a sliding window over them, so that a slow host holds only its own slot.

mod schedule;

pub use schedule::{Rules, Share};

use super::operation::{Answer, OperationId, Record, Report, Request, Source};
use super::{Controller, RANDOM_BYTES};
use crate::error::{HostError, HostErrorKind, Outcome};
use crate::hosts::target::Target;
use crate::proto::entry::Piece;
use crate::proto::ids::ContextId;
use crate::proto::value::Value;
use crate::sys::stdio::Stream;
use schedule::{End, Schedule, Then};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A target by its place in the list.
pub type Place = usize;

#[derive(Debug)]
pub struct Fleet {
    targets: Vec<Target>,
    request: Request,
    schedule: Schedule,
    running: HashMap<OperationId, Slot>,
    /// Whom nobody will start any more, and who has not been told so.
    never: VecDeque<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    place: Place,
    context: ContextId,
    since: Instant,
}

/// What to show.
#[derive(Debug)]
pub enum News {
    Output {
        place: Place,
        source: Source,
        stream: Stream,
        bytes: Vec<u8>,
    },
    Item {
        place: Place,
        source: Source,
        value: Value,
    },
    Record {
        place: Place,
        source: Source,
        record: Record,
    },
    Piece {
        operation: OperationId,
        source: Source,
        piece: Piece,
    },
    /// It was not reached, and is tried again after this time.
    Again {
        place: Place,
        error: Box<HostError>,
        after: Duration,
    },
    Done {
        place: Place,
        outcome: Result<Answer, Box<HostError>>,
        took: Duration,
    },
}

impl Fleet {
    pub fn new(targets: Vec<Target>, request: Request, rules: Rules) -> Self {
        let schedule = Schedule::new(targets.len(), rules);
        Self { targets, request, schedule, running: HashMap::new(), never: VecDeque::new() }
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// How many hops lead to the target that is started next.
    pub fn hops_to_next(&self, now: Instant) -> usize {
        self.schedule.next(now).map_or(0, |place| self.targets[place].hops.len())
    }

    /// Whether a slot is free for a target that waits.
    pub fn wants_to_start(&self, now: Instant) -> bool {
        self.schedule.next(now).is_some()
    }

    /// When a target is to be tried again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.poll_timeout()
    }

    /// Whether all targets are started at once, and only once.
    pub fn is_one_go(&self) -> bool {
        self.schedule.is_one_go()
    }

    /// Starts the next target; returns its operation, or what is already to be told of it.
    pub fn start_next(
        &mut self,
        controller: &mut Controller,
        random: &[[u8; RANDOM_BYTES]],
        now: Instant,
    ) -> Option<Result<OperationId, News>> {
        let place = self.schedule.start(now)?;
        Some(match controller.connect(&self.targets[place], random, now) {
            Ok(context) => {
                let operation = controller.submit(context, &self.request, now);
                self.running.insert(operation, Slot { place, context, since: now });
                Ok(operation)
            }
            Err(error) => {
                let then = self.schedule.end(place, End::Failed, 0, now);
                self.follow(then, controller, now);
                Err(News::Done { place, outcome: Err(Box::new(error)), took: Duration::ZERO })
            }
        })
    }

    /// Turns a controller's report into news about a target; one that is done is let go. `jitter`: any number.
    pub fn handle_report(
        &mut self,
        controller: &mut Controller,
        report: Report,
        jitter: u64,
        now: Instant,
    ) -> Option<News> {
        match report {
            Report::Output { operation, source, stream, bytes } => {
                let slot = self.running.get(&operation)?;
                Some(News::Output { place: slot.place, source, stream, bytes })
            }
            Report::Item { operation, source, value } => {
                let slot = self.running.get(&operation)?;
                Some(News::Item { place: slot.place, source, value })
            }
            Report::Record { operation, source, record } => {
                let slot = self.running.get(&operation)?;
                Some(News::Record { place: slot.place, source, record })
            }
            Report::Piece { operation, source, piece } => Some(News::Piece { operation, source, piece }),
            Report::Done { operation, outcome } => {
                let slot = self.running.remove(&operation)?;
                controller.close(slot.context);
                let then = self.schedule.end(slot.place, end_of(&outcome), jitter, now);
                self.follow(then, controller, now);
                let (place, took) = (slot.place, now.duration_since(slot.since));
                Some(match (then, outcome) {
                    (Then::Again(after), Err(error)) => News::Again { place, error: Box::new(error), after },
                    (_, outcome) => News::Done { place, outcome: outcome.map_err(Box::new), took },
                })
            }
        }
    }

    fn follow(&mut self, then: Then, controller: &mut Controller, now: Instant) {
        match then {
            Then::GoOn | Then::Again(_) => {}
            Then::StartNoMore => self.never.extend(self.schedule.stop()),
            Then::StopAll => {
                let never = self.stop(controller, now);
                self.never.extend(never);
            }
        }
        if self.is_done() {
            controller.close_all();
        }
    }

    /// A target that is not started because too many others have failed.
    pub fn poll_never(&mut self) -> Option<News> {
        let place = self.never.pop_front()?;
        let never = HostError { hop: None, kind: HostErrorKind::NotStarted, said: Vec::new() };
        Some(News::Done { place, outcome: Err(Box::new(never)), took: Duration::ZERO })
    }

    /// Those that run, with when they were started, in the order of the list.
    pub fn running(&self) -> Vec<(Place, Instant)> {
        let mut places: Vec<_> = self.running.values().map(|slot| (slot.place, slot.since)).collect();
        places.sort_unstable();
        places
    }

    /// The target of an operation that runs.
    pub fn place_of(&self, operation: OperationId) -> Option<Place> {
        self.running.get(&operation).map(|slot| slot.place)
    }

    pub fn operations(&self) -> impl Iterator<Item = OperationId> {
        self.running.keys().copied()
    }

    /// How many targets have not been started.
    pub fn waiting(&self) -> usize {
        self.schedule.waiting()
    }

    /// Starts nothing more and stops what runs; returns the targets that were not started.
    pub fn stop(&mut self, controller: &mut Controller, now: Instant) -> Vec<Place> {
        self.running.keys().for_each(|operation| controller.cancel(*operation, now));
        self.schedule.stop()
    }

    pub fn is_done(&self) -> bool {
        self.schedule.is_done()
    }
}

fn end_of(outcome: &Result<Answer, HostError>) -> End {
    match outcome {
        Ok(Answer::Exit(status)) if *status != 0 => End::Failed,
        Ok(_) => End::Well,
        Err(error) if error.is_before_all() => End::NotReached,
        // It was stopped because of others.
        Err(error) if error.outcome() == Outcome::Stopped => End::Well,
        Err(_) => End::Failed,
    }
}
