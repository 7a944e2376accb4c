//! How much a peer may have on its way on one stream: as much as keeps the link busy, and little more, as all of it
//! stands before whatever else is said there (docs/PROTOCOL.md, "Streams").

use super::{MAX_WINDOW_BYTES, WINDOW_BYTES};
use std::time::{Duration, Instant};

/// What stands on the way may drain in twice what it usually takes to go round, and so much.
const SLACK: Duration = Duration::from_millis(2);
/// What is left of the peak after each round.
const PEAK_DECAY: f64 = 0.99;
/// A link that others keep busy is slow now and then: so much, or what drains in that time, is not too much.
const LEAST_BYTES: f64 = 256.0 * 1024.0;
const LEAST: Duration = Duration::from_millis(10);

/// What all streams of one peer have together.
#[derive(Debug)]
pub(super) struct Pool {
    /// What their windows may still grow by.
    pub(super) growth_bytes: u32,
    /// The quickest that credit for any of them has brought what it allowed, and what it usually takes beside
    /// what of ours has to drain before.
    quickest: Option<Duration>,
    usual: Duration,
    /// The most bytes a second that have drained lately.
    peak: f64,
}

impl Pool {
    pub(super) fn new(growth_bytes: u32) -> Self {
        Self { growth_bytes, quickest: None, usual: Duration::ZERO, peak: 0.0 }
    }
}

/// The reader's side of a stream's credit.
#[derive(Debug)]
pub(super) struct Window {
    bytes: u32,
    /// What it has taken out of the pool: for itself, or for what it was before and is still on its way.
    growth_bytes: u32,
    /// In all: what the peer was allowed to send, and what has been used up. `used <= allowed`.
    allowed: u64,
    used: u64,
    /// No round has taken too long yet.
    doubles: bool,
    round: Option<Round>,
}

/// From an allowance until the last byte of it has been used up.
#[derive(Clone, Copy, Debug)]
struct Round {
    began: Instant,
    /// Of what was allowed and used: what was used up, the first byte and the last that it is about.
    from: u64,
    first: u64,
    last: u64,
    /// How long the first byte took.
    trip: Option<Duration>,
}

impl Default for Window {
    fn default() -> Self {
        let bytes = WINDOW_BYTES;
        Self { bytes, growth_bytes: 0, allowed: bytes.into(), used: 0, doubles: true, round: None }
    }
}

impl Window {
    /// Notes what has been used up, and returns the credit to give for it, if it is time. With `adapts` the window
    /// becomes what the link has shown that it needs, as far as the pool goes.
    pub(super) fn use_up(
        &mut self,
        bytes: usize,
        adapts: bool,
        pool: &mut Pool,
        now: Instant,
    ) -> Option<u32> {
        // Whoever says that more has been used than had come gets no credit for it.
        self.used = self.allowed.min(self.used + bytes as u64);
        if adapts {
            self.look_back(pool, now);
        }
        let open = u32::try_from(self.allowed - self.used).unwrap_or(u32::MAX);
        if open > self.bytes / 2 {
            return None;
        }
        if adapts && self.doubles {
            self.bytes = self.bytes.saturating_mul(2).min(MAX_WINDOW_BYTES);
        }
        self.settle(open, pool);
        let (first, credit) = (self.allowed, self.bytes.saturating_sub(open));
        self.allowed += u64::from(credit);
        let (from, last) = (self.used, self.allowed);
        self.round.get_or_insert(Round { began: now, from, first, last, trip: None });
        (credit > 0).then_some(credit)
    }

    pub(super) fn growth_bytes(&self) -> u32 {
        self.growth_bytes
    }

