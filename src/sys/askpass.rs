//! This program as ssh's helper (SSH_ASKPASS): it passes each question of ssh's on to the terminal that
//! ssh has from us, in words that only this connection's ssh was told, and prints what is typed there.
//! ssh closes all descriptors that it inherits, so that terminal is the way; no file and no socket is made.

use super::tty;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Holds what goes before each question.
const WORDS: &str = "HOPVINE_ASKPASS";
const HELPER: &str = "SSH_ASKPASS";
/// What ssh tells of a question that is none: to be confirmed, or only to be shown.
const KIND: &str = "SSH_ASKPASS_PROMPT";
/// The first that runs its helper although it has a terminal.
const FIRST_VERSION: (u32, u32) = (8, 4);
/// For `ssh -V`.
const PATIENCE: Duration = Duration::from_secs(2);
const MAX_VERSION_BYTES: usize = 200;
/// The end of a question tells what it is about; a terminal's line must not be too long.
const MAX_QUESTION_CHARS: usize = 1000;

/// What `program`, an ssh, needs in its environment to ask through us; none where it is too old. The
/// first answer holds for the life of this process.
pub fn environment(program: &str, words: &str) -> Vec<(&'static str, OsString)> {
    static IS_NEW: OnceLock<bool> = OnceLock::new();
    // By the number of this process: its file may have been replaced, or never have been one.
    let helper = format!("/proc/{}/exe", std::process::id());
    if !IS_NEW.get_or_init(|| version(program).is_some_and(|text| is_new(&text)))
        || std::fs::File::open(&helper).is_err()
    {
        return Vec::new();
    }
    vec![(HELPER, helper.into()), ("SSH_ASKPASS_REQUIRE", "force".into()), (WORDS, words.into())]
}

/// Whether ssh has started this process as its helper: for a question, under the name that we gave it.
pub fn question(arguments: &[OsString]) -> Option<&OsStr> {
    let [name, question] = arguments else { return None };
    let called = std::env::var_os(WORDS).is_some() && std::env::var_os(HELPER).as_ref() == Some(name);
    called.then_some(question)
}

/// Passes a question on and its answer back.
///
/// # Errors
///
/// When there is no terminal, or the question is none that an answer could be typed to.
pub fn serve(question: &OsStr) -> io::Result<()> {
    if std::env::var_os(KIND).is_some_and(|kind| !kind.is_empty()) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let words = std::env::var_os(WORDS).unwrap_or_default();
    let shown = format!("{} {} ", words.to_string_lossy(), on_one_line(&question.to_string_lossy()));
    let answer = zeroize::Zeroizing::new(tty::ask(&shown, tty::Echo::Hidden)?);
    let line = zeroize::Zeroizing::new([answer.as_slice(), b"\n"].concat());
    io::stdout().write_all(&line)
}

pub(super) fn on_one_line(question: &str) -> String {
    let chars: Vec<char> = question.trim().chars().collect();
    let end = &chars[chars.len().saturating_sub(MAX_QUESTION_CHARS)..];
    end.iter().map(|char| if char.is_control() { ' ' } else { *char }).collect()
}

/// What `ssh -V` says.
fn version(program: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::ZERO);
        let mut polled = [PollFd::new(stderr.as_fd(), PollFlags::POLLIN)];
        if poll(&mut polled, timeout).is_ok_and(|ready| ready > 0) {
            let mut bytes = [0; MAX_VERSION_BYTES];
            let count = stderr.read(&mut bytes).unwrap_or_default();
            said = String::from_utf8_lossy(&bytes[..count]).into_owned();
        }
    }
    child.kill().ok();
    child.wait().ok()?;
    Some(said)
}

/// Whether that is an OpenSSH which asks through its helper whenever it is told to.
fn is_new(version: &str) -> bool {
    let Some((_, rest)) = version.split_once("OpenSSH_") else { return false };
    // `OpenSSH_for_Windows_8.1p1` is another's.
    let mut numbers = rest.split(|char: char| !char.is_ascii_digit()).map(str::parse);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= FIRST_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ssh_that_can_be_told_to_is_asked_through_the_helper() {
        for new in ["OpenSSH_8.4p1 Debian-5, OpenSSL 1.1.1w", "OpenSSH_9.2p1", "OpenSSH_10.0p2"] {
            assert!(is_new(new), "{new}");
        }
        for old in
            ["OpenSSH_8.3p1", "OpenSSH_7.4p1", "OpenSSH_5.3p1", "Dropbear v2022.83", "OpenSSH_for_W", ""]
        {
            assert!(!is_new(old), "{old}");
        }
    }

    #[test]
    fn a_question_keeps_its_end_and_has_no_control_characters() {
        assert_eq!(
            on_one_line("fingerprint\nis\x1b[2J sure (yes/no)? "),
            "fingerprint is [2J sure (yes/no)?"
        );
        assert!(on_one_line(&format!("{}'s password: ", "x".repeat(5000))).ends_with("x's password:"));
        assert_eq!(on_one_line(&"x".repeat(5000)).len(), MAX_QUESTION_CHARS);
    }

    #[test]
    fn a_word_on_a_command_line_is_no_question() {
        assert_eq!(question(&["hopvine".into(), "--help".into()]), None);
    }
}
