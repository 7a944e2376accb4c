//! The program: what was typed, what it means, how it ended.

use hopvine::cli::{self, Parsed};
use hopvine::error::{self, ExitCode};
use hopvine::sys::askpass;
use hopvine::{report, verbs};
use std::ffi::OsString;
use std::io;

fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(question) = askpass::question(&arguments) {
        // ssh takes no answer for an empty one.
        return std::process::ExitCode::from(u8::from(askpass::serve(question).is_err()));
    }
    let ended = verbs::called(&arguments).unwrap_or_else(|| typed(arguments));
    let code = ended.unwrap_or_else(|error| {
        report::complain(&error::machine_fails(&error));
        ExitCode::Failed
    });
    std::process::ExitCode::from(u8::try_from(code.status()).unwrap_or(u8::MAX))
}

fn typed(arguments: Vec<OsString>) -> io::Result<ExitCode> {
    match cli::parse(arguments) {
        Parsed::Command(command) => verbs::run(*command),
        Parsed::Answer(text) => report::bytes(text.as_bytes()).map(|()| ExitCode::Success),
        Parsed::Bare(text) => {
            report::help(&text);
            Ok(ExitCode::Usage)
        }
        Parsed::Wrong(text) => {
            report::complain(text.trim_end());
            Ok(ExitCode::Usage)
        }
    }
}
