//! How a command comes to use what a session holds open.

use super::{find, find_or_start, hear_held, label, open_all, paths, terms};
use crate::cli;
use crate::controller::{Carrier, Settings, steps};
use crate::error::SessionError;
use crate::hosts::target::{Target, Way as Step};
use crate::proto::message::session::{Path, ToSession};
use crate::report;
use crate::session::caller::Caller;
use crate::session::socket;
use std::collections::HashMap;
use std::sync::Arc;

/// How many are opened at a time.
const FANOUT: usize = 64;

/// What holds for the way to targets, with what the user's session holds open on it; with --persist, all of it.
pub(crate) fn carried(settings: Settings, typed: &cli::Sharing, targets: &[Target]) -> Settings {
    if typed.no_session {
        return settings;
    }
    match carrier(&settings, typed, targets) {
        Ok(carrier) => Settings { carrier, ..settings },
        Err(error) => {
            // All can be done without it.
            report::complain(&error.to_string());
            settings
        }
    }
}

fn carrier(
    settings: &Settings,
    typed: &cli::Sharing,
    targets: &[Target],
) -> Result<Option<Carrier>, SessionError> {
    let found = if typed.persist.is_some() { Some(find_or_start()?) } else { find()? };
    let Some(mut caller) = found else { return Ok(None) };
    if typed.persist.is_some() {
        let terms = terms(settings, targets, typed.persist, false);
        // What cannot be opened is told by whoever tries then to do something there.
        open_all(&mut caller, &paths(targets), &terms, FANOUT, &mut |_| {})?;
    }
    let held = held(&mut caller, settings, targets)?;
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let label = label(std::iter::once("hopvine".to_owned()).chain(words));
    let stays = Some(Arc::new(caller.handle()?.into()));
    Ok(Some(Carrier { socket: socket()?, held, label, stays }))
}

/// What a session holds on the way to targets, and goes on to hold while it can hear us; without targets, all of it.
fn held(
    caller: &mut Caller,
    settings: &Settings,
    targets: &[Target],
) -> Result<HashMap<Vec<Step>, String>, SessionError> {
    let leads = |way: &[Step]| targets.iter().any(|target| steps(&target.hops).starts_with(way));
    let all = super::held(caller, settings)?.into_iter().map(|(target, path)| (steps(&target.hops), path));
    let held: Vec<(Vec<Step>, Path)> = all.filter(|(way, _)| targets.is_empty() || leads(way)).collect();
    if targets.is_empty() {
        return Ok(held.into_iter().map(|(way, path)| (way, path.hops)).collect());
    }
    caller.say(&ToSession::Keep(held.iter().map(|(_, path)| path.clone()).collect()), &[])?;
    let kept: Vec<Path> = hear_held(caller)?.into_iter().map(|open| open.path).collect();
    Ok(held.into_iter().filter(|(_, path)| kept.contains(path)).map(|(way, path)| (way, path.hops)).collect())
}
