//! One request for many targets: a sliding window over them, so that a slow host holds only its own slot.

use super::operation::{Answer, OperationId, Record, Report, Request, Source};
use super::{Controller, RANDOM_BYTES};
use crate::error::HostError;
use crate::hosts::target::Target;
use crate::proto::entry::Piece;
use crate::proto::ids::ContextId;
use crate::proto::value::Value;
use crate::sys::stdio::Stream;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A target by its place in the list.
pub type Place = usize;

#[derive(Debug)]
pub struct Fleet {
    targets: Vec<Target>,
    request: Request,
    fanout: usize,
    next: Place,
    running: HashMap<OperationId, Slot>,
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
    Output { place: Place, source: Source, stream: Stream, bytes: Vec<u8> },
    Item { place: Place, source: Source, value: Value },
    Record { place: Place, source: Source, record: Record },
    Piece { operation: OperationId, source: Source, piece: Piece },
    Done { place: Place, outcome: Result<Answer, Box<HostError>>, took: Duration },
}

impl Fleet {
    pub fn new(targets: Vec<Target>, request: Request, fanout: usize) -> Self {
        Self { targets, request, fanout: fanout.max(1), next: 0, running: HashMap::new() }
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// How many hops lead to the target that is started next.
    pub fn hops_to_next(&self) -> usize {
        self.targets.get(self.next).map_or(0, |target| target.hops.len())
    }

    /// Whether a slot is free for a target that waits.
    pub fn wants_to_start(&self) -> bool {
        self.next < self.targets.len() && self.running.len() < self.fanout
    }

    /// Starts the next target; returns its operation, or what is already to be told of it.
    pub fn start_next(
        &mut self,
        controller: &mut Controller,
        random: &[[u8; RANDOM_BYTES]],
        now: Instant,
    ) -> Result<OperationId, News> {
        let place = self.next;
        self.next += 1;
        match controller.connect(&self.targets[place], random, now) {
            Ok(context) => {
                let operation = controller.submit(context, &self.request, now);
                self.running.insert(operation, Slot { place, context, since: now });
                Ok(operation)
            }
            Err(error) => {
                if self.is_done() {
                    controller.close_all();
                }
                Err(News::Done { place, outcome: Err(Box::new(error)), took: Duration::ZERO })
            }
        }
    }

    /// Turns a controller's report into news about a target; one that is done is let go.
    pub fn handle_report(
        &mut self,
        controller: &mut Controller,
        report: Report,
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
                if self.is_done() {
                    controller.close_all();
                }
                Some(News::Done {
                    place: slot.place,
                    outcome: outcome.map_err(Box::new),
                    took: now.duration_since(slot.since),
                })
            }
        }
    }

    /// Those that run, in the order of the list.
    pub fn running(&self) -> Vec<Place> {
        let mut places: Vec<_> = self.running.values().map(|slot| slot.place).collect();
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

    /// Targets that have not been started.
    pub fn waiting(&self) -> usize {
        self.targets.len() - self.next
    }

    /// Starts nothing more and stops what runs; returns the targets that were never started.
    pub fn stop(&mut self, controller: &mut Controller, now: Instant) -> std::ops::Range<Place> {
        self.running.keys().for_each(|operation| controller.cancel(*operation, now));
        let never = self.next..self.targets.len();
        self.next = self.targets.len();
        never
    }

    pub fn is_done(&self) -> bool {
        self.next == self.targets.len() && self.running.is_empty()
    }
}
