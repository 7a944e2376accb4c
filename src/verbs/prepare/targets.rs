//! Which targets are meant: those of `-w` without those of `-x`, with the hops that are typed around each.

use crate::cli;
use crate::error::UsageError;
use crate::hosts::inventory::Said;
use crate::hosts::nodeset::Nodeset;
use crate::hosts::target::{Hop, Target, names_transport};
use crate::verbs::names::Names;
use std::collections::{HashMap, HashSet};

/// Targets, and what was typed for each.
pub(super) struct Chosen {
    pub(super) targets: Vec<Target>,
    pub(super) typed: Vec<String>,
}

/// What is typed about the ways to all targets, and so not looked for in the inventory.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    around: &'a cli::Around,
    python: bool,
}

impl<'a> Ways<'a> {
    pub(super) fn new(around: &'a cli::Around, way: &cli::Way) -> Self {
        Self { around, python: way.python.is_some() }
    }

    /// For those who start no interpreter there.
    pub(super) fn without_python(around: &'a cli::Around) -> Self {
        Self { around, python: false }
    }

    pub(super) fn said(self) -> Said {
        Said {
            via: self.around.via.is_some(),
            become_other: self.around.become_other.is_some(),
            python: self.python,
        }
    }

    /// The hops of `--via`.
    pub(super) fn before(self, names: &Names) -> Result<Vec<Hop>, UsageError> {
        given(self.around.via.as_deref()).map_or_else(|| Ok(Vec::new()), |path| names.way(path))
    }

    /// The hops of `--become`.
    pub(super) fn behind(self) -> Result<Vec<Hop>, UsageError> {
        given(self.around.become_other.as_deref()).map_or_else(|| Ok(Vec::new()), behind)
    }

    /// With the hops of `--via` before each target and that of `--become` behind it.
    pub(super) fn extended(self, mut targets: Vec<Target>, names: &Names) -> Result<Vec<Target>, UsageError> {
        let (before, behind) = (self.before(names)?, self.behind()?);
        for target in &mut targets {
            target.hops.splice(0..0, before.iter().cloned());
            target.hops.extend(behind.iter().cloned());
        }
        Ok(targets)
    }
}

impl<'a> From<&'a cli::Reach> for Ways<'a> {
    fn from(typed: &'a cli::Reach) -> Self {
        Self::new(&typed.targets.around, &typed.way)
    }
}

pub(super) fn targets(typed: &cli::Targets, ways: Ways<'_>, names: &mut Names) -> Result<Chosen, UsageError> {
    let (selected, excluded) = (names.selected(&typed.hosts)?, names.excluded(&typed.excluded)?);
    let left_out = left_out(&excluded, ways, names)?;
    chosen(&selected, &excluded, &left_out, ways, names)
}

/// The targets that are left out, by whatever name.
pub(super) fn left_out(
    excluded: &Nodeset,
    ways: Ways<'_>,
    names: &Names,
) -> Result<HashSet<Target>, UsageError> {
    excluded.iter().map(|name| names.target(name, ways.said())).collect()
}

/// The targets of names, without those that are left out.
pub(super) fn chosen(
    selected: &Nodeset,
    excluded: &Nodeset,
    left_out: &HashSet<Target>,
    ways: Ways<'_>,
    names: &Names,
) -> Result<Chosen, UsageError> {
    let mut seen = HashSet::new();
    let (mut targets, mut expressions) = (Vec::new(), Vec::new());
    for name in selected.iter() {
        let target = names.target(name, ways.said())?;
        // `-x web1` also means what is shown as web1: the same host by another port, say.
        let unwanted = excluded.contains(&target.name) || left_out.contains(&target);
        if !unwanted && seen.insert(target.clone()) {
            targets.push(target);
            expressions.push(name.to_owned());
        }
    }
    if targets.is_empty() {
        return Err(UsageError::AllExcluded);
    }
    tell_apart(&mut targets, &expressions);
    Ok(Chosen { targets: ways.extended(targets, names)?, typed: expressions })
}

/// Targets that would be shown alike are shown as they were typed, with their options; no two of `typed` are the same.
fn tell_apart(targets: &mut [Target], typed: &[String]) {
    loop {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, target) in targets.iter().enumerate() {
            places.entry(&target.name).or_default().push(place);
        }
        let alike: Vec<_> = places.into_values().filter(|places| places.len() > 1).flatten().collect();
        if alike.is_empty() {
            return;
        }
        // What was typed for one may be how another is shown, which then is shown as typed too.
        alike.into_iter().for_each(|place| targets[place].name.clone_from(&typed[place]));
    }
}

/// An empty path is none, as in the inventory, and takes the place of what that says.
fn given(path: Option<&str>) -> Option<&str> {
    path.filter(|path| !path.is_empty())
}

/// The hops that `--become` takes.
fn behind(path: &str) -> Result<Vec<Hop>, UsageError> {
    if !names_transport(path) {
        return Err(UsageError::Become { typed: path.to_owned() });
    }
    let wrong = |error| UsageError::Target { option: "--become", error };
    Target::parse(path).map(|target| target.hops).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_are_shown_alike_are_shown_as_typed() {
        let typed = ["a?port=1", "a", "ssh:a?port=2", "b?port=1", "ssh:c", "local:a?python=p", "local:a"];
        let typed = typed.map(str::to_owned);
        let mut targets: Vec<_> = typed.iter().map(|typed| Target::parse(typed).expect("right")).collect();
        tell_apart(&mut targets, &typed);
        let names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(names, ["a?port=1", "a", "ssh:a?port=2", "b", "c", "local:a?python=p", "local:a"]);
    }

    #[test]
    fn to_become_somebody_takes_a_transport() {
        for typed in ["root", "sudo", "", "a/sudo:"] {
            assert!(matches!(behind(typed), Err(UsageError::Become { .. })), "{typed}");
        }
        assert!(matches!(behind("sudo:a,su:b"), Err(UsageError::Target { option: "--become", .. })));
        assert_eq!(behind("sudo:/local:x").map(|hops| hops.len()).ok(), Some(2));
    }
}
