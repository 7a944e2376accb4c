//! The verb `queue`: what is there to be done, checked before anything is started as far as it is there.

mod drive;
mod lines;
mod picture;

use super::prepare::{Operation, Operations};
use super::rehearsal;
use super::turns::{self, Turns};
use crate::cli;
use crate::error::{ExitCode, UsageError};
use crate::hosts::target::Target;
use crate::proto::json;
use crate::report;
use crate::sys::clock;
use crate::sys::guardian::Guardian;
use crate::sys::stdio;
use drive::Drive;
use lines::Lines;
use picture::Picture;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt;

/// More of what is wrong with a file is not told.
const MAX_WRONG: usize = 20;

/// Runs a queue to its end, or says what is wrong with the command line or with a file's lines.
pub(super) fn run(guardian: Guardian, typed: &cli::Queue) -> io::Result<ExitCode> {
    match begin(guardian, typed) {
        Ok(Some(mut drive)) => {
            let code = turns::run(&mut drive)?;
            Ok(drive.finish(code))
        }
        Ok(None) => Ok(ExitCode::Success),
        Err(Refused::Usage(error)) => {
            report::usage(&error);
            Ok(ExitCode::Usage)
        }
        Err(Refused::Machine(error)) => Err(error),
    }
}

/// Why nothing is started.
enum Refused {
    Usage(UsageError),
    Machine(io::Error),
}

impl From<UsageError> for Refused {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Machine(error)
    }
}

/// What is there to be done; none where it was only to be told.
fn begin(guardian: Guardian, typed: &cli::Queue) -> Result<Option<Drive<'_>>, Refused> {
    let mut operations = Operations::new(typed)?;
    if let Some(path) = typed.file.as_ref().filter(|_| !typed.reads_input()) {
        let wrong = |error: io::Error| UsageError::Local { path: path.clone(), wrong: error.to_string() };
        let file = File::open(path).map_err(wrong)?;
        let kind = file.metadata().map_err(wrong)?.file_type();
        if !kind.is_file() && !kind.is_fifo() {
            return Err(UsageError::NoQueue { path: path.clone() }.into());
        }
        stdio::replace_input(&file)?;
    } else if stdio::input() == stdio::Input::Folder {
        return Err(UsageError::InputFolder.into());
    }
    let (mux, mut lines) = if typed.work.dry_run {
        // Before signals are ours: nothing is to be stopped.
        (None, Lines::all()?)
    } else {
        let mut mux = Turns::mux(guardian)?;
        let lines = Lines::open(&mut mux)?;
        (Some(mux), lines)
    };
    // What is here already is checked before anything is started.
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    while let Some((number, line)) = lines.next() {
        let parsed = line
            .and_then(|line| operations.parse(number, &line, &typed.reach).map_err(|refused| refused.error));
        match parsed {
            Ok(operation) => found.push((number, operation)),
            Err(error) => wrong.push((place(typed, number), error)),
        }
    }
    if !wrong.is_empty() {
        let more = wrong.split_off(wrong.len().min(MAX_WRONG)).len();
        return Err(UsageError::Operations { wrong, more }.into());
    }
    let Some(mux) = mux else {
        return rehearse(&found, operations.targets()).map(|()| None).map_err(Refused::Machine);
    };
    let settings = operations.settings(typed, !lines.have_ended())?;
    let picture = typed.timeline.as_deref().map(|path| Picture::begin(path, clock::now())).transpose()?;
    let mut drive = Drive::new(typed, mux, lines, operations, settings, picture);
    for (number, operation) in found {
        drive.accept(number, operation, 0)?;
    }
    Ok(Some(drive))
}

/// Where a line is.
fn place(typed: &cli::Queue, number: u64) -> String {
    match typed.file.as_ref().filter(|_| !typed.reads_input()) {
        Some(path) => format!("{}:{number}", path.display()),
        None => format!("line {number}"),
    }
}

/// Prints what would be done; nobody is contacted.
fn rehearse(found: &[(u64, Operation)], targets: &[Target]) -> io::Result<()> {
    let quoted = |text: &str| json::text_or_bytes(text.as_bytes());
    let mut text = String::new();
    for (number, operation) in found {
        let id = operation.id.as_ref().map(|id| format!("\"id\":{id},")).unwrap_or_default();
        for target in operation.hosts.iter().map(|host| &targets[*host]) {
            let (name, path) = (quoted(&target.name), quoted(&rehearsal::path(target)));
            let what = quoted(&operation.label);
            text += &format!("{{\"line\":{number},{id}\"target\":{name},\"path\":{path},\"what\":{what}}}\n");
        }
    }
    report::bytes(text.as_bytes())
}
