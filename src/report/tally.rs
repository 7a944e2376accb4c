//! How it went on all targets: a line for each class of failure.

use super::{Place, terminal};
use crate::error::{HostError, HostErrorKind, Outcome};
use crate::hosts::nodeset;
use std::collections::{BTreeMap, HashSet};

/// In the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Unreachable,
    TimedOut,
    Failed,
    Exit(i32),
    Interrupted,
    NotStarted,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    well: HashSet<Place>,
    failures: BTreeMap<Class, Vec<Place>>,
}

impl Tally {
    /// Where the work failed without an error, `error` is `None`.
    pub(super) fn add(&mut self, place: Place, outcome: Outcome, error: Option<&HostError>) {
        let class = match (outcome, error.map(|error| &error.kind)) {
            (Outcome::Done(0), _) => {
                self.well.insert(place);
                return;
            }
            (Outcome::Done(status), _) => Class::Exit(status),
            (Outcome::Stopped, Some(HostErrorKind::NotStarted)) => Class::NotStarted,
            (Outcome::Stopped, _) => Class::Interrupted,
            (Outcome::Failed, _) => Class::Failed,
            (Outcome::TimedOut, _) => Class::TimedOut,
            (Outcome::Unreachable, _) => Class::Unreachable,
        };
        self.failures.entry(class).or_default().push(place);
    }

    pub(super) fn is_well(&self, place: Place) -> bool {
        self.well.contains(&place)
    }

    /// The lines, without whose they are.
    pub(super) fn lines(&self, names: &[String]) -> Vec<String> {
        let line = |(class, places): (&Class, &Vec<Place>)| {
            let mut places = places.clone();
            places.sort_unstable();
            let hosts = terminal::one_line(&nodeset::fold(places.iter().map(|place| names[*place].as_str())));
            let what = match class {
                Class::Unreachable => "unreachable".to_owned(),
                Class::TimedOut => "timed out".to_owned(),
                Class::Failed => "failed".to_owned(),
                Class::Exit(status) => format!("exit status {status}"),
                Class::Interrupted => "interrupted".to_owned(),
                Class::NotStarted => "not started".to_owned(),
            };
            format!("{} {what}: {hosts}", places.len())
        };
        self.failures.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_one_line_with_its_hosts() {
        let mut tally = Tally::default();
        let outcomes = [
            Outcome::Done(3),
            Outcome::Unreachable,
            Outcome::Done(0),
            Outcome::Done(3),
            Outcome::TimedOut,
            Outcome::Stopped,
        ];
        for (place, outcome) in outcomes.into_iter().enumerate().rev() {
            let never = HostError { hop: None, kind: HostErrorKind::NotStarted, said: Vec::new() };
            tally.add(place, outcome, (place == 5).then_some(&never));
        }
        let names: Vec<String> = (1..=6).map(|number| format!("web{number}")).collect();
        assert_eq!(
            tally.lines(&names),
            ["1 unreachable: web2", "1 timed out: web5", "2 exit status 3: web[1,4]", "1 not started: web6"]
        );
    }
}
