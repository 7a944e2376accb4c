//! Passwords, from where the user says: asked on the terminal once, or read, before anything is started.

use super::shell;
use crate::cli;
use crate::controller::secrets::{Secret, Secrets, User};
use crate::error::UsageError;
use crate::hosts::target::{Target, Way};
use crate::sys::{environment, tty};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::process::Stdio;

/// Longer is no password.
const MAX_BYTES: usize = 4096;

/// What `-k` and `-K` ask for. A secret from elsewhere without either is for becoming another user,
/// where a target does, else for ssh.
pub(super) fn gather(typed: &cli::Way, targets: &[Target]) -> Result<Secrets, UsageError> {
    let from = &typed.secret;
    let becomes = targets.iter().flat_map(|target| &target.hops).any(|hop| matches!(hop.way, Way::Become(_)));
    let unsaid = from.is_given() && !typed.ask_login && !typed.ask_become;
    let (login, become_other) =
        (typed.ask_login || unsaid && !becomes, typed.ask_become || unsaid && becomes);
    let found = read_elsewhere(from)?;
    let secret = |wanted: bool, question: &str| match (wanted, &found) {
        (false, _) => Ok(None),
        (true, Some(secret)) => Ok(Some(secret.clone())),
        (true, None) => ask(question).map(Some),
    };
    let login = secret(login, "ssh password: ")?;
    let become_other = secret(become_other, "password to become another user: ")?;
    // Who says that ssh asks, and sits at a terminal, can also be asked for what only shows then.
    let user = if typed.ask_login && tty::is_there() { User::Present } else { User::Away };
    Ok(Secrets { login, become_other, user })
}

fn ask(question: &str) -> Result<Secret, UsageError> {
    let typed = tty::ask(question, tty::Echo::Hidden).map_err(|error| error.to_string()).and_then(line);
    typed.map(Secret::new).map_err(|wrong| UsageError::Secret { from: "the terminal".to_owned(), wrong })
}

fn read_elsewhere(typed: &cli::Secret) -> Result<Option<Secret>, UsageError> {
    let (from, read) = if let Some(path) = &typed.secret_file {
        (format!("--secret-file {}", path.display()), std::fs::read(path).map_err(|error| error.to_string()))
    } else if let Some(line) = &typed.secret_command {
        // It may ask something itself; what is on standard input is for others.
        let terminal = File::open("/dev/tty").map_or_else(|_| Stdio::null(), Stdio::from);
        (
            format!("--secret-command {line:?}"),
            shell::output(line, terminal, None, MAX_BYTES).map_err(|error| error.to_string()),
        )
    } else if let Some(name) = &typed.secret_env {
        let value = environment::take(name).ok_or_else(|| "not set".to_owned());
        (format!("--secret-env {name}"), value.map(OsStringExt::into_vec))
    } else {
        return Ok(None);
    };
    read.and_then(line)
        .map(|secret| Some(Secret::new(secret)))
        .map_err(|wrong| UsageError::Secret { from, wrong })
}

/// One line, without its end.
fn line(mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        Err("it is empty".to_owned())
    } else if bytes.len() > MAX_BYTES || bytes.iter().any(|byte| *byte < b' ') {
        Err("it is not one line of text".to_owned())
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_secret_is_one_line() {
        assert_eq!(line(b"pass word\r\n".to_vec()), Ok(b"pass word".to_vec()));
        for wrong in ["", "\n", "a\nb\n", "a\0"] {
            assert!(line(wrong.as_bytes().to_vec()).is_err(), "{wrong:?}");
        }
    }
}
