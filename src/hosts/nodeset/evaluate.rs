//! Operands into names.

use super::ranges;
use super::scan::{self, Kind, Operand, Operator};
use super::{Lookup, LookupError, MAX_BYTES, MAX_NAMES, Nodeset, NodesetError, Text, Wrong};
use crate::hosts::wildcard;
use std::collections::HashMap;
use std::path::Path;

/// How far groups may stand within groups.
const MAX_DEPTH: usize = 64;

pub(super) fn typed(expression: &str, lookup: &mut dyn Lookup) -> Result<Nodeset, Box<NodesetError>> {
    let mut names = Nodeset::default();
    Evaluator::new(lookup).expression(&mut names, expression, Scope::default())?;
    Ok(names)
}

/// Where an expression stands.
#[derive(Clone, Copy, Default)]
struct Scope<'a> {
    /// Of the group that it is from: other groups are meant to be of the same one.
    source: Option<&'a str>,
    place: Option<&'a str>,
    folder: Option<&'a Path>,
    line: Option<usize>,
}

struct Evaluator<'a> {
    lookup: &'a mut dyn Lookup,
    /// The groups and files that are being read.
    within: Vec<String>,
    groups: HashMap<String, Nodeset>,
    known: Option<Nodeset>,
}

impl<'a> Evaluator<'a> {
    fn new(lookup: &'a mut dyn Lookup) -> Self {
        Self { lookup, within: Vec::new(), groups: HashMap::new(), known: None }
    }

    /// Adds what each line stands for.
    fn lines(
        &mut self,
        into: &mut Nodeset,
        text: &Text,
        source: Option<&str>,
    ) -> Result<(), Box<NodesetError>> {
        let many = text.text.trim_end().contains('\n');
        for (number, line) in text.text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or(line);
            let line_number = many.then_some(number + 1);
            let scope =
                Scope { source, place: Some(&text.place), folder: text.folder.as_deref(), line: line_number };
            self.expression(into, line, scope)?;
        }
        Ok(())
    }

    /// Adds what an expression stands for.
    fn expression(
        &mut self,
        into: &mut Nodeset,
        text: &str,
        scope: Scope<'_>,
    ) -> Result<(), Box<NodesetError>> {
        let wrong = |(at, wrong): scan::Fault| {
            let place = scope.place.map(|place| match scope.line {
                Some(line) => format!("{place}:{line}"),
                None => place.to_owned(),
            });
            let column = text[..at].chars().count() + 1;
            Box::new(NodesetError { place, expression: text.to_owned(), column, wrong })
        };
        let operands = scan::operands(text).map_err(wrong)?;
        if operands.iter().all(|operand| operand.operator == Operator::Union) {
            return operands.iter().try_for_each(|operand| self.operand(into, operand, scope, &wrong));
        }
        let mut names = Nodeset::default();
        // Neighbours of one kind are one operand, so that a long list of exceptions is gone through once.
        let alike = |one: &Operand<'_>, other: &Operand<'_>| {
            one.operator == other.operator && one.operator != Operator::Intersection
        };
        for operands in operands.chunk_by(alike) {
            let mut other = Nodeset::default();
            let operator = operands[0].operator;
            for operand in operands {
                let mut one = Nodeset::default();
                self.operand(&mut one, operand, scope, &wrong)?;
                if operator == Operator::SymmetricDifference {
                    other.symmetric_difference(one);
                } else {
                    other.union(one);
                }
            }
            match operator {
                Operator::Union => names.union(other),
                Operator::Difference => names.difference(&other),
                Operator::Intersection => names.intersection(&other),
                Operator::SymmetricDifference => names.symmetric_difference(other),
            }
        }
        into.union(names);
        Ok(())
    }

    /// Adds what an operand stands for; `wrong` knows the expression.
    fn operand(
        &mut self,
        into: &mut Nodeset,
        operand: &Operand<'_>,
        scope: Scope<'_>,
        wrong: &dyn Fn(scan::Fault) -> Box<NodesetError>,
    ) -> Result<(), Box<NodesetError>> {
        let unknown = |mark: &str, text: &str, error| {
            wrong((operand.begins, Wrong::Lookup { operand: format!("{mark}{text}"), error }))
        };
        match operand.kind {
            Kind::Name => expand(operand, |name| into.insert(name)).map_err(wrong)?,
            Kind::Wildcard => {
                let mut masks = Vec::new();
                expand(operand, |mask| masks.push(mask)).map_err(wrong)?;
                let known = self.known(&|error| unknown("", operand.text, error))?;
                let is_meant = |name: &&str| masks.iter().any(|mask| wildcard::matches(mask, name));
                known.iter().filter(is_meant).for_each(|name| into.insert(name.to_owned()));
            }
            Kind::Group => {
                let mut names = Vec::new();
                expand(operand, |name| names.push(name)).map_err(wrong)?;
                for name in names {
                    let unknown = |error| unknown("@", &name, error);
                    self.group(into, &name, scope.source, &unknown, &|fault| wrong((operand.begins, fault)))?;
                }
            }
            Kind::File => {
                let text = self.lookup.file(operand.text, scope.folder);
                let text = text.map_err(|error| unknown("^", operand.text, error))?;
                let label = format!("^{}", text.place);
                self.enter(label).map_err(|fault| wrong((operand.begins, fault)))?;
                self.lines(into, &text, None)?;
                self.within.pop();
            }
            Kind::Input => {
                let text = self.lookup.input().map_err(|error| unknown("", "-", error))?;
                self.enter("-".to_owned()).map_err(|fault| wrong((operand.begins, fault)))?;
                self.lines(into, &text, None)?;
                self.within.pop();
            }
        }
        if into.len() > MAX_NAMES { Err(wrong((operand.begins, Wrong::TooMany))) } else { Ok(()) }
    }

    /// Adds the nodes of `name`, `*`, `source:name`, `source:*`; of `@source` the names of its groups.
    fn group(
        &mut self,
        into: &mut Nodeset,
        name: &str,
        source: Option<&str>,
        unknown: &dyn Fn(LookupError) -> Box<NodesetError>,
        wrong: &dyn Fn(Wrong) -> Box<NodesetError>,
    ) -> Result<(), Box<NodesetError>> {
        if let Some(source) = name.strip_prefix('@') {
            let source = Some(source).filter(|source| !source.is_empty());
            self.lookup.groups(source).map_err(unknown)?.into_iter().for_each(|name| into.insert(name));
            return Ok(());
        }
        let (source, name) =
            name.split_once(':').map_or((source, name), |(source, name)| (Some(source), name));
        let label = source.map_or_else(|| format!("@{name}"), |source| format!("@{source}:{name}"));
        if let Some(nodes) = self.groups.get(&label) {
            nodes.iter().for_each(|name| into.insert(name.to_owned()));
            return Ok(());
        }
        self.enter(label.clone()).map_err(wrong)?;
        let texts = match name {
            "*" => self.lookup.all(source),
            name => self.lookup.group(source, name).map(|text| vec![text]),
        };
        let mut nodes = Nodeset::default();
        for text in texts.map_err(unknown)? {
            self.lines(&mut nodes, &text, source)?;
        }
        self.within.pop();
        nodes.iter().for_each(|name| into.insert(name.to_owned()));
        self.groups.insert(label, nodes);
        Ok(())
    }

    /// What wildcards are compared with. Those that occur in it mean nothing more.
    fn known(
        &mut self,
        unknown: &dyn Fn(LookupError) -> Box<NodesetError>,
    ) -> Result<&Nodeset, Box<NodesetError>> {
        if self.known.is_none() {
            self.known = Some(Nodeset::default());
            let (within, groups) = (std::mem::take(&mut self.within), std::mem::take(&mut self.groups));
            let mut known = Nodeset::default();
            for text in self.lookup.known().map_err(unknown)? {
                self.lines(&mut known, &text, None)?;
            }
            (self.within, self.groups, self.known) = (within, groups, Some(known));
        }
        Ok(self.known.get_or_insert_default())
    }

    fn enter(&mut self, label: String) -> Result<(), Wrong> {
        let path = |from: usize| self.within[from..].iter().chain([&label]).cloned().collect();
        if let Some(at) = self.within.iter().position(|outer| *outer == label) {
            return Err(Wrong::Circle(path(at)));
        }
        if self.within.len() == MAX_DEPTH {
            return Err(Wrong::Deep(path(MAX_DEPTH - 3)));
        }
        self.within.push(label);
        Ok(())
    }
}

