//! Names into targets, by what the inventory says about them.

use super::raw::{Options, Placed};
use super::{HOST, Inventory, UNKNOWN};
use crate::hosts::target::{Hop, Target, TargetError, Way};

/// What was said on the command line, and is therefore not looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub via: bool,
    pub become_other: bool,
    pub python: bool,
}

/// How many names may lead to each other.
pub const MAX_NAMES: usize = 64;
/// How many hops a way may have; no tree is as deep.
pub const MAX_HOPS: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    Target(TargetError),
    /// Names whose targets lead back to the first of them.
    Circle(Vec<String>),
    /// More than [`MAX_NAMES`] names, each of which leads to the next; the last of them.
    Deep(Vec<String>),
    /// A way of more than [`MAX_HOPS`] hops.
    Long {
        name: String,
    },
}

impl Inventory {
    /// Returns the target that `typed` means. A bare name, also one at the beginning of a path, has what
    /// the inventory says about it and is else a host for ssh; all other paths are as they are.
    ///
    /// # Errors
    ///
    /// No target, or the inventory goes round in a circle.
    pub fn target(&self, typed: &str, said: Said) -> Result<Target, ResolveError> {
        let target = Target::parse(typed).map_err(ResolveError::Target)?;
        Ok(Target { name: target.name, hops: self.hops(typed, said, &mut Vec::new())? })
    }

    /// Returns the hops of a path that leads to others, as `--via` does.
    ///
    /// # Errors
    ///
    /// As [`Inventory::target`].
    pub fn way(&self, path: &str) -> Result<Vec<Hop>, ResolveError> {
        self.hops(path, Said::default(), &mut vec!["--via".to_owned()])
    }

    /// The hops of a path that is read for the names `within`.
    fn hops(&self, path: &str, said: Said, within: &mut Vec<String>) -> Result<Vec<Hop>, ResolveError> {
        let (name, behind) = path.split_once('/').map_or((path, None), |(name, behind)| (name, Some(behind)));
        // A name may be what ssh knows the host by.
        let is_itself = within.last().is_some_and(|last| last == name);
        if name.contains(UNKNOWN) || is_itself {
            return plain(path);
        }
        if within.iter().any(|outer| outer == name) {
            return Err(ResolveError::Circle(within.iter().cloned().chain([name.to_owned()]).collect()));
        }
        if within.len() == MAX_NAMES {
            return Err(ResolveError::Deep(within[MAX_NAMES - 3..].to_vec()));
        }
        within.push(name.to_owned());
        let mut hops = self.bare(name, said, within)?;
        within.pop();
        if let Some(behind) = behind {
            hops.extend(plain(behind)?);
        }
        // Names that double the way each are found before it is too long to write.
        if hops.len() > MAX_HOPS {
            return Err(ResolveError::Long { name: name.to_owned() });
        }
        Ok(hops)
    }

    /// The hops of the name that is the last one of `within`.
    fn bare(&self, name: &str, said: Said, within: &mut Vec<String>) -> Result<Vec<Hop>, ResolveError> {
        let known = self.hosts.get(name).map_or(&[][..], Vec::as_slice);
        let own: Vec<&Options> = known.iter().map(|entry| &self.entries[*entry]).collect();
        let all: Vec<&Options> = own.iter().copied().chain([&self.defaults]).collect();
        // Who leads the way to others is not led by the defaults.
        let leading = if within.len() == 1 { &all } else { &own };

        let target = find(&all, |options| text(&options.target)).filter(|target| !target.is_empty());
        let target = target.map_or_else(|| name.to_owned(), |target| target.replace(HOST, name));
        let mut hops = self.hops(&target, Said { via: said.via, ..Said::default() }, within)?;
        let ssh = hops
            .iter_mut()
            .rev()
            .find_map(|hop| if let Way::Ssh(ssh) = &mut hop.way { Some(ssh) } else { None });
        if let Some(ssh) = ssh {
            let user = find(&all, |options| text(&options.user)).filter(|user| !user.is_empty());
            ssh.user = ssh.user.take().or_else(|| user.map(str::to_owned));
            ssh.port = ssh.port.or_else(|| find(&all, |options| options.port));
        }

        let machine = hops.len() - 1;
        let become_other =
            find(leading, |options| text(&options.become_other)).filter(|_| !said.become_other);
        if let Some(path) = become_other.filter(|path| !path.is_empty()) {
            hops.extend(plain(path)?);
        }
        let python = find(&all, |options| text(&options.python)).filter(|_| !said.python);
        if let Some(python) = python.filter(|python| !python.is_empty()) {
            for hop in &mut hops[machine..] {
                hop.python.get_or_insert_with(|| python.to_owned());
            }
        }
        let via = find(leading, |options| text(&options.via)).filter(|_| !said.via);
        // Nobody leads the way to himself.
        if let Some(path) = via.filter(|path| !path.is_empty() && path.split('/').next() != Some(name)) {
            hops.splice(0..0, self.hops(path, Said::default(), within)?);
        }
        Ok(hops)
    }
}

/// The first that says anything.
fn find<'a, T>(all: &[&'a Options], get: impl Fn(&'a Options) -> Option<T>) -> Option<T> {
    all.iter().copied().find_map(get)
}

fn text(placed: &Option<Placed>) -> Option<&str> {
    placed.as_ref().map(|placed| placed.text.as_str())
}

fn plain(path: &str) -> Result<Vec<Hop>, ResolveError> {
    Target::parse(path).map(|target| target.hops).map_err(ResolveError::Target)
}