    /// Where a round has ended, the window becomes what drains in the time that it may take.
    fn look_back(&mut self, pool: &mut Pool, now: Instant) {
        let Some(round) = &mut self.round else { return };
        let took = now.saturating_duration_since(round.began).max(Duration::from_micros(1));
        if self.used > round.first {
            let trip = *round.trip.get_or_insert(took);
            pool.quickest = Some(pool.quickest.map_or(trip, |quickest| quickest.min(trip)));
        }
        if self.used < round.last {
            return;
        }
        let (Some(quickest), Some(trip)) = (pool.quickest, round.trip) else { return };
        let a_second = (self.used - round.from) as f64 / took.as_secs_f64();
        pool.peak = a_second.max(pool.peak * PEAK_DECAY);
        let ours = Duration::from_secs_f64((round.first - round.from) as f64 / pool.peak);
        // Where nothing was sent for a while, that is not the link's doing.
        let beside = trip.saturating_sub(ours).clamp(quickest, quickest + LEAST);
        pool.usual = (pool.usual * 7 + beside) / 8;
        let may_take = 2 * pool.usual.max(quickest) + SLACK;
        self.round = None;
        self.doubles &= took <= may_take;
        if self.doubles {
            return;
        }
        let least = (a_second * LEAST.as_secs_f64()).min(LEAST_BYTES).max(WINDOW_BYTES.into());
        let before = f64::from(self.bytes);
        if before <= least && trip > may_take {
            // Nothing of ours was in the way: that is how long it takes now.
            pool.quickest = Some(trip);
        }
        let drains = (a_second * may_take.as_secs_f64()).clamp(before / 2.0, before * 2.0);
        self.bytes = drains.clamp(least, MAX_WINDOW_BYTES.into()) as u32;
    }

