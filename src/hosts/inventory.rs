//! The inventory, `hopvine.toml`: what the user has given names to.

mod raw;
mod resolve;

use super::nodeset::{Lookup, LookupError, Nodeset, NodesetError, Text};
use super::target::{Target, TargetError, names_transport, quoted};
use indexmap::IndexMap;
use raw::Options;
use std::collections::BTreeMap;
use std::path::Path;

pub use resolve::{MAX_HOPS, MAX_NAMES, ResolveError, Said};

/// Stands in a target for the name that it is the target of.
const HOST: &str = "{host}";
/// What a name that is looked up does not hold: these make it a path, or say all about it.
const UNKNOWN: [char; 3] = [':', '/', '?'];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Command lines for `exec:NAME`, in the words of a POSIX shell.
    exec: BTreeMap<String, String>,
    /// Each name, and the entries that are about it, the last one first.
    hosts: IndexMap<String, Vec<usize>>,
    entries: Vec<Options>,
    groups: BTreeMap<String, Group>,
    defaults: Options,
}

/// A group, and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub line: usize,
    pub nodes: Nodes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    Expression(String),
    /// A shell's command line that prints expressions.
    Command(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecError {
    /// No such name; these there are.
    Unknown { known: Vec<String> },
    /// A quote that is not closed, or no word at all.
    Words { line: String },
}

/// What is wrong with an inventory, and where, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryError {
    pub line: usize,
    pub column: usize,
    pub fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No TOML, in the words of its parser.
    Toml(String),
    /// A key that means nothing; these do.
    Key {
        key: String,
        known: &'static str,
    },
    /// The same behind a dot, which makes it a part of what stands before it.
    Dotted {
        key: String,
        known: &'static str,
    },
    /// A name that is never looked up: no bare one.
    Path(String),
    /// A value that is none of these.
    Type {
        wanted: &'static str,
    },
    Name(Box<NodesetError>),
    /// A character that no name of a group has.
    Group(char),
    Target(TargetError),
    /// What comes behind a target, without its transport.
    Become(String),
}

impl Inventory {
    /// Reads the text of an inventory.
    ///
    /// # Errors
    ///
    /// No TOML, unknown keys, wrong types; names and targets that cannot be.
    pub fn parse(text: &str) -> Result<Self, InventoryError> {
        let raw = raw::read(text)?;
        let mut inventory = Self { defaults: raw.defaults, ..Self::default() };
        for (key, options) in raw.hosts {
            let names = Nodeset::parse(&key.text, &mut Elsewhere).map_err(|error| {
                let (line, column) = place(text, key.at);
                InventoryError { line, column, fault: Fault::Name(error) }
            })?;
            if let Some(path) = names.iter().find(|name| name.contains(UNKNOWN)) {
                let (line, column) = place(text, key.at);
                return Err(InventoryError { line, column, fault: Fault::Path(path.to_owned()) });
            }
            check(text, &options, names.iter().next())?;
            for name in names.iter() {
                inventory.hosts.entry(name.to_owned()).or_default().insert(0, inventory.entries.len());
            }
            inventory.entries.push(options);
        }
        check(text, &inventory.defaults, None)?;
        for (name, nodes) in raw.groups {
            if let Some(odd) = name.text.chars().find(|c| c.is_control()) {
                let (line, column) = place(text, name.at);
                return Err(InventoryError { line, column, fault: Fault::Group(odd) });
            }
            inventory.groups.insert(name.text, Group { line: place(text, name.at).0, nodes });
        }
        for (name, line) in raw.exec {
            inventory.exec.insert(name.text, line.text);
        }
        Ok(inventory)
    }

    /// Returns the words of the command line `name`.
    ///
    /// # Errors
    ///
    /// When there is no such name, or its words cannot be told apart.
    pub fn exec(&self, name: &str) -> Result<Vec<String>, ExecError> {
        let line = self
            .exec
            .get(name)
            .ok_or_else(|| ExecError::Unknown { known: self.exec.keys().cloned().collect() })?;
        shlex::split(line)
            .filter(|words| !words.is_empty())
            .ok_or_else(|| ExecError::Words { line: line.clone() })
    }

    /// One more command line, in place of another of that name.
    ///
    /// # Errors
    ///
    /// When it cannot be written as one.
    pub fn add_exec(&mut self, name: String, words: &[String]) -> Result<(), String> {
        let line = shlex::try_join(words.iter().map(String::as_str)).map_err(|error| error.to_string())?;
        self.exec.insert(name, line);
        Ok(())
    }

    /// The names under `[hosts]`, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group))
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }
}

/// Line and column of a byte.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte];
    let line_begins = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_begins..].chars().count() + 1)
}

/// Whether the targets in these options can be read, those of `name` say.
fn check(text: &str, options: &Options, name: Option<&str>) -> Result<(), InventoryError> {
    let host = name.unwrap_or("host");
    let become_other = options.become_other.iter().filter(|path| !path.text.is_empty());
    if let Some(path) = become_other.into_iter().find(|path| !names_transport(&path.text)) {
        let (line, column) = place(text, path.at);
        return Err(InventoryError { line, column, fault: Fault::Become(path.text.clone()) });
    }
    let paths = [&options.target, &options.via, &options.become_other].into_iter().flatten();
    let paths =
        paths.filter(|path| !path.text.is_empty()).map(|path| (path.at, path.text.replace(HOST, host)));
    let user = options.user.iter().filter(|user| !user.text.is_empty());
    let user = user.map(|user| (user.at, format!("ssh:{host}?user={}", quoted(&user.text))));
    for (at, path) in paths.chain(user) {
        Target::parse(&path).map_err(|error| {
            let (line, column) = place(text, at);
            InventoryError { line, column, fault: Fault::Target(error) }
        })?;
    }
    Ok(())
}

/// Keys are names and ranges only: nothing else is there yet.
struct Elsewhere;

impl Lookup for Elsewhere {
    fn group(&mut self, _source: Option<&str>, _name: &str) -> Result<Text, LookupError> {
        Err(LookupError::NotHere)
    }

    fn all(&mut self, _source: Option<&str>) -> Result<Vec<Text>, LookupError> {
        Err(LookupError::NotHere)
    }

    fn groups(&mut self, _source: Option<&str>) -> Result<Vec<String>, LookupError> {
        Err(LookupError::NotHere)
    }

    fn known(&mut self) -> Result<Vec<Text>, LookupError> {
        Err(LookupError::NotHere)
    }

    fn file(&mut self, _path: &str, _folder: Option<&Path>) -> Result<Text, LookupError> {
        Err(LookupError::NotHere)
    }

    fn input(&mut self) -> Result<Text, LookupError> {
        Err(LookupError::NotHere)
    }
}

#[cfg(test)]
mod tests;
