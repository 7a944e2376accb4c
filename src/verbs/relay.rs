//! This program as a relay: started by a controller, or put on hosts for good.

use super::{drive, prepare};
use crate::cli;
use crate::error::ExitCode;
use crate::files::{self, LocalError, Side};
use crate::sys::guardian::Guardian;
use crate::sys::identity::PROGRAM;
use crate::sys::stdio;
use crate::{payload, relay, report};
use sha1::{Digest, Sha1};
use std::fs::File;
use std::io;

pub(super) fn run(typed: cli::Relay) -> io::Result<ExitCode> {
    match typed {
        cli::Relay { verb: Some(cli::RelayVerb::Install(install)), .. } => put_there(&install),
        cli::Relay { is: Some(build), sum, .. } => {
            let same =
                build == payload::build() && sum.is_none_or(|sum| own_sum().is_ok_and(|own| own == sum));
            Ok(if same { ExitCode::Success } else { ExitCode::Failed })
        }
        cli::Relay { place: Some(path), .. } => {
            let placed = File::open(PROGRAM)
                .map_err(|error| Side::There.error(&path, &error))
                .and_then(|program| files::place_program(&program, &path));
            Ok(placed.map_or_else(
                |LocalError(wrong)| {
                    report::complain(&wrong);
                    ExitCode::Failed
                },
                |()| ExitCode::Success,
            ))
        }
        cli::Relay { resumed: Some(stream), .. } => relay::resume(stream).map(|()| ExitCode::Success),
        cli::Relay { is: None, place: None, resumed: None, .. } => relay::run().map(|()| ExitCode::Success),
    }
}

/// Copies this program to each host as the standard input of a script, which has the copy itself say
/// whether it is whole before it takes its place.
fn put_there(typed: &cli::Install) -> io::Result<ExitCode> {
    let guardian = Guardian::start()?;
    stdio::replace_input(&File::open(PROGRAM)?)?;
    let prepared = prepare::install(typed, &own_sum()?);
    drive::with(guardian, prepared, &typed.fleet)
}

fn own_sum() -> io::Result<String> {
    let digest = Sha1::digest(std::fs::read(PROGRAM)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
