//! One request for many targets: a sliding window over them, so that a slow host holds only its own slot.

mod schedule;

pub use schedule::{Rules, Share};

use super::attempt::End;
use super::operation::{Answer, Fetch, OperationId, Report, Request, Said, Source};
use super::{Controller, RANDOM_BYTES, Submitted};
use crate::error::{HostError, HostErrorKind};
use crate::hosts::target::Target;
use crate::proto::ids::ContextId;
use schedule::{Schedule, Then};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A target by its place in the list.
pub type Place = usize;

#[derive(Debug)]
pub struct Fleet {
    targets: Vec<Target>,
    request: Request,
    /// With its context, once that has been asked for.
    origin: Option<(Origin, Option<ContextId>)>,
    schedule: Schedule,
    running: HashMap<OperationId, Slot>,
    /// Why those that wait for another attempt have not been reached.
    refused: HashMap<Place, Box<HostError>>,
    /// Whom nobody will start any more, and who has not been told so.
    never: VecDeque<Place>,
    /// What runs has been told to end.
    stopped: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    place: Place,
    context: ContextId,
    since: Instant,
}

/// A target that has what others are to get.
#[derive(Clone, Debug)]
pub struct Origin {
    pub target: Target,
    pub fetch: Fetch,
}

impl Origin {
    /// An error of its own, which is told of those that get nothing.
    pub fn named(&self, error: HostError) -> HostError {
        let hop = match &error.hop {
            Some(hop) => format!("{} ({hop})", self.target.name),
            None => self.target.name.clone(),
        };
        HostError { hop: Some(hop), ..error }
    }
}

/// What has come of a start.
#[derive(Debug)]
pub struct Started {
    pub begun: Vec<Begun>,
    /// Of those that could not even be tried.
    pub news: Vec<News>,
}

/// A target that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    pub operation: OperationId,
    /// As in [`Submitted`].
    pub feeder: OperationId,
    pub place: Place,
}

