//! The inventory, `hopvine.toml`: what the user has given names to.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Command lines for `exec:NAME`, in the words of a POSIX shell.
    #[serde(default)]
    exec: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecError {
    /// No such name; these there are.
    Unknown { known: Vec<String> },
    /// A quote that is not closed, or no word at all.
    Words { line: String },
}

impl Inventory {
    /// Reads the text of an inventory.
    ///
    /// # Errors
    ///
    /// The parser's message, which shows line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_as_a_shell_does() {
        let inventory =
            Inventory::parse("[exec]\nbox = \"docker exec -i 'my app'\"\n").expect("is an inventory");
        assert_eq!(
            inventory.exec("box"),
            Ok(vec!["docker".into(), "exec".into(), "-i".into(), "my app".into()])
        );
        assert_eq!(inventory.exec("bux"), Err(ExecError::Unknown { known: vec!["box".into()] }));
    }

    #[test]
    fn errors_show_line_and_column() {
        let error = Inventory::parse("[exec]\nbox = 3\n").expect_err("not a text").to_string();
        assert!(error.contains("line 2, column 7"), "{error}");
        assert!(Inventory::parse("[hosts]\n").is_err());
    }
}
