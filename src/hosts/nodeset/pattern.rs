//! Expressions of names and ranges alone, as names are compared with them without expanding any.

use super::scan::{self, Kind, Operator};
use super::term::{self, Term};
use super::{LookupError, NodesetError, Wrong};
use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    terms: Vec<(Operator, Term)>,
}

impl Pattern {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// What is wrong with it; also groups, files and wildcards.
    pub fn parse(expression: &str) -> Result<Self, Box<NodesetError>> {
        let wrong = |(at, wrong): scan::Fault| Box::new(NodesetError::new(None, expression, at, wrong));
        let mut terms = Vec::new();
        for operand in scan::operands(expression).map_err(wrong)? {
            if operand.kind != Kind::Name {
                let text = expression[operand.begins..operand.at + operand.text.len()].to_owned();
                let error = LookupError::NotHere;
                return Err(wrong((operand.begins, Wrong::Lookup { operand: text, error })));
            }
            terms.push((operand.operator, Term::parse(&operand).map_err(wrong)?));
        }
        Ok(Self { terms })
    }

    /// Whether `name` is one of the names.
    pub fn holds(&self, name: &str) -> bool {
        self.terms.iter().fold(false, |held, (operator, term)| match operator {
            Operator::Union => held || term.holds(name),
            Operator::Difference => held && !term.holds(name),
            Operator::Intersection => held && term.holds(name),
            Operator::SymmetricDifference => held != term.holds(name),
        })
    }

    /// The only name that is written.
    pub fn single(&self) -> Option<&str> {
        if let [(_, term)] = &self.terms[..] { term.single() } else { None }
    }

    /// The first name that is written; operators may have taken it away.
    pub fn first(&self) -> Option<String> {
        self.terms.first().map(|(_, term)| term.first())
    }

    /// A name that has one of these characters.
    pub fn with_any(&self, chars: &[char]) -> Option<String> {
        let mut terms = self.terms.iter().map(|(_, term)| term);
        terms.find(|term| term.texts().any(|text| text.contains(chars))).map(Term::first)
    }

    /// Patterns that hold together what this one holds: as simple as can be.
    fn apart(self) -> Vec<Self> {
        if self.terms.iter().any(|(operator, _)| *operator != Operator::Union) {
            return vec![self];
        }
        self.terms.into_iter().map(|term| Self { terms: vec![term] }).collect()
    }
}

/// Finds the patterns that hold a name among many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    names: HashMap<String, Vec<usize>>,
    patterns: Vec<(Pattern, usize)>,
    /// Places in `patterns`, by what stands before the first digit.
    beginnings: HashMap<String, Vec<usize>>,
}

impl Patterns {
    /// One more, which is found as `number`.
    pub fn add(&mut self, pattern: Pattern, number: usize) {
        for pattern in pattern.apart() {
            if let Some(name) = pattern.single() {
                self.names.entry(name.to_owned()).or_default().push(number);
                continue;
            }
            let mut beginnings: Vec<_> = pattern.terms.iter().map(|(_, term)| term.beginning()).collect();
            beginnings.sort_unstable();
            beginnings.dedup();
            for beginning in beginnings {
                self.beginnings.entry(beginning.to_owned()).or_default().push(self.patterns.len());
            }
            self.patterns.push((pattern, number));
        }
    }

    /// The numbers of those that hold `name`, the highest first.
    pub fn holding(&self, name: &str) -> Vec<usize> {
        let likely = self.beginnings.get(term::beginning(name)).into_iter().flatten();
        let likely = likely.map(|place| &self.patterns[*place]).filter(|(pattern, _)| pattern.holds(name));
        let alike = self.names.get(name).into_iter().flatten();
        let mut numbers: Vec<usize> = alike.copied().chain(likely.map(|(_, number)| *number)).collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        numbers.dedup();
        numbers
    }
}
