//! One line of ssh's configuration, as `-o` takes it: `Key=Value`, `Key Value`, `Key = "Value"`.

use super::invocation::Level;
use super::keyword::{Keyword, Takes};
use super::refusal::Line;
use super::value;
use crate::hosts::wildcard;

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// A line with something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    /// In lower case.
    pub(super) keyword: String,
    /// What follows the keyword.
    rest: &'a str,
}

impl<'a> Directive<'a> {
    /// `None` for an empty line, and a comment.
    ///
    /// # Errors
    ///
    /// For a keyword without anything after it.
    pub(super) fn of(line: &'a str) -> Result<Option<Self>, Line> {
        let line = line.trim_end_matches(|char| BLANKS.contains(&char) || char == '\x0c');
        let Some((mut word, mut rest)) = keyword(line) else { return Ok(None) };
        if word.is_empty() {
            // After blanks; but OpenSSH passes over one `=` too.
            let Some(second) = keyword(rest) else { return Ok(None) };
            (word, rest) = second;
        }
        if word.is_empty() || word.starts_with('#') {
            return Ok(None);
        }
        let keyword = word.to_ascii_lowercase();
        if rest.is_empty() {
            return Err(Line::NoArgument(keyword));
        }
        Ok(Some(Self { keyword, rest }))
    }

    /// The words that follow, which are as the keyword takes them; those of a line are not looked at.
    ///
    /// # Errors
    ///
    /// For what OpenSSH refuses too. Names of algorithms are left to the ssh that connects.
    pub(super) fn checked(&self, keyword: Keyword) -> Result<Vec<String>, Line> {
        let words = self.words()?;
        let first = words.first().map_or("", String::as_str);
        match keyword.takes {
            Takes::Choice(choices) => {
                let known = choices.split(' ').any(|choice| choice.eq_ignore_ascii_case(first));
                known.then_some(()).ok_or_else(|| Line::Unsupported(first.to_owned()))?;
            }
            Takes::Number if first.is_empty() => return Err(Line::Number("missing")),
            Takes::Number => drop(value::number(first, i32::MAX.into()).map_err(Line::Number)?),
            Takes::Time if first.is_empty() => return Err(Line::NoTime),
            Takes::Time if first != "none" && value::seconds(first).is_none() => return Err(Line::Time),
            Takes::Word | Takes::Port | Takes::Escape if first.is_empty() => return Err(Line::Missing),
            Takes::Port if value::port(first).is_none() => return Err(Line::Port(first.to_owned())),
            Takes::Escape if value::escape(first).is_none() => return Err(Line::Escape),
            Takes::LogLevel if Level::of(first).is_none() => {
                return Err(Line::LogLevel(if words.is_empty() { "<NONE>" } else { first }.to_owned()));
            }
            Takes::Hosts if !value::is_jump(self.hosts()) => return Err(Line::Jump(self.line().to_owned())),
            Takes::Words => many(keyword.name, &words)?,
            Takes::SetEnv | Takes::SendEnv if words.is_empty() => {
                return Err(Line::NoneGiven(keyword.name));
            }
            Takes::SetEnv if words.iter().any(|word| !word.contains('=')) => return Err(Line::SetEnv),
            Takes::SendEnv if words.iter().any(|word| word.is_empty() || word.contains('=')) => {
                return Err(Line::EnvironmentName);
            }
            _ => {}
        }
        let is_many = matches!(
            keyword.takes,
            Takes::Words | Takes::Line | Takes::Hosts | Takes::SetEnv | Takes::SendEnv
        );
        if words.len() > 1 && !is_many {
            return Err(Line::Extra(keyword.name));
        }
        Ok(words)
    }

    /// What follows, up to a comment.
    pub(super) fn hosts(&self) -> &'a str {
        without_comment(self.line())
    }

    /// What follows, as it is.
    pub(super) fn line(&self) -> &'a str {
        self.rest.trim_start_matches([' ', '\t', '\r', '\n', '='])
    }

    /// Whether that is `none`, which takes back what a configuration says.
    pub(super) fn is_none(&self) -> bool {
        self.line().eq_ignore_ascii_case("none")
    }

    /// What follows, as words: with quotes and escapes, up to a comment.
    ///
    /// # Errors
    ///
    /// When a quote has no end.
    pub(super) fn words(&self) -> Result<Vec<String>, Line> {
        let mut words = Vec::new();
        let mut chars = self.rest.chars().peekable();
        loop {
            while chars.next_if(|char| matches!(char, ' ' | '\t')).is_some() {}
            if chars.peek().is_none_or(|char| *char == '#') {
                return Ok(words);
            }
            let mut word = String::new();
            let mut quote = None;
            while let Some(char) = chars.next_if(|char| quote.is_some() || !matches!(char, ' ' | '\t')) {
                let escaped =
                    |next: &char| matches!(next, '\'' | '"' | '\\') || (quote.is_none() && *next == ' ');
                match char {
                    '\\' => word.push(chars.next_if(escaped).unwrap_or(char)),
                    '"' | '\'' if quote.is_none() => quote = Some(char),
                    char if quote == Some(char) => quote = None,
                    char => word.push(char),
                }
            }
            if quote.is_some() {
                return Err(Line::Quotes);
            }
            words.push(word);
        }
    }
}

fn many(name: &'static str, words: &[String]) -> Result<(), Line> {
    if words.iter().any(String::is_empty) {
        return Err(Line::EmptyArgument(name));
    }
    if words.len() > 1 && words.iter().any(|word| word.eq_ignore_ascii_case("none")) {
        return Err(Line::NoneAlone(name));
    }
    Ok(())
}

/// Splits a keyword off, with or without quotes, and at most one `=` after it; `None` where a quote has no end.
fn keyword(line: &str) -> Option<(String, &str)> {
    let Some(ends) = line.find(|char| BLANKS.contains(&char) || matches!(char, '"' | '=')) else {
        return Some((line.to_owned(), ""));
    };
    let (word, rest) = line.split_at(ends);
    if let Some(quoted) = rest.strip_prefix('"') {
        let (end, rest) = quoted.split_once('"')?;
        return Some((format!("{word}{end}"), rest.trim_start_matches(BLANKS)));
    }
    let is_split = rest.starts_with('=');
    let rest = rest[1..].trim_start_matches(BLANKS);
    let rest = if is_split { rest } else { rest.strip_prefix('=').unwrap_or(rest) };
    Some((word.to_owned(), rest.trim_start_matches(BLANKS)))
}

/// Whether a keyword is one of these patterns, and none that has a `!`.
pub(super) fn is_in_list(keyword: &str, patterns: &str) -> bool {
    let (not, yes): (Vec<&str>, Vec<&str>) = patterns.split(',').partition(|mask| mask.starts_with('!'));
    let matches = |mask: &&str| wildcard::matches(&mask.to_ascii_lowercase(), keyword);
    yes.iter().any(matches) && !not.iter().any(|mask| matches(&&mask[1..]))
}

/// A line of that keyword with one word.
pub(super) fn line(keyword: &str, word: &str) -> String {
    let plain = |char: char| !char.is_whitespace() && !matches!(char, '"' | '\'' | '\\' | '#');
    if !word.is_empty() && word.chars().all(plain) {
        return format!("{keyword}={word}");
    }
    format!("{keyword}=\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The text before a comment: no name of a host has a `#`.
pub(super) fn without_comment(text: &str) -> &str {
    text.split('#').next().unwrap_or_default().trim_end_matches(BLANKS)
}
