//! Names into targets, by what the inventory says about them.

use super::raw::{Options, Placed};
use super::{Entry, HOST, Inventory};
use crate::hosts::target::{self, Hop, Ssh, Target, TargetError, Way, names_transport};

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
    /// A user or options were typed for a name whose target has no use for them.
    NoSsh {
        name: String,
        target: String,
    },
    /// A way of more than [`MAX_HOPS`] hops.
    Long {
        name: String,
    },
}

impl Inventory {
    /// Returns the target that `typed` means. A bare name, also one at the beginning of a path, has what
    /// the inventory says about it and is else a host for ssh. A user before it and options behind it
    /// come before what is said there. All other paths are as they are.
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
        let (first, behind) = target::first_hop(path);
        if names_transport(first) {
            return plain(path);
        }
        let name = self.name_of(first);
        // A name may be what ssh knows the host by.
        if within.last().is_some_and(|last| last == name) {
            return plain(path);
        }
        if within.iter().any(|outer| outer == name) {
            return Err(circle(within, name));
        }
        if within.len() == MAX_NAMES {
            return Err(ResolveError::Deep(within[MAX_NAMES - 3..].to_vec()));
        }
        let own = if name == first { None } else { plain(first)?.pop() };
        within.push(name.to_owned());
        let mut hops = self.bare(name, own, said, within)?;
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

    /// The name in `user@name?options`. One with its user may be known as it is.
    fn name_of<'a>(&self, hop: &'a str) -> &'a str {
        let name = hop.split('?').next().unwrap_or(hop);
        match name.rsplit_once('@') {
            Some((_, host)) if self.patterns.holding(name).is_empty() => host,
            _ => name,
        }
    }

    /// The hops of the name that is the last one of `within`, with what is typed for itself, if anything is.
    fn bare(
        &self,
        name: &str,
        typed: Option<Hop>,
        said: Said,
        within: &mut Vec<String>,
    ) -> Result<Vec<Hop>, ResolveError> {
        let known: Vec<&Entry> = self.patterns.holding(name).iter().map(|at| &self.entries[*at]).collect();
        let own: Vec<&Options> = known.iter().map(|entry| &entry.options).collect();
        let all: Vec<&Options> = own.iter().copied().chain([&self.defaults]).collect();
        // Who leads the way to others is not led by the defaults.
        let leading = if within.len() == 1 { &all } else { &own };

        let target = find(&all, |options| text(&options.target)).filter(|target| !target.is_empty());
        let target = target.map_or_else(|| name.to_owned(), |target| target.replace(HOST, name));
        let mut hops = self.hops(&target, Said { via: said.via, ..Said::default() }, within)?;
        let mut ssh = hops
            .iter_mut()
            .rev()
            .find_map(|hop| if let Way::Ssh(ssh) = &mut hop.way { Some(ssh) } else { None });
        if let Some(Hop { way: Way::Ssh(Ssh { user, port, config, options, .. }), .. }) = &typed {
            let says = user.is_some() || port.is_some() || config.is_some() || !options.is_empty();
            match &mut ssh {
                Some(ssh) => ssh.enter(user.as_deref(), *port, config.as_deref(), options),
                None if says => return Err(ResolveError::NoSsh { name: name.to_owned(), target }),
                None => {}
            }
        }
        if let Some(ssh) = ssh {
            let user = find(&all, |options| text(&options.user)).filter(|user| !user.is_empty());
            ssh.user = ssh.user.take().or_else(|| user.map(str::to_owned));
            ssh.port = ssh.port.or_else(|| find(&all, |options| options.port));
        }

        let machine = hops.len() - 1;
        let typed_python = typed.and_then(|hop| hop.python);
        hops[machine].python = typed_python.clone().or(hops[machine].python.take());
        let become_other =
            find(leading, |options| text(&options.become_other)).filter(|_| !said.become_other);
        if let Some(path) = become_other.filter(|path| !path.is_empty()) {
            hops.extend(plain(path)?);
        }
        let python = find(&all, |options| text(&options.python)).filter(|_| !said.python);
        if let Some(python) = typed_python.as_deref().or(python).filter(|python| !python.is_empty()) {
            for hop in &mut hops[machine..] {
                hop.python.get_or_insert_with(|| python.to_owned());
            }
        }
        let via = find(leading, |options| text(&options.via)).filter(|path| !said.via && !path.is_empty());
        if let Some(path) = via {
            let (first, _) = target::first_hop(path);
            if names_transport(first) || self.name_of(first) != name {
                hops.splice(0..0, self.hops(path, Said::default(), within)?);
            } else if known
                .iter()
                .find(|entry| entry.options.via.is_some())
                .is_some_and(|entry| entry.is_single)
            {
                return Err(circle(within, name));
            }
            // Of many that one of them leads to, or of all, that one is gone to directly.
        }
        Ok(hops)
    }
}

fn circle(within: &[String], name: &str) -> ResolveError {
    ResolveError::Circle(within.iter().cloned().chain([name.to_owned()]).collect())
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
