//! How a command comes to use what a session holds open.

use super::{find, find_or_start, hear_held, label, open_all, paths, terms};
use crate::cli;
use crate::controller::{Carrier, Settings, steps};
use crate::error::{HostError, HostErrorKind, SessionError};
use crate::hosts::target::{Target, Way as Step};
use crate::proto::message::session::{Fault, FromSession, Path, ToSession};
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
    let mut failed = HashMap::new();
    if typed.persist.is_some() {
        let terms = terms(settings, targets, typed.persist, false);
        open_all(&mut caller, &paths(targets), &terms, FANOUT, &mut |heard| {
            if let FromSession::Failed(fault) = heard {
                failed.extend(failure(fault, targets));
            }
        })?;
    }
    let held = held(&mut caller, settings, targets)?;
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let label = label(std::iter::once("hopvine".to_owned()).chain(words));
    let stays = Some(Arc::new(caller.handle()?.into()));
    Ok(Some(Carrier { socket: socket()?, held, failed, label, stays }))
}

/// A way that is not to be tried once more, and why; not what only the session is in the way of.
fn failure(fault: &Fault, targets: &[Target]) -> Option<(Vec<Step>, HostError)> {
    let mut named = targets.iter().filter(|target| target.name == fault.name);
    let target = named.next().filter(|_| fault.kind != Fault::OF_SESSION && named.next().is_none())?;
    let Fault { kind, text, hop, lines, advice, .. } = fault.clone();
    let text = match hop.as_ref().and_then(|hop| text.strip_prefix(hop.as_str())?.strip_prefix(": ")) {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    let kind = HostErrorKind::Told { word: kind, text, advice };
    Some((steps(&target.hops), HostError { hop, kind, said: lines }))
}

/// The user's session as a way to the beginning of one of this process's own, which it carries while `caller` is open.
pub(crate) fn beginning(
    caller: &mut Caller,
    settings: &Settings,
    target: &Target,
    label: String,
) -> Result<Option<Carrier>, SessionError> {
    let held = held(caller, settings, std::slice::from_ref(target))?;
    let carrier = |socket| Carrier { socket, held: held.clone(), label, ..Carrier::default() };
    Ok(if held.is_empty() { None } else { Some(carrier(socket()?)) })
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
