//! When which target of a fleet has its turn: a window over the list, batches, limits of failures, and
//! new attempts to connect. Pure: what happens and the time go in, places come out.

use super::Place;
use crate::controller::attempt::{End, back_off};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What a user has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many run at once.
    pub fanout: usize,
    /// How many are started only when all before them are done; one at least.
    pub serial: Option<Share>,
    /// With more failures nothing more is started.
    pub max_failures: Option<Share>,
    /// With the first failure all that runs is stopped too.
    pub fail_fast: bool,
    /// How often a target is tried again that was not reached.
    pub retries: u32,
}

/// So many of all targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Count(usize),
    Percent(u8),
}

impl Share {
    fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => total.saturating_mul(percent.into()) / 100,
        }
    }
}

/// What follows from an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// The same target again, after this time: it has not ended.
    Again(Duration),
    StartNoMore,
    StopAll,
}

#[derive(Debug)]
pub(super) struct Schedule {
    rules: Rules,
    total: usize,
    next: Place,
    /// Up to where targets may be started.
    batch_end: Place,
    running: usize,
    failed: usize,
    /// Where another attempt is due, and when.
    again: BTreeSet<(Instant, Place)>,
    /// How many attempts have failed, by place.
    attempts: Vec<u32>,
    /// Nothing more is started.
    stopped: bool,
}

impl Schedule {
    pub(super) fn new(total: usize, rules: Rules) -> Self {
        let mut schedule = Self {
            rules: Rules { fanout: rules.fanout.max(1), ..rules },
            total,
            next: 0,
            batch_end: 0,
            running: 0,
            failed: 0,
            again: BTreeSet::new(),
            attempts: vec![0; total],
            stopped: false,
        };
        schedule.begin_batch();
        schedule
    }

    /// Whose turn it is.
    pub(super) fn next(&self, now: Instant) -> Option<Place> {
        if self.running >= self.rules.fanout {
            return None;
        }
        let again = self.again.first().filter(|(at, _)| *at <= now).map(|(_, place)| *place);
        again.or_else(|| (self.next < self.batch_end).then_some(self.next))
    }

    /// Takes the turn that [`Self::next`] tells.
    pub(super) fn start(&mut self, now: Instant) -> Option<Place> {
        let place = self.next(now)?;
        self.running += 1;
        match self.again.first().filter(|(_, first)| *first == place).copied() {
            Some(due) => drop(self.again.remove(&due)),
            None => self.next += 1,
        }
        Some(place)
    }

