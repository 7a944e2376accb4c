//! What happens between a connection and an agent: the login, what start files do, the shell, the
//! interpreters. All of it over the very way that an agent would be started by.

use super::configuration::Configuration;
use super::errand::{End, Ran, lines};
use super::{Doctor, Step, failure};
use crate::controller::{Wording, interpreter, start_failure};
use crate::error::{HostError, HostErrorKind};
use crate::hosts::target::{Hop, Way};
use crate::payload;
use crate::report::{Finding, Verdict};
use crate::sys::child::Exit;
use crate::sys::random;
use std::io;

/// What ssh writes among other things when it is asked to tell what it does.
const SSH_TALK: [&str; 6] = [
    "debug1: ",
    "OpenSSH_",
    "Authenticated to ",
    "Transferred: ",
    "Bytes per second: ",
    "Authentication succeeded",
];
/// The oldest Python that an agent runs on.
const OLDEST: (u32, u32) = (2, 4);

/// One line of the survey, `COMMAND|PATH|VERSION`.
struct Found<'a> {
    command: &'a str,
    path: &'a str,
    version: &'a str,
}

impl<'a> Found<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(3, '|');
        Some(Self { command: fields.next()?, path: fields.next()?, version: fields.next()?.trim_end() })
    }

    fn number(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.strip_prefix("Python ")?.split('.');
        let digits =
            |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
        Some((digits(parts.next()?)?, digits(parts.next()?)?))
    }

    fn text(&self) -> String {
        if self.number().is_some() {
            format!("{} ({}) is {}", self.command, self.path, self.version)
        } else {
            format!("{} ({}) says {:?}", self.command, self.path, self.version)
        }
    }
}

impl Doctor {
    /// Lets the login shell say one word.
    pub(super) fn examine_login(&mut self, hop: &Hop, found: Option<&Configuration>) -> Step {
        let mark = mark()?;
        let command = format!("echo {mark}");
        let ran = self.run_there(hop, "login", Wording { command: command.clone(), script: command }, b"")?;
        let text = ran.out_text();
        let Some(at) = text.rfind(&mark) else {
            let finding = self.login_failure(hop, &ran, found);
            return self.fail(ran.complete(finding));
        };
        let noise = lines(&text.as_bytes()[..at]);
        let mut finding = Finding::new("login", Verdict::Ok, welcome(hop, &ran));
        if !ran.succeeded() {
            finding.verdict = Verdict::Warn;
            finding = finding.explained(
                "the command ran, and the way in did not end well",
                "a start file or a wrapper changes the status of commands",
            );
        }
        self.tell(ran.complete(finding))?;
        if noise.is_empty() {
            return Ok(());
        }
        let count = noise.len();
        let text =
            format!("start files print {count} line{} before a command", if count == 1 { "" } else { "s" });
        self.tell(
            Finding::new("noise", Verdict::Warn, text)
                .got(["on standard output:".to_owned()])
                .got(noise)
                .explained(
                    "it does no harm here, but scp, sftp and rsync trip over it",
                    "let start files print only in interactive shells: `case $- in *i*) ...;; esac`",
                ),
        )
    }

    /// Asks a POSIX shell there what an agent's start would meet: input, shell, interpreters.
    pub(super) fn examine_shell(&mut self, hop: &Hop) -> Step {
        let (mark, token) = (mark()?, mark()?);
        let wanted = interpreter(hop, &self.settings);
        let script = match payload::survey_script(&wanted, &mark) {
            Ok(script) => script,
            Err(odd) => {
                let text = format!("{odd:?} in the interpreter's path");
                return self.fail(Finding::new("python", Verdict::Fail, text));
            }
        };
        let input = format!("{token}\n");
        let ran = self.run_there(hop, "shell", Wording::by_sh(script), input.as_bytes())?;
        let text = ran.out_text();
        let marked = |word: &str| {
            let start = format!("{mark} {word} ");
            text.lines().filter_map(move |line| line.split_once(&start).map(|(_, rest)| rest.to_owned()))
        };
        let Some(shell) = marked("shell").next() else {
            let finding = self.shell_failure(hop, &ran);
            return self.fail(ran.complete(finding));
        };
        let (shell, path) = shell.split_once('|').unwrap_or((&shell, ""));
        let read = marked("input").next().unwrap_or_default();
        if read.trim_end() != token {
            let finding =
                Finding::new("shell", Verdict::Fail, "something reads standard input before the command")
                    .explained(
                        "a start file runs a program that reads it, so that what starts the agent is lost",
                        "give that program `</dev/null`, or run it in interactive shells only",
                    );
            let got = ran.got().into_iter().take(1);
            let finding =
                finding.got(got).got([format!("sent {token:?}, and the command has read {read:?}")]);
            return self.fail(Finding { ran: Some(ran.argv), took: Some(ran.took), ..finding });
        }
        let text = format!("{}; standard input arrives whole", if shell.is_empty() { "sh" } else { shell });
        let finding = Finding::new("shell", Verdict::Ok, text).took(ran.took);
        self.tell(Finding { ran: Some(ran.argv.clone()), ..finding })?;
        let (found, chosen): (Vec<_>, Vec<_>) = (marked("found").collect(), marked("chosen").collect());
        let finding = self.python(hop, &found, chosen.first().map_or("", String::as_str), path);
        let finding = Finding { ran: Some(ran.argv), ..finding };
        if finding.verdict == Verdict::Fail { self.fail(finding) } else { self.tell(finding) }
    }

