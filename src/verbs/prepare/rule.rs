//! What a program's ssh leads to.

use super::targets::Ways;
use super::{check, settings};
use crate::cli;
use crate::error::UsageError;
use crate::hosts::target::written;
use crate::proto::message::session::{Path, Rule, Terms};
use crate::sys::tty;
use crate::verbs::names::Names;
use crate::verbs::sessions;

/// All names have the meaning that the inventory gives them, or lead to one target.
pub(in crate::verbs) fn rule(typed: &cli::Fakessh) -> Result<Rule, UsageError> {
    let (way, ways) = (&typed.way, Ways::new(&typed.around, &typed.way));
    let cli::Way { secret, ask_login, ask_become, .. } = way;
    // Nobody knows yet which hops there will be.
    if typed.to.is_none() && secret.is_given() && !ask_login && !ask_become {
        return Err(UsageError::SecretUnsaid);
    }
    let names = Names::new(way.inventory.as_deref())?;
    let to = match &typed.to {
        Some(to) => ways.extended(vec![names.target(to, ways.said())?], &names)?,
        None => Vec::new(),
    };
    to.iter().try_for_each(|target| check(target, &names))?;
    let settings = settings(way, &to, &names, true)?;
    let inventory = match names.inventory().1 {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| UsageError::Inventory { path: path.to_owned(), message: error.to_string() })?,
        None => String::new(),
    };
    let known = ways.said();
    Ok(Rule {
        to: to.first().map(|target| Path { name: target.name.clone(), hops: target.written() }),
        inventory,
        via: written(&ways.before(&names)?),
        become_other: written(&ways.behind()?),
        said: [known.via, known.become_other, known.python],
        terms: sessions::terms(&settings, &to, typed.sharing.persist, tty::is_there()),
        folder: Vec::new(),
    })
}

/// Where the program runs, if not here.
pub(in crate::verbs) fn place(typed: &cli::Fakessh, on: &str) -> Result<(Path, Terms), UsageError> {
    let way = &typed.way;
    let names = Names::new(way.inventory.as_deref())?;
    let target = names.target(on, Ways::new(&typed.around, way).said())?;
    check(&target, &names)?;
    let settings = settings(way, std::slice::from_ref(&target), &names, true)?;
    let path = Path { name: target.name.clone(), hops: target.written() };
    Ok((path, sessions::terms(&settings, &[target], typed.sharing.persist, tty::is_there())))
}
