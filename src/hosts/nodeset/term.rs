//! One term: texts, and numbers in brackets between them. It is expanded, or names are compared with it.

use super::ranges::{self, MAX_DIGITS, Range};
use super::scan::{Fault, Operand};
use super::{MAX_BYTES, MAX_NAMES, Wrong};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// What stands before brackets, and what stands in them.
    parts: Vec<(String, Vec<Range>)>,
    /// What stands behind the last ones.
    tail: String,
    count: usize,
}

impl Term {
    /// Reads an operand that is names; no more of them than [`MAX_NAMES`] and [`MAX_BYTES`].
    pub(super) fn parse(operand: &Operand<'_>) -> Result<Self, Fault> {
        let (mut parts, mut count, mut longest) = (Vec::new(), 1_usize, 0);
        let mut rest = operand.text;
        while let Some((before, (inside, after))) =
            rest.split_once('[').and_then(|(before, after)| Some((before, after.split_once(']')?)))
        {
            let at = operand.at + operand.text.len() - rest.len() + before.len() + 1;
            let ranges = ranges::parse(inside)
                .map_err(|fault| (at + fault.at, Wrong::Range { text: fault.text, fault: fault.fault }))?;
            let many = ranges::count(&ranges).map(|each| each * count).filter(|many| *many <= MAX_NAMES);
            count = many.ok_or((at - 1, Wrong::TooMany))?;
            longest += before.len();
            if count.saturating_mul(longest + after.len()) > MAX_BYTES {
                return Err((at - 1, Wrong::TooLong));
            }
            longest += ranges::widest(&ranges);
            parts.push((before.to_owned(), ranges));
            rest = after;
        }
        Ok(Self { parts, tail: rest.to_owned(), count })
    }

    /// How many names it gives.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// With how many texts and ranges a name is compared.
    pub(super) fn compared(&self) -> usize {
        self.parts.iter().map(|(_, ranges)| ranges.len()).sum::<usize>() + 1
    }

    /// The only name, where there are no brackets.
    pub(super) fn single(&self) -> Option<&str> {
        self.parts.is_empty().then_some(&self.tail)
    }

    /// What all names have in common, but for their numbers.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(before, _)| before.as_str()).chain([self.tail.as_str()])
    }

    /// What stands before the first digit of each name.
    pub(super) fn beginning(&self) -> &str {
        beginning(self.parts.first().map_or(&self.tail, |(before, _)| before))
    }

    /// Gives each name, the last number changing first.
    pub(super) fn expand(&self, mut give: impl FnMut(String)) {
        let mut names = vec![String::new()];
        for (before, ranges) in &self.parts {
            let numbers = ranges::numbers(ranges);
            let joined = |name: &String| {
                let name = format!("{name}{before}");
                numbers.iter().map(move |number| [name.as_str(), number].concat()).collect::<Vec<_>>()
            };
            names = names.iter().flat_map(joined).collect();
        }
        for mut name in names {
            name.push_str(&self.tail);
            give(name);
        }
    }

    /// The first name.
    pub(super) fn first(&self) -> String {
        let parts = self.parts.iter().map(|(before, ranges)| format!("{before}{}", ranges::first(ranges)));
        parts.chain([self.tail.clone()]).collect()
    }

    /// Whether `name` is one of the names. No longer than expanding would take, and mostly in no time.
    pub(super) fn holds(&self, name: &str) -> bool {
        fits(&self.parts, &self.tail, name)
    }
}

fn fits(parts: &[(String, Vec<Range>)], tail: &str, name: &str) -> bool {
    let Some(((before, ranges), parts)) = parts.split_first() else { return name == tail };
    let Some(rest) = name.strip_prefix(before.as_str()) else { return false };
    let digits = rest.bytes().take(MAX_DIGITS).take_while(u8::is_ascii_digit).count();
    // Brackets that follow each other may share the digits in several ways.
    (1..=digits)
        .rev()
        .any(|length| ranges::hold(ranges, &rest[..length]) && fits(parts, tail, &rest[length..]))
}

/// What stands before the first digit.
pub(super) fn beginning(text: &str) -> &str {
    &text[..text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len())]
}
