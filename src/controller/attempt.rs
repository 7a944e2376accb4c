//! How an attempt on a target ended, and how long the target is left alone before another one.

use super::operation::Answer;
use crate::error::{HostError, Outcome};
use std::borrow::Borrow;
use std::time::Duration;

/// Before the second attempt; doubled before each that follows.
pub(super) const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Well,
    Failed,
    /// Nothing can have been begun there: it can be tried again.
    NotReached,
}

impl End {
    pub(super) fn of(outcome: &Result<Answer, impl Borrow<HostError>>) -> Self {
        match outcome.as_ref().map_err(Borrow::borrow) {
            Ok(answer) if answer.is_well() => Self::Well,
            Ok(_) => Self::Failed,
            Err(error) => Self::of_error(error),
        }
    }

    pub(super) fn of_error(error: &HostError) -> Self {
        match error {
            error if error.is_before_all() => Self::NotReached,
            // It was stopped because of others.
            error if error.outcome() == Outcome::Stopped => Self::Well,
            _ => Self::Failed,
        }
    }
}

/// Behind so many attempts that have failed, of which there is at least one: between a half and one and a half of
/// what it doubles to. `jitter`: any number.
pub(super) fn back_off(attempts: u32, jitter: u64) -> Duration {
    let whole = FIRST_BACK_OFF.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(MAX_BACK_OFF);
    whole / 2 + whole.mul_f64((jitter % 1024) as f64 / 1024.0)
}
