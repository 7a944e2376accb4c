//! The inventory, `hopvine.toml`: what the user has given names to.

mod place;
mod raw;
mod resolve;

use super::nodeset::{NodesetError, Pattern, Patterns};
use super::target::{Target, TargetError, names_transport, quoted};
use place::place;
use raw::{Options, Placed};
use std::collections::BTreeMap;

pub use resolve::{MAX_HOPS, MAX_NAMES, ResolveError, Said};

/// Stands in a target for the name that it is the target of.
const HOST: &str = "{host}";
/// What a name that is looked up does not hold: these make it a path, or say more about it.
const UNKNOWN: [char; 3] = [':', '/', '?'];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Command lines for `exec:NAME`, in the words of a POSIX shell.
    exec: BTreeMap<String, String>,
    entries: Vec<Entry>,
    /// Which entries are about a name, by their places.
    patterns: Patterns,
    groups: BTreeMap<String, Group>,
    defaults: Options,
}

/// What is said about names under `[hosts]`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The names as an expression.
    key: String,
    /// Whether it is about one name.
    is_single: bool,
    options: Options,
}

/// A group, and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub line: usize,
    pub nodes: Nodes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// With line and column of each line of the text in the file.
    Expression { text: String, lines: Vec<(usize, usize)> },
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
    /// No text.
    Utf8,
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
    /// A character that no name of a group has where it can be asked for.
    Group(char),
    /// A group without a name.
    NoGroup,
    Target(TargetError),
    /// What comes behind a target, without its transport.
    Become(String),
}

impl Inventory {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As [`Inventory::parse`]; bytes that are no text.
    pub fn read(file: &[u8]) -> Result<Self, InventoryError> {
        let wrong = |error: std::str::Utf8Error| {
            let valid = String::from_utf8_lossy(&file[..error.valid_up_to()]);
            let (line, column) = place(&valid, valid.len());
            InventoryError { line, column, fault: Fault::Utf8 }
        };
        Self::parse(std::str::from_utf8(file).map_err(wrong)?)
    }

    /// Reads the text of an inventory.
    ///
    /// # Errors
    ///
    /// No TOML, unknown keys, wrong types; names and targets that cannot be.
    pub fn parse(text: &str) -> Result<Self, InventoryError> {
        let raw = raw::read(text)?;
        let mut inventory = Self { defaults: raw.defaults, ..Self::default() };
        let wrong = |at, fault| {
            let (line, column) = place(text, at);
            InventoryError { line, column, fault }
        };
        for (key, options) in raw.hosts {
            let pattern = Pattern::parse(&key.text).map_err(|error| wrong(key.at, Fault::Name(error)))?;
            if let Some(path) = pattern.with_any(&UNKNOWN) {
                return Err(wrong(key.at, Fault::Path(path)));
            }
            check(text, &options, pattern.first().as_deref())?;
            let is_single = pattern.single().is_some();
            inventory.patterns.add(pattern, inventory.entries.len());
            inventory.entries.push(Entry { key: key.text, is_single, options });
        }
        check(text, &inventory.defaults, None)?;
        for (Placed { at, text: name }, group) in raw.groups {
            if let Some(fault) = unreachable_group(&name) {
                return Err(wrong(at, fault));
            }
            inventory.groups.insert(name, group);
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

    /// The names under `[hosts]` as expressions, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group))
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }
}

/// Why no expression leads to a group of this name.
fn unreachable_group(name: &str) -> Option<Fault> {
    // `:` stands behind a source, `@@` asks for names of groups, `@*` for all names.
    let odd = |c: char| c.is_control() || c.is_whitespace() || ",!&^[]:".contains(c);
    let first = name.chars().next().filter(|first| *first == '@' || name == "*");
    if name.is_empty() {
        Some(Fault::NoGroup)
    } else {
        first.or_else(|| name.chars().find(|c| odd(*c))).map(Fault::Group)
    }
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

#[cfg(test)]
mod tests;
