//! `hopvine hosts`: what an expression stands for, and back.

use super::names::Names;
use crate::cli;
use crate::error::{ExitCode, UsageError};
use crate::hosts::nodeset::{self, Nodeset};
use crate::report;
use crate::sys::stdio::{self, Input};
use std::io;

pub(super) fn run(typed: &cli::Hosts) -> io::Result<ExitCode> {
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
        report::bytes(format!("{}\n", nodeset::fold(names.iter())).as_bytes())?;
    } else {
        report::names(names.iter(), typed.json)?;
    }
    Ok(ExitCode::Success)
}

fn named(typed: &cli::Hosts) -> Result<Nodeset, UsageError> {
    let mut known = Names::default();
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
    names.difference(&known.excluded(&typed.excluded)?);
    if names.is_empty() && !typed.count {
        return Err(UsageError::NoNames { typed: typed.spec.join(" ") });
    }
    Ok(names)
}