/// Gives each name of a term, the last number changing first.
fn expand(operand: &Operand<'_>, mut give: impl FnMut(String)) -> Result<(), scan::Fault> {
    let mut names = vec![String::new()];
    let mut rest = operand.text;
    while let Some((before, (inside, after))) =
        rest.split_once('[').and_then(|(before, after)| Some((before, after.split_once(']')?)))
    {
        let at = operand.at + operand.text.len() - rest.len() + before.len() + 1;
        let ranges = ranges::parse(inside)
            .map_err(|fault| (at + fault.at, Wrong::Range { text: fault.text, fault: fault.fault }))?;
        let many = ranges::count(&ranges).map(|count| count * names.len()).filter(|many| *many <= MAX_NAMES);
        let Some(many) = many else { return Err((at - 1, Wrong::TooMany)) };
        // With all that stands behind the numbers: nothing is made that would not fit.
        let bytes = names.iter().map(String::len).max().unwrap_or_default() + before.len() + after.len();
        if many.saturating_mul(bytes) > MAX_BYTES {
            return Err((at - 1, Wrong::TooLong));
        }
        let numbers = ranges::numbers(&ranges);
        let joined = |name: &String| {
            let name = format!("{name}{before}");
            numbers.iter().map(move |number| [name.as_str(), number].concat()).collect::<Vec<_>>()
        };
        names = names.iter().flat_map(joined).collect();
        rest = after;
    }
    for mut name in names {
        name.push_str(rest);
        give(name);
    }
    Ok(())
}
