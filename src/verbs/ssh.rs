//! This program as an ssh: a command line of ssh's own, by the verb or by the name it is called by.

use crate::error::{ExitCode, SshError};
use crate::fakessh::grammar::parse;
use crate::fakessh::{Invocation, Parsed, Refusal, configuration};
use crate::files;
use crate::report;
use crate::sys::{identity, program};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "ssh";

/// The words of a command line of ssh's: of `hopvine ssh`, and of this program where its file is called ssh.
pub fn words(arguments: &[OsString]) -> Option<&[OsString]> {
    let (called, words) = arguments.split_first()?;
    if Path::new(called).file_name().is_some_and(|name| name == NAME) {
        return Some(words);
    }
    words.split_first().filter(|(verb, _)| *verb == NAME).map(|(_, words)| words)
}

/// Does what ssh would do.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn run(words: &[OsString]) -> io::Result<ExitCode> {
    Ok(match parse(words) {
        Err(refusal) => {
            report::help(&refusal.to_string());
            ExitCode::Remote(Refusal::STATUS)
        }
        Ok(Parsed::Version) => match program::another(NAME) {
            Some(ssh) => hand_on(&ssh, &["-V".into()]),
            None => {
                report::help(&format!("hopvine {}, and no other ssh in PATH\n", env!("CARGO_PKG_VERSION")));
                ExitCode::Success
            }
        },
        Ok(Parsed::Query(query)) => match program::another(NAME) {
            Some(ssh) => hand_on(&ssh, &["-Q".into(), query.into()]),
            None => fail(&SshError::NoSsh(query)),
        },
        Ok(Parsed::Configuration(mut invocation)) => match program::another(NAME) {
            Some(ssh) => hand_on(&ssh, words),
            None => {
                leave_out_missing(&mut invocation);
                let user = identity::user_name(identity::effective_user());
                report::bytes(configuration::text(&invocation, &user).as_bytes())?;
                ExitCode::Success
            }
        },
        Ok(Parsed::Run(_) | Parsed::Control(..)) => fail(&SshError::NotYet),
    })
}

/// Goes on as the real ssh.
fn hand_on(ssh: &Path, words: &[OsString]) -> ExitCode {
    let why = program::hand_on(ssh, NAME, words);
    fail(&SshError::Start(ssh.to_owned(), files::words(&why)))
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
