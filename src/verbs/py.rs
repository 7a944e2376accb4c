//! Python scripts with tunnels: this process becomes the user's interpreter, and a controller goes on beside it.

use super::prepare;
use crate::cli;
use crate::controller::Settings;
use crate::error::{ExitCode, UsageError};
use crate::mux::Mux;
use crate::proto::ids::ContextId;
use crate::sys::guardian::Guardian;
use crate::sys::guest::{self, Side};
use crate::{guests, modules, report};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// What the interpreter begins with: the package, which is no file, and then what it was started for.
const STUB: &str = include_str!("../../bootstrap/py_stub.py");
/// Tried in turn where none is named.
const INTERPRETERS: [&str; 2] = ["python3", "python"];
/// What the controller says when it has what it needs.
const READY: u8 = 0;

pub(super) fn run(typed: &cli::Py) -> io::Result<ExitCode> {
    match guest::part()? {
        Side::Program(link) => become_interpreter(typed, link),
        Side::Beside(link) => be_controller(typed, link),
    }
}

/// The user's process.
fn become_interpreter(typed: &cli::Py, mut link: UnixStream) -> io::Result<ExitCode> {
    let mut status = [0];
    if link.read_exact(&mut status).is_err() {
        return Ok(ExitCode::Interrupted);
    }
    if status[0] != READY {
        return Ok(ExitCode::Usage);
    }
    let package = guest::in_memory("hopvine.zip", modules::PACKAGE)?;
    let link = OwnedFd::from(link);
    let named = [typed.interpreter.as_os_str()];
    let candidates =
        if typed.interpreter.is_empty() { INTERPRETERS.map(OsStr::new).to_vec() } else { named.to_vec() };
    // Whoever forks needs a controller of its own, of the same build.
    let itself = std::env::current_exe()?;
    let mut words: Vec<OsString> = vec!["-c".into(), STUB.trim_end().into()];
    words.extend([guest::number(&link).into(), guest::number(&package).into(), itself.into_os_string()]);
    words.extend(typed.words.iter().cloned());
    let mut why = io::Error::from(io::ErrorKind::NotFound);
    for program in &candidates {
        why = guest::become_program(program, &words, [&link, &package]);
        if why.kind() != io::ErrorKind::NotFound {
            break;
        }
    }
    let tried = candidates.iter().map(|program| program.to_string_lossy()).collect::<Vec<_>>().join(", ");
    report::usage(&UsageError::NoInterpreter { tried, error: why });
    Ok(ExitCode::Usage)
}

/// The process beside it, which asks for passwords while there is a terminal, and ends with its guest.
fn be_controller(typed: &cli::Py, mut link: UnixStream) -> io::Result<ExitCode> {
    let guardian = Guardian::start()?;
    let settings = match prepare::guest(&typed.guest) {
        Ok(settings) => settings,
        Err(error) => {
            report::usage(&error);
            link.write_all(&[!READY])?;
            return Ok(ExitCode::Usage);
        }
    };
    guest::step_back()?;
    link.write_all(&[READY])?;
    link.set_nonblocking(true)?;
    with(guardian, link.into(), settings, typed.guest.way.verbose)
}

/// For a process that is not ours: its end of the link is our standard input.
pub(super) fn serve(typed: &cli::Api) -> io::Result<ExitCode> {
    if typed.package {
        report::bytes(modules::PACKAGE)?;
        return Ok(ExitCode::Success);
    }
    let guardian = Guardian::start()?;
    let link = guest::inherited()?;
    let settings = match prepare::guest(&typed.guest) {
        Ok(settings) => settings,
        Err(error) => {
            report::usage(&error);
            return Ok(ExitCode::Usage);
        }
    };
    with(guardian, link, settings, typed.guest.way.verbose)
}

fn with(guardian: Guardian, link: OwnedFd, settings: Settings, verbose: bool) -> io::Result<ExitCode> {
    let mut mux = Mux::new(ContextId::CONTROLLER)?;
    mux.be_guarded(guardian);
    guests::serve(link, settings, mux, verbose)?;
    Ok(ExitCode::Success)
}
