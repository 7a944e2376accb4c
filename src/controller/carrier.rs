//! A session as a way in: what it holds open is not opened once more, but carries what a hop's program would.

use super::Settings;
use super::ways::{Runtime, agent};
use crate::error::HostError;
use crate::hosts::target::{Hop, Target, Way};
use crate::sys::identity;
use crate::transport::{Plan, Terminal};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// A session, by its socket, and the paths that it holds.
#[derive(Clone, Debug, Default)]
pub struct Carrier {
    pub socket: PathBuf,
    /// As the session knows each.
    pub held: HashMap<Vec<Way>, String>,
    /// Why it could not open others just now: they are not tried once more at once.
    pub failed: HashMap<Vec<Way>, HostError>,
    /// What it is to call what it carries.
    pub label: String,
    /// While this is open, they stay so.
    pub stays: Option<Arc<OwnedFd>>,
}

impl Carrier {
    /// How many hops of a path it holds.
    pub(super) fn longest(&self, hops: &[Hop]) -> usize {
        (1..=hops.len()).rev().find(|count| self.held.contains_key(&steps(&hops[..*count]))).unwrap_or(0)
    }

    /// What has kept the session from opening a path. It is told once: whoever asks again wants it to be tried.
    pub(super) fn failure(&mut self, target: &Target) -> Option<HostError> {
        self.failed.remove(&steps(&target.hops))
    }

    /// How an agent is started at the end of a path that it holds.
    pub(super) fn plan(
        &self,
        target: &Target,
        settings: &Settings,
        runtime: Runtime,
    ) -> Option<Result<Plan, HostError>> {
        let (hop, held) = (target.hops.last()?, self.held.get(&steps(&target.hops))?);
        Some(agent(hop, settings, runtime).map(|wording| {
            let socket = self.socket.to_string_lossy();
            let words = [identity::PROGRAM, "through", &socket, &target.name, held, &self.label];
            let mut argv = words.map(str::to_owned).to_vec();
            argv.push(wording.command);
            Plan { argv, terminal: Terminal::None }
        }))
    }
}

/// What of hops leads there; which interpreter serves is another matter.
pub fn steps(hops: &[Hop]) -> Vec<Way> {
    hops.iter().map(|hop| hop.way.clone()).collect()
}
