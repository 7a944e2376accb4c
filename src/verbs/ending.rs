//! When a run over targets ends: by itself, or because the user, or who reads, wants it to.

use crate::error::ExitCode;
use crate::hosts::nodeset;
use std::time::{Duration, Instant};

/// After an interrupt, this is all the time that an orderly end gets.
pub(super) const LAST_WAIT: Duration = Duration::from_millis(900);
/// Of that, what the interrupted work gets: the rest is for the end of its agents.
pub(super) const LAST_CHANCE: Duration = Duration::from_millis(700);
const MAX_NAMES_CHARS: usize = 300;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// When all is done.
    Natural,
    /// The user has been told who still runs.
    AskedOnce,
    At {
        deadline: Instant,
        code: ExitCode,
    },
}

impl Ending {
    /// Ends soon, with that status; returns `false` where it does already.
    pub(super) fn stop(&mut self, code: ExitCode, now: Instant) -> bool {
        let first = !self.is_near();
        if first {
            *self = Self::At { deadline: now + LAST_WAIT, code };
        }
        first
    }

    pub(super) fn is_near(self) -> bool {
        matches!(self, Self::At { .. })
    }

    /// Whether it ends because nobody reads any more.
    pub(super) fn is_unread(self) -> bool {
        matches!(self, Self::At { code: ExitCode::Success, .. })
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::At { deadline, .. } => Some(deadline),
            Self::Natural | Self::AskedOnce => None,
        }
    }
}

/// What a first interrupt tells: who runs, how many have not been started, how many of these have been tried.
pub(super) fn left<'a>(running: impl Iterator<Item = &'a str>, to_start: usize, again: usize) -> String {
    let running: Vec<_> = running.collect();
    let mut names = nodeset::fold(running.iter().copied());
    if let Some((end, _)) = names.char_indices().nth(MAX_NAMES_CHARS) {
        names.truncate(end);
        names += "...";
    }
    let counts = [
        (running.len(), format!("running: {names}")),
        (to_start, "to start".to_owned()),
        (again, "to try again".to_owned()),
    ];
    let told = counts.into_iter().filter(|(count, _)| *count > 0);
    let told: String = told.map(|(count, what)| format!("{count} {what}; ")).collect();
    format!("{told}interrupt again to stop")
}
