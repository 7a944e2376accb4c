//! What is wrong with what names are looked up in.

use crate::hosts::clustershell::ClustershellError;
use crate::hosts::inventory::{Fault, InventoryError, MAX_HOPS, MAX_NAMES, ResolveError};
use std::fmt;

/// What is wrong with `root`, where `sudo:root` is meant.
pub(super) const NO_TRANSPORT: &str = "a user's name needs the way there: write sudo:root, su:app, doas:root";

impl fmt::Display for InventoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        match &self.fault {
            Fault::Utf8 => f.write_str("this is no text in UTF-8"),
            Fault::Toml(message) => f.write_str(message.trim_end()),
            Fault::Key { key, known } => write!(f, "{key:?} has no meaning here; there are {known}"),
            Fault::Dotted { key, known } => write!(
                f,
                "{key:?} has no meaning here; there are {known}; a name with dots is quoted: \"10.0.0.1\""
            ),
            Fault::Path(path) => {
                write!(f, "{path:?} is never looked up; a key is a bare name, without \":\", \"/\" and \"?\"")
            }
            Fault::Type { wanted } => write!(f, "this is not {wanted}"),
            Fault::Name(error) => write!(f, "key {error}"),
            Fault::Group(odd) => write!(f, "the name of a group cannot hold {odd:?}: no @NAME leads there"),
            Fault::NoGroup => f.write_str("a group without a name"),
            Fault::Target(error) => error.fmt(f),
            Fault::Become(path) => write!(f, "become = {path:?}: {NO_TRANSPORT}"),
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => error.fmt(f),
            Self::Circle(path) => {
                write!(f, "the inventory leads in a circle: {}; ssh:NAME is not looked up", path.join(" -> "))
            }
            Self::Deep(last) => {
                let last = last.join(" -> ");
                write!(f, "the inventory leads through more than {MAX_NAMES} names: ... {last} -> ...")
            }
            Self::NoSsh { name, target } => {
                write!(f, "{name:?} is {target:?} in the inventory: no ssh that takes a user or options")
            }
            Self::Long { name } => {
                write!(f, "the inventory leads to {name:?} through more than {MAX_HOPS} hops")
            }
        }
    }
}

impl fmt::Display for ClustershellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Section { line } => write!(f, "line {line}: no [section] stands before this"),
            Self::Option { line } => write!(f, "line {line}: neither [section] nor `option: value`"),
            Self::NoMap { section } => write!(f, "[{section}] has neither `map` nor `mapall`"),
            Self::Control { line } => write!(f, "line {line}: a control character"),
            Self::Group { line } => write!(f, "line {line}: not `group: nodes`"),
            Self::Yaml { line } => write!(
                f,
                "line {line}: more of YAML than is read here: two levels, `source:` and below it `group: nodes`, \
                 nodes as one text or a list of texts; quotes help"
            ),
        }
    }
}
