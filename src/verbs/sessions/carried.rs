//! How a command comes to use what a session holds open.

use super::{find, find_or_start, open_all, paths, terms};
use crate::cli;
use crate::controller::{Carrier, Settings, steps};
use crate::error::SessionError;
use crate::hosts::target::Target;
use crate::proto::message::session::{FromSession, ToSession};
use crate::report;
use crate::session::caller::Caller;
use crate::session::socket;
use std::collections::HashMap;

/// How many are opened at a time.
const FANOUT: usize = 64;

/// What holds for the way to targets, with what the user's session holds open on it; with --persist, all of it.
pub(crate) fn carried(settings: Settings, typed: &cli::Way, targets: &[Target]) -> Settings {
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
    typed: &cli::Way,
    targets: &[Target],
) -> Result<Option<Carrier>, SessionError> {
    let found = if typed.persist.is_some() { Some(find_or_start()?) } else { find()? };
    let Some(mut caller) = found else { return Ok(None) };
    if typed.persist.is_some() {
        let terms = terms(settings, targets, typed.persist, false);
        // What cannot be opened is told by whoever tries then to do something there.
        open_all(&mut caller, &paths(targets), &terms, FANOUT, &mut |_| {})?;
    }
    let held = held(&mut caller)?;
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    Ok(Some(Carrier { socket: socket()?, held, label: format!("hopvine {}", words.join(" ")) }))
}

fn held(caller: &mut Caller) -> Result<HashMap<Vec<crate::hosts::target::Way>, String>, SessionError> {
    caller.say(&ToSession::Held, &[])?;
    loop {
        match caller.hear()? {
            Some(FromSession::Held(paths)) => {
                let parsed = paths
                    .into_iter()
                    .filter_map(|path| Some((steps(&Target::parse(&path.hops).ok()?.hops), path.hops)));
                return Ok(parsed.collect());
            }
            Some(_) => {}
            None => return Err(SessionError::Gone),
        }
    }
}