    /// Which interpreter would start, and whether it could be an agent.
    fn python(&self, hop: &Hop, found: &[String], chosen: &str, path: &str) -> Finding {
        let found: Vec<Found<'_>> = found.iter().filter_map(|line| Found::parse(line)).collect();
        let got = [format!("PATH={path}")].into_iter().chain(found.iter().map(Found::text));
        let Some(chosen) = Found::parse(chosen).filter(|chosen| !chosen.path.is_empty()) else {
            let tried = interpreter(hop, &self.settings).tried().to_owned();
            let kind = HostErrorKind::NoPython { tried };
            return failure("python", &HostError { hop: None, kind, said: Vec::new() }).got(got);
        };
        let advice = "name a better one with --python PATH or ?python=PATH";
        match chosen.number() {
            Some(number) if number >= OLDEST => {
                let also = found.iter().filter(|other| other.number().is_some_and(|other| other != number));
                let also: String =
                    also.map(|other| format!(", {} is {}", other.command, other.version)).collect();
                Finding::new("python", Verdict::Ok, chosen.text() + &also).got(got)
            }
            Some(_) => Finding::new("python", Verdict::Fail, chosen.text())
                .got(got)
                .explained("an agent needs Python 2.4 at least", advice),
            // Some say other things first, so the start has the last word.
            None => Finding::new("python", Verdict::Warn, chosen.text())
                .got(got)
                .explained("the interpreter that the start would choose does not tell its version", advice),
        }
    }

    /// Runs something over the way that an agent is started by; ssh tells what it does.
    fn run_there(&mut self, hop: &Hop, step: &'static str, wording: Wording, input: &[u8]) -> Step<Ran> {
        let mut argv = match self.plan(hop, wording) {
            Ok(plan) => plan.argv,
            Err(error) => return self.fail(failure(step, &error)),
        };
        if is_ssh(hop) {
            argv.insert(1, "-v".to_owned());
        }
        let mut ran = self.run(argv, input)?;
        if is_ssh(hop) {
            ran.aside = ran.err_lines().into_iter().filter(|line| is_talk(line)).collect();
            let said: Vec<String> = ran.err_lines().into_iter().filter(|line| !is_talk(line)).collect();
            ran.err = said.join("\n").into_bytes();
        }
        Ok(ran)
    }

    fn login_failure(&self, hop: &Hop, ran: &Ran, found: Option<&Configuration>) -> Finding {
        let kind = match &ran.end {
            End::NotStarted(error) => HostErrorKind::SpawnFailed {
                program: ran.argv.first().cloned().unwrap_or_default(),
                error: error.clone(),
            },
            End::TooSlow => HostErrorKind::ConnectTimeout { after: self.settings.connect_timeout },
            End::TooMuch => HostErrorKind::Noise,
            End::Exit(exit) => {
                match start_failure(hop, Some(*exit), &ran.err_lines(), &self.settings, self.settings.agent) {
                    // Nobody has been asked for an interpreter yet.
                    HostErrorKind::NoPython { .. } => HostErrorKind::StartFailed { exit: Some(*exit) },
                    kind => kind,
                }
            }
        };
        let mut finding = failure("login", &HostError { hop: None, kind: kind.clone(), said: Vec::new() });
        if let End::NotStarted(_) = ran.end {
            finding.advice = Some("correct the command line in the inventory, or PATH".to_owned());
        }
        if let Some((means, advice)) = self.stage(hop, ran, &kind) {
            finding = finding.explained(means, advice);
        }
        if let Some(proxy) = found.and_then(|found| found.proxy.as_ref()) {
            let means = finding.means.take().unwrap_or_default();
            finding.means = Some(format!("{means}; the way goes by {proxy}, which may be what fails"));
            if !proxy.contains([' ', ',']) {
                finding.advice = Some(format!("`hopvine doctor -w {proxy}` first"));
            }
        }
        // No agent has been asked for yet.
        finding.text = finding.text.replace("before the agent started", "before our command ran");
        finding
    }