    /// When somebody has another turn who is not due yet.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.again.first().filter(|_| self.running < self.rules.fanout).map(|(at, _)| *at)
    }

    /// One that runs has ended. `jitter`: any number, so that not all come back at once.
    pub(super) fn end(&mut self, place: Place, end: End, jitter: u64, now: Instant) -> Then {
        self.running -= 1;
        let then = self.follows(place, end, jitter);
        match then {
            Then::Again(after) => drop(self.again.insert((now + after, place))),
            Then::GoOn if self.running == 0 && self.again.is_empty() && self.next == self.batch_end => {
                self.begin_batch();
            }
            Then::GoOn | Then::StartNoMore | Then::StopAll => {}
        }
        then
    }

    fn follows(&mut self, place: Place, end: End, jitter: u64) -> Then {
        let attempt = &mut self.attempts[place];
        match end {
            End::Well => return Then::GoOn,
            End::NotReached if *attempt < self.rules.retries && !self.stopped => {
                *attempt += 1;
                return Then::Again(back_off(*attempt, jitter));
            }
            End::NotReached | End::Failed => self.failed += 1,
        }
        if self.rules.fail_fast {
            return Then::StopAll;
        }
        match self.rules.max_failures {
            Some(most) if self.failed > most.of(self.total) => Then::StartNoMore,
            Some(_) | None => Then::GoOn,
        }
    }

    fn begin_batch(&mut self) {
        let batch = self.rules.serial.map_or(self.total, |share| share.of(self.total).max(1));
        self.batch_end = self.next.saturating_add(batch).min(self.total);
    }

    /// Starts nothing more; returns those that have not been started, or were to be tried again.
    pub(super) fn stop(&mut self) -> Vec<Place> {
        let again = std::mem::take(&mut self.again);
        let mut left: Vec<_> =
            again.into_iter().map(|(_, place)| place).chain(self.next..self.total).collect();
        left.sort_unstable();
        (self.next, self.batch_end, self.stopped) = (self.total, self.total, true);
        left
    }

    /// Targets that have not been started, or are to be tried again.
    pub(super) fn waiting(&self) -> usize {
        self.total - self.next + self.again.len()
    }

    pub(super) fn to_try_again(&self) -> usize {
        self.again.len()
    }

    pub(super) fn is_done(&self) -> bool {
        self.waiting() == 0 && self.running == 0
    }

    /// Whether nobody will have another turn.
    pub(super) fn have_all_begun(&self) -> bool {
        self.waiting() == 0 && self.rules.retries == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::attempt::FIRST_BACK_OFF;
    use crate::sys::clock;
    use proptest::prelude::*;

    const PLAIN: Rules =
        Rules { fanout: 100, serial: None, max_failures: None, fail_fast: false, retries: 0 };

    fn started(schedule: &mut Schedule, now: Instant) -> Vec<Place> {
        std::iter::from_fn(|| schedule.start(now)).collect()
    }

    #[test]
    fn a_window_slides_over_the_list() {
        let now = clock::now();
        let mut schedule = Schedule::new(5, Rules { fanout: 2, ..PLAIN });
        assert_eq!(started(&mut schedule, now), [0, 1]);
        assert_eq!(schedule.end(1, End::Failed, 0, now), Then::GoOn);
        assert_eq!(started(&mut schedule, now), [2]);
        assert_eq!((schedule.waiting(), schedule.is_done()), (2, false));
    }

    #[test]
    fn a_batch_begins_when_the_one_before_it_is_done() {
        let now = clock::now();
        for batch in [Share::Count(2), Share::Percent(40), Share::Percent(59)] {
            let mut schedule = Schedule::new(5, Rules { serial: Some(batch), ..PLAIN });
            assert_eq!(started(&mut schedule, now), [0, 1]);
            schedule.end(0, End::Well, 0, now);
            assert!(started(&mut schedule, now).is_empty());
            schedule.end(1, End::Failed, 0, now);
            assert_eq!(started(&mut schedule, now), [2, 3]);
            schedule.end(3, End::Well, 0, now);
            schedule.end(2, End::Well, 0, now);
            assert_eq!(started(&mut schedule, now), [4]);
            schedule.end(4, End::Well, 0, now);
            assert!(schedule.is_done());
        }
    }

    #[test]
    fn a_small_share_of_few_is_one() {
        let mut schedule = Schedule::new(3, Rules { serial: Some(Share::Percent(10)), ..PLAIN });
        assert_eq!(started(&mut schedule, clock::now()), [0]);
    }

    #[test]
    fn all_have_begun_when_nobody_has_another_turn() {
        let now = clock::now();
        let mut schedule = Schedule::new(2, Rules { fanout: 1, ..PLAIN });
        started(&mut schedule, now);
        assert!(!schedule.have_all_begun());
        schedule.end(0, End::Well, 0, now);
        started(&mut schedule, now);
        assert!(schedule.have_all_begun());
        let mut schedule = Schedule::new(1, Rules { retries: 1, ..PLAIN });
        started(&mut schedule, now);
        assert!(!schedule.have_all_begun(), "it may be tried again");
    }

    #[test]
    fn nothing_is_started_after_too_many_failures() {
        let now = clock::now();
        for (most, tolerated) in
            [(Share::Count(0), 0), (Share::Count(2), 2), (Share::Percent(30), 3), (Share::Percent(0), 0)]
        {
            let mut schedule = Schedule::new(10, Rules { fanout: 5, max_failures: Some(most), ..PLAIN });
            started(&mut schedule, now);
            for place in 0..tolerated {
                assert_eq!(schedule.end(place, End::Failed, 0, now), Then::GoOn, "{most:?}");
            }
            assert_eq!(schedule.end(tolerated, End::Failed, 0, now), Then::StartNoMore, "{most:?}");
        }
    }

    #[test]
    fn the_first_failure_stops_all_where_that_is_wanted() {
        let now = clock::now();
        let mut schedule = Schedule::new(4, Rules { fanout: 2, fail_fast: true, ..PLAIN });
        started(&mut schedule, now);
        assert_eq!(schedule.end(0, End::Well, 0, now), Then::GoOn);
        started(&mut schedule, now);
        assert_eq!(schedule.end(1, End::Failed, 0, now), Then::StopAll);
        assert_eq!(schedule.stop(), [3]);
        schedule.end(2, End::Failed, 0, now);
        assert!(schedule.is_done() && schedule.stop().is_empty());
    }

    #[test]
    fn who_was_not_reached_is_tried_again_later_and_later() {
        let now = clock::now();
        let mut schedule =
            Schedule::new(2, Rules { serial: Some(Share::Count(1)), retries: 2, fail_fast: true, ..PLAIN });
        assert_eq!(started(&mut schedule, now), [0]);
        assert_eq!(schedule.end(0, End::NotReached, 512, now), Then::Again(FIRST_BACK_OFF));
        assert!(started(&mut schedule, now).is_empty(), "its batch is not over");
        assert_eq!((schedule.poll_timeout(), schedule.waiting()), (Some(now + FIRST_BACK_OFF), 2));
        let now = now + FIRST_BACK_OFF;
        assert_eq!(started(&mut schedule, now), [0]);
        assert_eq!(schedule.end(0, End::NotReached, 0, now), Then::Again(FIRST_BACK_OFF));
        let now = now + FIRST_BACK_OFF;
        assert_eq!(started(&mut schedule, now), [0]);
        assert_eq!(schedule.end(0, End::NotReached, 0, now), Then::StopAll);
        assert_eq!(schedule.stop(), [1]);
    }

    #[test]
    fn what_has_begun_is_not_begun_again() {
        let now = clock::now();
        let mut schedule = Schedule::new(1, Rules { retries: 5, ..PLAIN });
        started(&mut schedule, now);
        assert_eq!(schedule.end(0, End::Failed, 0, now), Then::GoOn);
        assert!(schedule.is_done());
    }

    proptest! {
        #[test]
        fn everybody_has_a_turn_and_never_too_many(
            total in 0usize..40,
            fanout in 1usize..10,
            serial in prop::option::of(1usize..10),
            retries in 0u32..3,
            ends in prop::collection::vec((0usize..10, 0u8..3), 200),
        ) {
            let mut now = clock::now();
            let mut schedule = Schedule::new(total, Rules { fanout, serial: serial.map(Share::Count), retries, ..PLAIN });
            let (mut running, mut ended) = (Vec::new(), BTreeSet::new());
            for (which, how) in ends {
                running.extend(started(&mut schedule, now));
                prop_assert!(running.len() <= fanout.min(serial.unwrap_or(fanout)));
                if running.is_empty() {
                    let Some(at) = schedule.poll_timeout() else { break };
                    now = at;
                    continue;
                }
                let place = running.remove(which % running.len());
                let end = [End::Well, End::Failed, End::NotReached][usize::from(how)];
                if !matches!(schedule.end(place, end, which as u64 * 100, now), Then::Again(_)) {
                    prop_assert!(ended.insert(place));
                }
            }
            prop_assert_eq!(ended.len(), total);
            prop_assert!(schedule.is_done());
        }
    }
}
