//! What a program's ssh leads to.

use super::{behind, check, extended, said, settings};
use crate::cli;
use crate::error::UsageError;
use crate::hosts::target::written;
use crate::proto::message::session::{Path, Rule, Terms};
use crate::sys::tty;
use crate::verbs::names::Names;
use crate::verbs::sessions;

/// All names have the meaning that the inventory gives them, or lead to one target.
pub(in crate::verbs) fn rule(typed: &cli::Fakessh) -> Result<Rule, UsageError> {
    let reach = &typed.reach;
    let cli::Way { secret, ask_login, ask_become, .. } = &reach.way;
    // Nobody knows yet which hops there will be.
    if typed.to.is_none() && secret.is_given() && !ask_login && !ask_become {
        return Err(UsageError::SecretUnsaid);
    }
    let names = Names::new(reach.way.inventory.as_deref())?;
    let to = match &typed.to {
        Some(to) => extended(vec![names.target(to, said(reach))?], reach, &names)?,
        None => Vec::new(),
    };
    to.iter().try_for_each(|target| check(target, &names))?;
    let settings = settings(&reach.way, &to, &names, true)?;
    let via = reach.via.as_deref().map_or_else(|| Ok(Vec::new()), |path| names.way(path))?;
    let become_other = reach.become_other.as_deref().map_or_else(|| Ok(Vec::new()), behind)?;
    let inventory = match names.inventory().1 {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| UsageError::Inventory { path: path.to_owned(), message: error.to_string() })?,
        None => String::new(),
    };
    let known = said(reach);
    Ok(Rule {
        to: to.first().map(|target| Path { name: target.name.clone(), hops: target.written() }),
        inventory,
        via: written(&via),
        become_other: written(&become_other),
        said: [known.via, known.become_other, known.python],
        terms: sessions::terms(&settings, &to, reach.way.persist, tty::is_there()),
        folder: Vec::new(),
    })
}

/// Where the program runs, if not here.
pub(in crate::verbs) fn place(typed: &cli::Fakessh, on: &str) -> Result<(Path, Terms), UsageError> {
    let reach = &typed.reach;
    let names = Names::new(reach.way.inventory.as_deref())?;
    let target = names.target(on, said(reach))?;
    check(&target, &names)?;
    let settings = settings(&reach.way, std::slice::from_ref(&target), &names, true)?;
    let path = Path { name: target.name.clone(), hops: target.written() };
    Ok((path, sessions::terms(&settings, &[target], reach.way.persist, tty::is_there())))
}
