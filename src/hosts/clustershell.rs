//! ClusterShell's own files of groups: `groups.conf`, `groups.d/*.yaml`, and lists of `name: nodes`.

mod conf;
mod yaml;

use super::nodeset::without_comment;
use std::collections::BTreeMap;

pub use conf::{Conf, Upcalls};
pub use yaml::{sources as yaml_sources, yaml};

/// The groups of a source, as expressions.
pub type Groups = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClustershellError {
    /// An option before the first section.
    Section { line: usize },
    /// Neither a section nor an option.
    Option { line: usize },
    /// A source that cannot tell its nodes.
    NoMap { section: String },
    /// A control character, which no name holds.
    Control { line: usize },
    /// No `name: nodes`.
    Group { line: usize },
    /// More than two levels of texts.
    Yaml { line: usize },
}

/// Reads a list of `name: nodes`; a name that stands there twice has the nodes of both.
///
/// # Errors
///
/// A line that is something else.
pub fn list(text: &str) -> Result<Groups, ClustershellError> {
    let mut groups = Groups::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = without_comment(text).trim();
        if text.is_empty() {
            continue;
        }
        refuse_control(text, line)?;
        let pair = text.split_once(':').map(|(name, nodes)| (name.trim(), nodes.trim()));
        let named = pair.filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace));
        let (name, nodes) = named.ok_or(ClustershellError::Group { line })?;
        let all = groups.entry(name.to_owned()).or_default();
        all.push_str(nodes);
        all.push('\n');
    }
    Ok(groups)
}

/// Blanks are none: they stand between names.
fn refuse_control(text: &str, line: usize) -> Result<(), ClustershellError> {
    let odd = |c: char| c.is_control() && !c.is_whitespace();
    if text.contains(odd) { Err(ClustershellError::Control { line }) } else { Ok(()) }
}

/// Fills `$NAME` and `${NAME}` in; `$$` is a dollar, and what is not `known` stays.
pub fn substitute(text: &str, known: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let word =
            |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        let braced = after.strip_prefix('{').map(|inside| (&inside[..word(inside)], &inside[word(inside)..]));
        let (name, end) = match braced.and_then(|(name, end)| Some((name, end.strip_prefix('}')?))) {
            Some(braced) => braced,
            None => after.split_at(word(after)),
        };
        match known.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => {
                filled.push_str(value);
                rest = end;
            }
            None => {
                filled.push('$');
                rest = after;
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests;
