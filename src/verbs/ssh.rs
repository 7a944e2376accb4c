//! This program as an ssh: a command line of ssh's own, by the verb or by the name it is called by.

mod connect;
mod environment;

use crate::error::{ExitCode, SshError};
use crate::fakessh::grammar::parse;
use crate::fakessh::{Invocation, Parsed, Refusal, configuration};
use crate::files;
use crate::report;
use crate::sys::{identity, program};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

pub(super) use connect::FAKESSH;

const NAME: &str = "ssh";

/// What this program does where it is called by the name of another: `ssh`; and below `hopvine fakessh` what uses that.
pub fn called(arguments: &[OsString]) -> Option<io::Result<ExitCode>> {
    let (called, words) = arguments.split_first()?;
    match Path::new(called).file_name().and_then(OsStr::to_str) {
        Some(NAME) => Some(run(words)),
        Some(name @ ("scp" | "sftp")) => Some(Ok(tool(name, words))),
        _ => words.split_first().filter(|(verb, _)| *verb == NAME).map(|(_, words)| run(words)),
    }
}

/// Goes on as the tool of that name, with our ssh as the one that it uses: it looks for none in PATH.
fn tool(name: &str, words: &[OsString]) -> ExitCode {
    let Some(socket) = std::env::var_os(FAKESSH).map(PathBuf::from) else {
        return fail(&SshError::NotBelowFakessh(name.to_owned()));
    };
    let Some(tool) = program::another(name) else { return fail(&SshError::NoTool(name.to_owned())) };
    let ours = ["-S".into(), socket.with_file_name(NAME).into_os_string()];
    hand_on(&tool, name, &[&ours, words].concat())
}

/// Does what ssh would do.
///
/// # Errors
///
/// When standard output cannot be written.
pub(super) fn run(words: &[OsString]) -> io::Result<ExitCode> {
    Ok(match parse(words) {
        Err(refusal) => {
            report::help(&refusal.to_string());
            ExitCode::Remote(Refusal::STATUS)
        }
        Ok(Parsed::Version) => match program::another(NAME) {
            Some(ssh) => hand_on(&ssh, NAME, &["-V".into()]),
            None => {
                report::help(&format!("hopvine {}, and no other ssh in PATH\n", env!("CARGO_PKG_VERSION")));
                ExitCode::Success
            }
        },
        Ok(Parsed::Query(query)) => match program::another(NAME) {
            Some(ssh) => hand_on(&ssh, NAME, &["-Q".into(), query.into()]),
            None => fail(&SshError::NoSsh(query)),
        },
        Ok(Parsed::Configuration(mut invocation)) => match program::another(NAME) {
            Some(ssh) => hand_on(&ssh, NAME, words),
            None => {
                leave_out_missing(&mut invocation);
                let user = identity::user_name(identity::effective_user());
                report::bytes(configuration::text(&invocation, &user).as_bytes())?;
                ExitCode::Success
            }
        },
        Ok(Parsed::Run(mut invocation)) => {
            leave_out_missing(&mut invocation);
            connect::run(&invocation)?
        }
        Ok(Parsed::Control(control, invocation)) => connect::control(control, &invocation)?,
    })
}

/// Goes on as another program.
fn hand_on(other: &Path, name: &str, words: &[OsString]) -> ExitCode {
    let why = program::hand_on(other, name, words);
    fail(&SshError::Start(other.to_owned(), files::words(&why)))
}

fn fail(error: &SshError) -> ExitCode {
    report::complain(&error.to_string());
    ExitCode::Remote(Refusal::STATUS)
}

/// ssh warns of files of `-i` that are not there, and goes without.
fn leave_out_missing(invocation: &mut Invocation) {
    for file in invocation.identities.clone() {
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        let path = file.strip_prefix("~/").map_or_else(|| file.clone().into(), |rest| home().join(rest));
        if let Err(error) = std::fs::metadata(path) {
            report::help(&format!("{}\n", SshError::NoIdentity(file.clone(), files::words(&error))));
            invocation.forget_identity(&file);
        }
    }
}
