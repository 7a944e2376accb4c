//! Operands into names.

use super::scan::{self, Kind, Operand, Operator};
use super::term::Term;
use super::working::Working;
use super::{Lookup, LookupError, MAX_NAMES, Nodeset, NodesetError, Text, Wrong};
use crate::hosts::wildcard;
use std::collections::HashMap;
use std::path::Path;

/// How far groups may stand within groups.
const MAX_DEPTH: usize = 64;

/// To make a name takes as long as to compare one with so many texts and ranges.
const MAKING: usize = 8;

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
    line: Option<Line>,
}

/// Where a line stands.
#[derive(Clone, Copy)]
enum Line {
    /// In the text that it is of.
    Number(usize),
    /// Line and column in the file that the text is a part of.
    Place(usize, usize),
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

    /// Adds what the nodes of a group stand for.
    fn nodes(
        &mut self,
        into: &mut Nodeset,
        text: &Text,
        source: Option<&str>,
    ) -> Result<(), Box<NodesetError>> {
        self.lines(into, text, source, scan::without_comment)
    }

    /// Adds what a file stands for; all that is behind a `#` is a comment, as in files of other tools.
    fn list(&mut self, into: &mut Nodeset, text: &Text) -> Result<(), Box<NodesetError>> {
        self.lines(into, text, None, |line| line.split('#').next().unwrap_or(line))
    }

    fn lines(
        &mut self,
        into: &mut Nodeset,
        text: &Text,
        source: Option<&str>,
        without_comment: fn(&str) -> &str,
    ) -> Result<(), Box<NodesetError>> {
        let many = text.text.trim_end().contains('\n');
        let mut places = text.lines.iter().map(|(line, column)| Line::Place(*line, *column));
        for (number, line) in (1..).zip(text.text.lines()) {
            let line_place = places.next().or(many.then_some(Line::Number(number)));
            let scope =
                Scope { source, place: Some(&text.place), folder: text.folder.as_deref(), line: line_place };
            self.expression(into, without_comment(line), scope)?;
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
                Some(Line::Number(line)) => format!("{place}:{line}"),
                Some(Line::Place(line, column)) => format!("{place}:{line}:{column}"),
                None => place.to_owned(),
            });
            Box::new(NodesetError::new(place, text, at, wrong))
        };
        let operands = scan::operands(text).map_err(wrong)?;
        if operands.iter().all(|operand| operand.operator == Operator::Union) {
            return operands.iter().try_for_each(|operand| self.operand(into, operand, scope, &wrong));
        }
        let mut names = Working::default();
        for operand in &operands {
            self.apply(&mut names, operand, scope, &wrong)?;
            if names.len() > MAX_NAMES {
                return Err(wrong((operand.begins, Wrong::TooMany)));
            }
        }
        into.union(names.finish());
        Ok(())
    }

    /// Does what an operand's operator says.
    fn apply(
        &mut self,
        names: &mut Working,
        operand: &Operand<'_>,
        scope: Scope<'_>,
        wrong: &dyn Fn(scan::Fault) -> Box<NodesetError>,
    ) -> Result<(), Box<NodesetError>> {
        let leaves = matches!(operand.operator, Operator::Difference | Operator::Intersection);
        if leaves && operand.kind == Kind::Name {
            let term = Term::parse(operand).map_err(wrong)?;
            if names.len().saturating_mul(term.compared()) < term.count().saturating_mul(MAKING) {
                names.keep(|name| term.holds(name) == (operand.operator == Operator::Intersection));
                return Ok(());
            }
        }
        let mut other = Nodeset::default();
        self.operand(&mut other, operand, scope, wrong)?;
        match operand.operator {
            Operator::Union => names.union(other),
            Operator::Difference => names.difference(&other),
            Operator::Intersection => names.keep(|name| other.contains(name)),
            Operator::SymmetricDifference => names.symmetric_difference(other),
        }
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
            Kind::Name => Term::parse(operand).map_err(wrong)?.expand(|name| into.insert(name)),
            Kind::Wildcard => {
                let mut masks = Vec::new();
                Term::parse(operand).map_err(wrong)?.expand(|mask| masks.push(mask));
                let known = self.known(&|error| unknown("", operand.text, error))?;
                let is_meant = |name: &&str| masks.iter().any(|mask| wildcard::matches(mask, name));
                known.iter().filter(is_meant).for_each(|name| into.insert(name.to_owned()));
            }
            Kind::Group => {
                let mut names = Vec::new();
                Term::parse(operand).map_err(wrong)?.expand(|name| names.push(name));
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
                self.list(into, &text)?;
                self.within.pop();
            }
            Kind::Input => {
                let text = self.lookup.input().map_err(|error| unknown("", "-", error))?;
                self.enter("-".to_owned()).map_err(|fault| wrong((operand.begins, fault)))?;
                self.list(into, &text)?;
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
            self.nodes(&mut nodes, &text, source)?;
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
                self.nodes(&mut known, &text, None)?;
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
