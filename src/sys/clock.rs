//! The time, for those who may ask.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub fn now() -> Instant {
    Instant::now()
}