    /// How far a login came that brought no error of ssh's own.
    fn stage(&self, hop: &Hop, ran: &Ran, kind: &HostErrorKind) -> Option<(&'static str, &'static str)> {
        let talks = |words: &str| ran.aside.iter().any(|line| line.contains(words));
        match kind {
            HostErrorKind::ConnectTimeout { .. } if !is_ssh(hop) || talks("Sending command") => Some((
                "the login is done, and the command does not come to its turn: a start file hangs",
                "look for what waits in the start files of that account's shell (.bashrc, .profile, .zshenv, .cshrc)",
            )),
            HostErrorKind::ConnectTimeout { .. } if talks("Authenticated to") => Some((
                "the server has let us in and opens no session",
                "its log tells what it waits for: PAM, a home folder that does not mount",
            )),
            HostErrorKind::ConnectTimeout { .. } if talks("Connection established") => Some((
                "the connection is made, and the login does not come to an end",
                "a slow reverse lookup or directory on the server, or packets that are too large for the way (MTU)",
            )),
            HostErrorKind::StartFailed { exit: Some(Exit::Status(0)) } => Some((
                "the login works, and something else ran in the place of our command",
                "a shell for file transfers or git only, or `command=` in authorized_keys: use another account or key",
            )),
            HostErrorKind::StartFailed { .. } if !is_ssh(hop) || talks("Sending command") => Some((
                "the login works, and the shell ended without running the command",
                "is the account's shell /bin/false or nologin, or does a start file exit? `getent passwd USER` there",
            )),
            _ => None,
        }
    }

    fn shell_failure(&self, hop: &Hop, ran: &Ran) -> Finding {
        if ran.exit() == Some(Exit::Status(127)) {
            return Finding::new("shell", Verdict::Fail, "no `sh` there").explained(
                "the login shell finds no `sh` on its PATH, so nothing can look for an interpreter",
                "correct PATH in the start files of that account",
            );
        }
        let mut finding = self.login_failure(hop, ran, None);
        finding.step = "shell";
        finding
    }
}

/// What is said of a login that worked.
fn welcome(hop: &Hop, ran: &Ran) -> String {
    let by = ran.aside.iter().find_map(|line| {
        let method = line.split_once("using \"").and_then(|(_, rest)| rest.split_once('"'));
        let older = line.split_once("Authentication succeeded (").and_then(|(_, rest)| rest.split_once(')'));
        method.or(older).map(|(method, _)| method)
    });
    match by {
        Some(method) => format!("by {method}, and commands run"),
        None if is_ssh(hop) => "done, and commands run".to_owned(),
        None => "commands run".to_owned(),
    }
}

fn is_ssh(hop: &Hop) -> bool {
    matches!(hop.way, Way::Ssh(_))
}

fn is_talk(line: &str) -> bool {
    SSH_TALK.iter().any(|words| line.starts_with(words))
}

/// A word that nothing else prints.
pub(super) fn mark() -> io::Result<String> {
    let bytes: [u8; 8] = random::bytes()?;
    Ok(format!("hopvine-{:016x}", u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_interpreters_print_them() {
        let number = |version| Found { command: "python3", path: "/p", version }.number();
        assert_eq!(number("Python 3.11.2"), Some((3, 11)));
        assert_eq!(number("Python 2.7.18+ :: vendor"), Some((2, 7)));
        assert_eq!(number("Python 3.15rc1"), Some((3, 15)));
        assert_eq!(number("pyenv: python3: command not found"), None);
    }
}