/// What to show.
#[derive(Debug)]
pub enum News {
    /// As [`Report::Said`].
    Said {
        place: Place,
        operation: OperationId,
        source: Source,
        said: Said,
    },
    /// To be asked [`Fleet::alone`].
    LeftBehind {
        operation: OperationId,
        deadline: Option<Instant>,
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
    /// `origin`: where what is put comes from, if not from here.
    pub fn new(targets: Vec<Target>, request: Request, rules: Rules, origin: Option<Origin>) -> Self {
        let origin = origin.map(|origin| (origin, None));
        let schedule = Schedule::new(targets.len(), rules);
        let (running, refused, never) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Self { targets, request, origin, schedule, running, refused, never, stopped: false }
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Whether a slot is free for a target that waits.
    pub fn wants_to_start(&self, now: Instant) -> bool {
        self.schedule.next(now).is_some()
    }

    /// When a target is to be tried again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.poll_timeout()
    }

    /// Whether no target will be started any more.
    pub fn have_all_begun(&self) -> bool {
        self.schedule.have_all_begun()
    }

    /// At most `count` targets whose turn it is now, for [`Self::start`].
    pub fn take_turns(&mut self, count: usize, now: Instant) -> Vec<Place> {
        let places: Vec<_> = (0..count).map_while(|_| self.schedule.start(now)).collect();
        places.iter().for_each(|place| drop(self.refused.remove(place)));
        places
    }

    /// How many hops may have to be started for these.
    pub fn hops(&self, places: &[Place]) -> usize {
        let targets = places.iter().map(|place| &self.targets[*place]);
        let origin = self.origin.iter().map(|(origin, _)| &origin.target);
        targets.chain(origin).map(|target| target.hops.len()).sum()
    }

    /// Starts targets that have taken their turn, with random bytes for each hop; those that are put to behind one
    /// relay share what comes over the link to it.
    pub fn start(
        &mut self,
        places: &[Place],
        controller: &mut Controller,
        random: &[[u8; RANDOM_BYTES]],
        now: Instant,
    ) -> Started {
        let (mut ready, mut news, mut follows) = (Vec::new(), Vec::new(), Vec::new());
        let (first, mut random) = random.split_at(self.origin_hops().min(random.len()));
        let origin = self.origin.as_mut().map_or(Ok(()), |(origin, context)| {
            // The one that there is, or another where that has gone.
            *context =
                Some(controller.connect(&origin.target, first, now).map_err(|error| origin.named(error))?);
            Ok(())
        });
        for place in places.iter().copied() {
            let target = &self.targets[place];
            let (own, rest) = random.split_at(target.hops.len().min(random.len()));
            random = rest;
            match origin.clone().and_then(|()| controller.connect(target, own, now)) {
                Ok(context) => ready.push((place, context)),
                Err(error) => {
                    let (error, took) = (Box::new(error), Duration::ZERO);
                    let then = self.schedule.end(place, End::of_error(&error), 0, now);
                    follows.push(then);
                    news.push(match then {
                        Then::Again(after) => {
                            self.refused.insert(place, error.clone());
                            News::Again { place, error, after }
                        }
                        _ => News::Done { place, outcome: Err(error), took },
                    });
                }
            }
        }
        let begun = self.submit(&ready, controller, now);
        follows.into_iter().for_each(|then| self.follow(then, controller, now));
        Started { begun, news }
    }

    /// Asks one that has held up others again, by itself; its time began when it was asked first.
    pub fn alone(
        &mut self,
        operation: OperationId,
        deadline: Option<Instant>,
        controller: &mut Controller,
        now: Instant,
    ) -> Vec<Begun> {
        let Some(Slot { place, context, since }) = self.running.remove(&operation) else { return Vec::new() };
        let begun = self.submit(&[(place, context)], controller, now);
        for Begun { operation, .. } in &begun {
            controller.keep_deadline(*operation, deadline);
            self.running.insert(*operation, Slot { place, context, since });
        }
        begun
    }

    fn origin_hops(&self) -> usize {
        self.origin.as_ref().map_or(0, |(origin, _)| origin.target.hops.len())
    }

    fn submit(
        &mut self,
        ready: &[(Place, ContextId)],
        controller: &mut Controller,
        now: Instant,
    ) -> Vec<Begun> {
        let contexts: Vec<_> = ready.iter().map(|(_, context)| *context).collect();
        let submitted = match (&self.request, &self.origin) {
            (Request::Put(_), Some((origin, Some(source)))) => {
                controller.submit_put_from(*source, &origin.fetch, &contexts, &self.request, now)
            }
            (Request::Put(_), _) => controller.submit_put(&contexts, &self.request, now),
            (request, _) => {
                let alone = |context: &ContextId| controller.submit(*context, request, now);
                contexts.iter().map(alone).map(Submitted::alone).collect()
            }
        };
        let mut begun = Vec::new();
        for ((place, context), Submitted { operation, feeder }) in ready.iter().zip(submitted) {
            self.running.insert(operation, Slot { place: *place, context: *context, since: now });
            begun.push(Begun { operation, feeder, place: *place });
        }
        begun
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
            Report::LeftBehind { operation, .. } if self.stopped => {
                let error = HostError { hop: None, kind: HostErrorKind::Interrupted, said: Vec::new() };
                let report = Report::Done { operation, outcome: Err(error) };
                self.handle_report(controller, report, jitter, now)
            }
            Report::Done { operation, outcome } => {
                let slot = self.running.remove(&operation)?;
                controller.close(slot.context);
                let then = self.schedule.end(slot.place, End::of(&outcome), jitter, now);
                self.follow(then, controller, now);
                let (place, took) = (slot.place, now.duration_since(slot.since));
                Some(match (then, outcome.map_err(Box::new)) {
                    (Then::Again(after), Err(error)) => {
                        self.refused.insert(place, error.clone());
                        News::Again { place, error, after }
                    }
                    (_, outcome) => News::Done { place, outcome, took },
                })
            }
            Report::Said { operation, source, said } => {
                let place = self.running.get(&operation)?.place;
                Some(News::Said { place, operation, source, said })
            }
            Report::LeftBehind { operation, deadline } => Some(News::LeftBehind { operation, deadline }),
        }
    }

    fn follow(&mut self, then: Then, controller: &mut Controller, now: Instant) {
        match then {
            Then::GoOn | Then::Again(_) => {}
            Then::StartNoMore => self.never.extend(self.schedule.stop()),
            Then::StopAll => self.stop(controller, now),
        }
        if self.is_done() {
            controller.close_all();
        }
    }

    /// A target that is not started any more; one that was to be tried again ends as its last attempt did.
    pub fn poll_never(&mut self) -> Option<News> {
        let place = self.never.pop_front()?;
        let error = self.refused.remove(&place).unwrap_or_else(|| {
            Box::new(HostError { hop: None, kind: HostErrorKind::NotStarted, said: Vec::new() })
        });
        Some(News::Done { place, outcome: Err(error), took: Duration::ZERO })
    }

    /// Whether any run.
    pub fn is_busy(&self) -> bool {
        !self.running.is_empty()
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

    /// How many targets have not been started, or are to be tried again.
    pub fn waiting(&self) -> usize {
        self.schedule.waiting()
    }

    /// How many of those have been tried.
    pub fn to_try_again(&self) -> usize {
        self.schedule.to_try_again()
    }

    /// Starts nothing more and stops what runs; the others are told by [`Self::poll_never`].
    pub fn stop(&mut self, controller: &mut Controller, now: Instant) {
        self.stopped = true;
        self.running.keys().for_each(|operation| controller.cancel(*operation, now));
        self.never.extend(self.schedule.stop());
    }

    pub fn is_done(&self) -> bool {
        self.schedule.is_done()
    }
}
