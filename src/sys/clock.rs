//! The time, for those who may ask.

use std::time::{Instant, SystemTime};

#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub fn now() -> Instant {
    Instant::now()
}

/// What this machine's clock shows, to be compared with another's.
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}
