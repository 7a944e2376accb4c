//! Names from what was typed: expressions, the files and groups they ask for, standard input.

use crate::error::UsageError;
use crate::hosts::nodeset::{self, Lookup, LookupError, Nodeset, Text};
use crate::sys::stdio;

/// What names can be had from beside the command line.
#[derive(Default)]
pub(super) struct Names {
    /// Standard input, once it has been read.
    input: Option<String>,
}

impl Names {
    /// All that the expressions of `-w` stand for; each has to name a host.
    pub(super) fn selected(&mut self, typed: &[String]) -> Result<Nodeset, UsageError> {
        let mut selected = Nodeset::default();
        for expression in typed {
            let names = self.parse("-w", expression)?;
            if names.is_empty() {
                return Err(UsageError::NoHosts { typed: expression.clone() });
            }
            selected.union(names);
        }
        Ok(selected)
    }

    /// All that the expressions of `-x` stand for, if anything.
    pub(super) fn excluded(&mut self, typed: &[String]) -> Result<Nodeset, UsageError> {
        let mut excluded = Nodeset::default();
        for expression in typed {
            excluded.union(self.parse("-x", expression)?);
        }
        Ok(excluded)
    }

    /// What one expression stands for, which was typed as the value of `option`.
    pub(super) fn parse(&mut self, option: &'static str, expression: &str) -> Result<Nodeset, UsageError> {
        Nodeset::parse(expression, self).map_err(|error| UsageError::Nodeset { option, error })
    }
}

/// Whether standard input is read for names.
pub(super) fn read_input<'a>(typed: impl IntoIterator<Item = &'a String>) -> bool {
    typed.into_iter().any(|expression| nodeset::asks(expression).input)
}

impl Lookup for Names {
    fn group(&mut self, _source: Option<&str>, _name: &str) -> Result<Text, LookupError> {
        Err(LookupError::Group { known: Vec::new() })
    }

    fn all(&mut self, _source: Option<&str>) -> Result<Vec<Text>, LookupError> {
        Err(LookupError::Group { known: Vec::new() })
    }

    fn groups(&mut self, _source: Option<&str>) -> Result<Vec<String>, LookupError> {
        Err(LookupError::Group { known: Vec::new() })
    }

    fn known(&mut self) -> Result<Vec<Text>, LookupError> {
        Ok(Vec::new())
    }

    fn file(&mut self, path: &str) -> Result<Text, LookupError> {
        let failed =
            |error: std::io::Error| LookupError::Failed { what: path.to_owned(), why: error.to_string() };
        let text = std::fs::read(path).map_err(failed)?;
        Ok(Text { place: path.to_owned(), text: String::from_utf8_lossy(&text).into_owned() })
    }

    fn input(&mut self) -> Result<Text, LookupError> {
        const INPUT: &str = "standard input";
        let failed =
            |error: std::io::Error| LookupError::Failed { what: INPUT.to_owned(), why: error.to_string() };
        let text = match &self.input {
            Some(text) => text.clone(),
            None => String::from_utf8_lossy(&stdio::read_all_input().map_err(failed)?).into_owned(),
        };
        self.input = Some(text.clone());
        Ok(Text { place: INPUT.to_owned(), text })
    }
}
