//! Node sets: names, and the expressions that stand for them, as clush and pdsh have them:
//! `web[1-20,30]`, `n[01-10/2]`, `rack[1-2]n[1-4]`, `@group`, `web*`, joined by `,` `!` `&` `^`.
//!
//! A name is what stands for one target, as it is typed; names are equal where their texts are.

mod boxes;
mod evaluate;
mod fold;
mod pattern;
mod ranges;
mod scan;
mod term;
mod working;

use indexmap::IndexSet;
use scan::Kind;
use std::path::{Path, PathBuf};

pub use fold::fold;
pub use pattern::{Pattern, Patterns};
pub use ranges::RangeFault;
pub(in crate::hosts) use scan::without_comment;

/// More names than this are a slip of the keyboard.
pub const MAX_NAMES: usize = 1_000_000;

/// Nor has anybody this many bytes of names from one term.
pub const MAX_BYTES: usize = 256 << 20;

/// Names, each once, in the order in which they came first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodeset {
    names: IndexSet<String>,
}

/// What an expression may ask for that does not stand in it.
pub trait Lookup {
    /// The nodes of a group, as expressions; without a `source` those of the user's first choice.
    ///
    /// # Errors
    ///
    /// No such group, or it cannot be had.
    fn group(&mut self, source: Option<&str>, name: &str) -> Result<Text, LookupError>;

    /// All nodes of a source, as expressions.
    ///
    /// # Errors
    ///
    /// No such source, or it cannot be had.
    fn all(&mut self, source: Option<&str>) -> Result<Vec<Text>, LookupError>;

    /// The names of the groups of a source.
    ///
    /// # Errors
    ///
    /// No such source, or it cannot be had.
    fn groups(&mut self, source: Option<&str>) -> Result<Vec<String>, LookupError>;

    /// What wildcards are compared with, as expressions.
    ///
    /// # Errors
    ///
    /// When it cannot be had.
    fn known(&mut self) -> Result<Vec<Text>, LookupError>;

    /// A file of expressions, named from within a `folder` unless it is the current one.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn file(&mut self, path: &str, folder: Option<&Path>) -> Result<Text, LookupError>;

    /// Standard input, as expressions.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn input(&mut self) -> Result<Text, LookupError>;
}

/// Expressions, one on each line; `#` begins a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Where it is from, for errors: a path, a group with its file.
    pub place: String,
    pub text: String,
    /// What the paths in it begin at, if not at the current folder.
    pub folder: Option<PathBuf>,
    /// Line and column of each of its lines, where it is only a part of what stands at its place.
    pub lines: Vec<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// No such group; these there are.
    Group { known: Vec<String> },
    /// No such source of groups; these there are.
    Source { known: Vec<String> },
    /// Names and ranges are all that is understood here.
    NotHere,
    /// What cannot be had, and why.
    Failed { what: String, why: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodesetError {
    /// Where the expression stands, if it was not typed.
    pub place: Option<String>,
    pub expression: String,
    /// Counted in characters, from 1.
    pub column: usize,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// No name where one should stand: before or after this operator.
    Missing(char),
    /// `[` without its `]`.
    Open,
    /// `]` without its `[`.
    Close,
    /// `[` within brackets.
    Nested,
    Range {
        text: String,
        fault: RangeFault,
    },
    TooMany,
    /// More than [`MAX_BYTES`].
    TooLong,
    Control(char),
    /// `^` without a path, `@` without a name.
    NoName(char),
    /// What was asked for outside of the expression.
    Lookup {
        operand: String,
        error: LookupError,
    },
    /// A group that holds itself: each, and who names it.
    Circle(Vec<String>),
    /// Groups within groups, files within files.
    Deep(Vec<String>),
}

impl NodesetError {
    /// With what is wrong at a byte of the expression.
    fn new(place: Option<String>, expression: &str, at: usize, wrong: Wrong) -> Self {
        let column = expression[..at].chars().count() + 1;
        Self { place, expression: expression.to_owned(), column, wrong }
    }
}

/// What an expression asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    pub input: bool,
    pub wildcards: bool,
    /// Options of targets, `?name=`.
    pub options: bool,
}

/// Tells what `expression` asks for; one that is wrong asks for nothing.
pub fn asks(expression: &str) -> Asks {
    let operands = scan::operands(expression).unwrap_or_default();
    let any = |kind| operands.iter().any(|operand| operand.kind == kind);
    Asks {
        input: any(Kind::Input),
        wildcards: any(Kind::Wildcard),
        options: operands.iter().any(|operand| scan::has_options(operand.text)),
    }
}

impl Nodeset {
    /// Returns what `expression` stands for.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where; also in what it asks for.
    pub fn parse(expression: &str, lookup: &mut dyn Lookup) -> Result<Self, Box<NodesetError>> {
        evaluate::typed(expression, lookup)
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn insert(&mut self, name: String) {
        self.names.insert(name);
    }

    pub fn union(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            self.names.extend(other.names);
        }
    }

    pub fn difference(&mut self, other: &Self) {
        if !other.is_empty() {
            self.names.retain(|name| !other.contains(name));
        }
    }
}

#[cfg(test)]
mod tests;
