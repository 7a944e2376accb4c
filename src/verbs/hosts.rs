//! `hopvine hosts`: what an expression stands for, and back.

use super::names::Names;
use crate::cli;
use crate::error::{ExitCode, UsageError};
use crate::hosts::nodeset::{self, Nodeset};
use crate::report;
use crate::sys::stdio::{self, Input};
use std::io;

pub(super) fn run(typed: &cli::Hosts) -> io::Result<ExitCode> {
    if typed.list_groups {
        return groups(typed);
    }
    let names = match named(typed) {
        Ok(names) => names,
        Err(error) => {
            report::usage(&error);
            return Ok(ExitCode::Usage);
        }
    };
    if typed.count {
        report::bytes(format!("{}\n", names.len()).as_bytes())?;
    } else if typed.fold {
        report::names(std::iter::once(&*nodeset::fold(names.iter())), false)?;
    } else {
        report::names(names.iter(), typed.json)?;
    }
    Ok(ExitCode::Success)
}

/// Those of a source that fails are missing, and that is told.
fn groups(typed: &cli::Hosts) -> io::Result<ExitCode> {
    match Names::new(typed.inventory.as_deref()) {
        Ok(mut known) => {
            let (groups, failures) = known.all_groups();
            failures.iter().for_each(report::usage);
            let groups: Vec<String> = groups.iter().map(|name| format!("@{name}")).collect();
            report::names(groups.iter().map(String::as_str), typed.json)?;
            Ok(if failures.is_empty() { ExitCode::Success } else { ExitCode::Failed })
        }
        Err(error) => {
            report::usage(&error);
            Ok(ExitCode::Usage)
        }
    }
}

fn named(typed: &cli::Hosts) -> Result<Nodeset, UsageError> {
    let mut known = Names::new(typed.inventory.as_deref())?;
    let mut names = Nodeset::default();
    if typed.spec.is_empty() {
        names = match stdio::input() {
            Input::Piped => known.parse("", "-")?,
            Input::Folder => return Err(UsageError::InputFolder),
            Input::Terminal | Input::Nothing => return Err(UsageError::NoSpec),
        };
    }
    for expression in &typed.spec {
        names.union(known.parse("", expression)?);
    }
    if names.is_empty() && !typed.count {
        return Err(UsageError::NoNames { typed: typed.spec.join(" ") });
    }
    names.difference(&known.excluded(&typed.excluded)?);
    if names.is_empty() && !typed.count {
        return Err(UsageError::AllExcluded);
    }
    Ok(names)
}
