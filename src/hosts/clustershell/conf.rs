//! `groups.conf`: sections of options, as Python's `configparser` reads them.

use super::{ClustershellError, refuse_control};
use std::collections::BTreeMap;

const MAIN: &str = "Main";

/// One file, or several of which later ones win.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

/// The command lines of a source, before anything is filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upcalls {
    /// Prints the nodes of `$GROUP`.
    pub map: Option<String>,
    /// Prints a list of `group: nodes`.
    pub mapall: Option<String>,
    /// Prints all nodes.
    pub all: Option<String>,
    /// Prints the names of all groups.
    pub list: Option<String>,
}

impl Conf {
    /// Adds what a file says.
    ///
    /// # Errors
    ///
    /// A line that is neither a section nor an option.
    pub fn read(&mut self, text: &str) -> Result<(), ClustershellError> {
        let (mut section, mut option) = (None, None);
        for (line, text) in (1..).zip(text.lines()) {
            let trimmed = text.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let known = section.as_ref().and_then(|section| self.sections.get_mut(section));
            let value = known.zip(option.as_ref()).and_then(|(options, option)| options.get_mut(option));
            if let Some(value) = value.filter(|_| text.starts_with(char::is_whitespace)) {
                value.push('\n');
                value.push_str(trimmed);
                continue;
            }
            if trimmed.starts_with('[') {
                refuse_control(trimmed, line)?;
            }
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                self.sections.entry(name.0.to_owned()).or_default();
                (section, option) = (Some(name.0.to_owned()), None);
                continue;
            }
            let (name, value) = trimmed.split_once([':', '=']).ok_or(ClustershellError::Option { line })?;
            let name = name.trim().to_lowercase();
            let known = section.as_ref().and_then(|section| self.sections.get_mut(section));
            known.ok_or(ClustershellError::Section { line })?.insert(name.clone(), value.trim().to_owned());
            option = Some(name);
        }
        Ok(())
    }

    /// An option of `[Main]`.
    pub fn main(&self, option: &str) -> Option<&str> {
        self.sections.get(MAIN)?.get(option).map(String::as_str)
    }

    /// The names of the sources, whatever is said about them.
    pub fn names(&self) -> Vec<String> {
        self.sections.keys().flat_map(|section| names(section)).map(str::to_owned).collect()
    }

    /// The sources: a section may be of several, joined by commas.
    ///
    /// # Errors
    ///
    /// A source that cannot tell its nodes.
    pub fn sources(&self) -> Result<Vec<(String, Upcalls)>, ClustershellError> {
        let mut sources = Vec::new();
        for (section, options) in self.sections.iter().filter(|(section, _)| *section != MAIN) {
            let upcall = |name: &str| options.get(name).cloned();
            let upcalls = Upcalls {
                map: upcall("map"),
                mapall: upcall("mapall"),
                all: upcall("all"),
                list: upcall("list"),
            };
            if upcalls.map.is_none() && upcalls.mapall.is_none() {
                return Err(ClustershellError::NoMap { section: section.clone() });
            }
            sources.extend(names(section).map(|name| (name.to_owned(), upcalls.clone())));
        }
        Ok(sources)
    }
}

/// The sources that a section is of.
fn names(section: &str) -> impl Iterator<Item = &str> {
    section.split(',').map(str::trim).filter(|name| *name != MAIN)
}
