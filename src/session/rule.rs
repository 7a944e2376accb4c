//! What a socket that is for one thing gives names their meaning by.

use crate::hosts::inventory::{Inventory, Said};
use crate::hosts::target::{Hop, Target, Way};
use crate::proto::message::session::{Path, Place, Rule, Terms};

/// Where something is to run, by the rule of the socket at which it was asked for, and what holds on the way.
///
/// # Errors
///
/// What is wrong with it, for the client.
pub(super) fn way(rule: Option<&Rule>, place: &Place, terms: &Terms) -> Result<(Path, Terms), String> {
    let Some(rule) = rule else {
        return match place {
            Place::Path(path) => Ok((path.clone(), terms.clone())),
            Place::Host { host, .. } => Err(format!("{host}: this socket takes whole paths")),
        };
    };
    // A question is shown where the program runs that needs the answer.
    let terms = Terms { asks: terms.asks, ..rule.terms.clone() };
    let (host, user, port, config, options) = match (&rule.to, place) {
        (Some(path), _) => return Ok((path.clone(), terms)),
        (None, Place::Path(path)) => (&path.hops, None, None, None, &[][..]),
        (None, Place::Host { host, user, port, config, options }) => {
            (host, user.as_deref(), *port, config.as_deref(), &options[..])
        }
    };
    let inventory = Inventory::parse(&rule.inventory).map_err(|error| error.to_string())?;
    let [via, become_other, python] = rule.said;
    let target =
        inventory.target(host, Said { via, become_other, python }).map_err(|error| error.to_string())?;
    let mut target = target.entered_as(user, port, config, options).map_err(|error| error.to_string())?;
    target.hops.splice(0..0, hops(&rule.via)?);
    target.hops.extend(hops(&rule.become_other)?);
    let exec = target.hops.iter().filter_map(|hop| match &hop.way {
        Way::Exec { name } => Some((name.clone(), inventory.exec(name).ok()?)),
        _ => None,
    });
    let terms = Terms { exec: exec.collect(), ..terms };
    Ok((Path { hops: target.written(), name: target.name }, terms))
}

fn hops(written: &str) -> Result<Vec<Hop>, String> {
    if written.is_empty() {
        return Ok(Vec::new());
    }
    Target::parse(written).map(|target| target.hops).map_err(|error| error.to_string())
}
