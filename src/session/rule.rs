//! What a socket that is for one thing gives names their meaning by.

use crate::hosts::inventory::{Inventory, Said};
use crate::hosts::target::{Hop, Target};
use crate::proto::message::session::{Path, Place, Rule};

/// Where something is to run, by the rule of the socket at which it was asked for.
///
/// # Errors
///
/// What is wrong with it, for the client.
pub(super) fn path(rule: Option<&Rule>, place: &Place) -> Result<Path, String> {
    match (rule, place) {
        (None, Place::Path(path)) => Ok(path.clone()),
        (None, Place::Host { host, .. }) => Err(format!("{host}: this socket takes whole paths")),
        (Some(Rule { to: Some(path), .. }), _) => Ok(path.clone()),
        (Some(rule), Place::Path(path)) => resolve(rule, &path.hops, None, None, &[]),
        (Some(rule), Place::Host { host, user, port, options }) => {
            resolve(rule, host, user.as_deref(), *port, options)
        }
    }
}

fn resolve(
    rule: &Rule,
    host: &str,
    user: Option<&str>,
    port: Option<u16>,
    options: &[String],
) -> Result<Path, String> {
    let inventory = Inventory::parse(&rule.inventory).map_err(|error| error.to_string())?;
    let [via, become_other, python] = rule.said;
    let said = Said { via, become_other, python };
    let target = inventory.target(host, said).map_err(|error| error.to_string())?;
    let mut target = target.entered_as(user, port, options).map_err(|error| error.to_string())?;
    target.hops.splice(0..0, hops(&rule.via)?);
    target.hops.extend(hops(&rule.become_other)?);
    Ok(Path { hops: target.written(), name: target.name })
}

fn hops(written: &str) -> Result<Vec<Hop>, String> {
    if written.is_empty() {
        return Ok(Vec::new());
    }
    Target::parse(written).map(|target| target.hops).map_err(|error| error.to_string())
}