    /// Takes from the pool what is needed, as far as that is there, and gives back what is not.
    fn settle(&mut self, open: u32, pool: &mut Pool) {
        let wanted = self.bytes.max(open).saturating_sub(WINDOW_BYTES);
        pool.growth_bytes += self.growth_bytes;
        self.growth_bytes = wanted.min(pool.growth_bytes);
        pool.growth_bytes -= self.growth_bytes;
        self.bytes = self.bytes.min(WINDOW_BYTES + self.growth_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// A sender that always has more, a link of some rate and length, a reader that uses up what comes at once.
    struct Path {
        window: Window,
        pool: Pool,
        a_second: f64,
        round_trip: Duration,
        now: Instant,
        /// Until when the link is busy, and what is on its way: when it has come, and how much it is.
        busy: Instant,
        coming: VecDeque<(Instant, u32)>,
        /// How long each piece stood before the link.
        stood: Vec<Duration>,
        used: u64,
    }

    impl Path {
        fn new(a_second: f64, round_trip: Duration) -> Self {
            let now = crate::sys::clock::now();
            let pool = Pool::new(4 * MAX_WINDOW_BYTES);
            let mut path = Self {
                window: Window::default(),
                pool,
                a_second,
                round_trip,
                now,
                busy: now,
                coming: VecDeque::new(),
                stood: Vec::new(),
                used: 0,
            };
            path.allow(WINDOW_BYTES);
            path
        }

        fn allow(&mut self, mut bytes: u32) {
            let sent = self.now + self.round_trip / 2;
            while bytes > 0 {
                let piece = bytes.min(32 * 1024);
                let begins = self.busy.max(sent);
                self.stood.push(begins - sent);
                self.busy = begins + Duration::from_secs_f64(f64::from(piece) / self.a_second);
                self.coming.push_back((self.busy + self.round_trip / 2, piece));
                bytes -= piece;
            }
        }

        /// Returns the bytes a second that have passed, and how long the longest stood.
        fn pass(&mut self, time: Duration) -> (f64, Duration) {
            let (until, before) = (self.now + time, self.used);
            self.stood.clear();
            while let Some((comes, bytes)) = self.coming.front().copied().filter(|(comes, _)| *comes < until)
            {
                self.coming.pop_front();
                self.now = comes;
                self.used += u64::from(bytes);
                if let Some(credit) = self.window.use_up(bytes as usize, true, &mut self.pool, comes) {
                    self.allow(credit);
                }
            }
            self.now = until;
            let stood = self.stood.iter().max().copied().unwrap_or_default();
            ((self.used - before) as f64 / time.as_secs_f64(), stood)
        }
    }

    #[test]
    fn a_quick_short_link_is_kept_busy_with_some_milliseconds() {
        let mut path = Path::new(180e6, MILLISECOND / 2);
        path.pass(200 * MILLISECOND);
        let (a_second, stood) = path.pass(Duration::from_secs(1));
        assert!(a_second > 0.98 * 180e6, "{a_second}");
        assert!(stood < 4 * MILLISECOND, "{stood:?}");
        assert!(path.window.bytes < MAX_WINDOW_BYTES / 4, "{}", path.window.bytes);
    }

    #[test]
    fn a_long_fat_link_gets_the_whole_window_as_soon_as_ever() {
        let mut path = Path::new(1e9, 100 * MILLISECOND);
        // It doubles with each round trip.
        path.pass(750 * MILLISECOND);
        assert_eq!(path.window.bytes, MAX_WINDOW_BYTES);
        let (a_second, _) = path.pass(Duration::from_secs(2));
        assert!(a_second > 0.95 * f64::from(MAX_WINDOW_BYTES) / 0.1, "{a_second}");
    }

    #[test]
    fn a_long_link_is_kept_busy_with_no_more_than_a_round_trip() {
        let mut path = Path::new(10e6, 100 * MILLISECOND);
        path.pass(Duration::from_secs(2));
        let (a_second, stood) = path.pass(Duration::from_secs(2));
        assert!(a_second > 0.98 * 10e6, "{a_second}");
        assert!(stood < 130 * MILLISECOND, "{stood:?}");
    }

    #[test]
    fn a_slow_link_is_left_with_what_a_stream_begins_with() {
        let mut path = Path::new(1e6, 5 * MILLISECOND);
        path.pass(Duration::from_secs(60));
        assert!(path.window.bytes <= 3 * WINDOW_BYTES, "{}", path.window.bytes);
    }

    #[test]
    fn a_link_that_becomes_slower_is_given_less_and_one_that_becomes_quicker_more() {
        let mut path = Path::new(200e6, MILLISECOND);
        path.pass(Duration::from_secs(1));
        let before = path.window.bytes;
        path.a_second = 20e6;
        path.pass(Duration::from_secs(1));
        assert!(path.window.bytes < before / 2, "{before} {}", path.window.bytes);
        path.a_second = 200e6;
        let (_, stood) = (path.pass(MILLISECOND * 200), path.pass(Duration::from_secs(1)).1);
        assert!(path.window.bytes > before / 2 && stood < 5 * MILLISECOND, "{} {stood:?}", path.window.bytes);
    }

    #[test]
    fn a_way_that_becomes_longer_is_learned() {
        let mut path = Path::new(100e6, 2 * MILLISECOND);
        path.pass(Duration::from_secs(1));
        path.round_trip = 100 * MILLISECOND;
        path.pass(Duration::from_secs(5));
        let (a_second, _) = path.pass(Duration::from_secs(2));
        assert!(a_second > 0.8 * f64::from(MAX_WINDOW_BYTES) / 0.1, "{a_second}");
    }

    #[test]
    fn what_does_not_adapt_stays_as_it_is() {
        let mut pool = Pool::new(4 * MAX_WINDOW_BYTES);
        let (mut window, now) = (Window::default(), crate::sys::clock::now());
        let half = WINDOW_BYTES / 2;
        assert_eq!(window.use_up(half as usize - 1, false, &mut pool, now), None);
        assert_eq!(window.use_up(1, false, &mut pool, now), Some(half));
        assert_eq!(window.use_up(usize::MAX / 2, false, &mut pool, now), Some(WINDOW_BYTES));
        assert_eq!(pool.growth_bytes, 4 * MAX_WINDOW_BYTES);
    }

    #[test]
    fn a_pool_that_is_empty_stops_growth_and_what_shrinks_fills_it() {
        let mut path = Path::new(1e9, 100 * MILLISECOND);
        path.pool.growth_bytes = MAX_WINDOW_BYTES / 2;
        path.pass(Duration::from_secs(2));
        assert_eq!(path.window.bytes, WINDOW_BYTES + MAX_WINDOW_BYTES / 2);
        assert_eq!(path.pool.growth_bytes, 0);
        path.a_second = 100e3;
        path.pass(Duration::from_secs(600));
        assert_eq!(path.pool.growth_bytes + path.window.growth_bytes(), MAX_WINDOW_BYTES / 2);
        assert!(path.window.growth_bytes() < MAX_WINDOW_BYTES / 8, "{}", path.window.growth_bytes());
    }
}
