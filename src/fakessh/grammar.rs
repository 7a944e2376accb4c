//! From words to what they mean, in the order of OpenSSH's `main`: options, the destination, options
//! again, and from the first word that is none the command.

use super::draft::Draft;
use super::getopt::Getopt;
use super::invocation::{Invocation, Level, Parsed, Session};
use super::refusal::{self, Refusal};
use super::value;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Reads a command line without its first word, the program.
///
/// # Errors
///
/// What ssh would refuse, in its own words; and what cannot be done here.
pub fn parse(words: &[OsString]) -> Result<Parsed, Refusal> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut draft = Draft::default();
    let mut getopt = Getopt::new(&words);
    if let Some(answer) = options(&mut draft, &mut getopt)? {
        return Ok(answer);
    }
    let (rest, is_terminated) = getopt.rest();
    let (destination, mut command) = rest.split_first().ok_or(Refusal::Usage)?;
    let host = draft.destination(destination)?;
    if !is_terminated {
        let mut getopt = Getopt::new(command);
        if let Some(answer) = options(&mut draft, &mut getopt)? {
            return Ok(answer);
        }
        command = getopt.rest().0;
    }
    draft.finish(host, command)
}

fn options(draft: &mut Draft, getopt: &mut Getopt<'_>) -> Result<Option<Parsed>, Refusal> {
    while let Some((letter, value)) = getopt.next()? {
        if let Some(answer) = draft.flag(letter, value)? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

impl Draft {
    /// Returns the host; a user and a port that were told before it count.
    fn destination(&mut self, word: &[u8]) -> Result<String, Refusal> {
        let text = std::str::from_utf8(word).map_err(|_| refusal::HOST)?;
        let place = value::uri(text).unwrap_or_else(|| value::destination(text))?;
        self.made.user = self.made.user.take().or(place.user);
        self.made.port = self.made.port.or(place.port);
        Ok(place.host)
    }

    fn finish(mut self, host: String, words: &[&[u8]]) -> Result<Parsed, Refusal> {
        if self.made.user.as_deref().is_some_and(|user| !value::is_user(user)) {
            return Err(refusal::USER);
        }
        // A host that is passed on as a word must not be read as more: OpenSSH would take `me@ssh://h`.
        if !value::is_host(&host) || host.starts_with("ssh://") {
            return Err(refusal::HOST);
        }
        if words.is_empty() && self.session == Some(Session::Subsystem) {
            return Err(Refusal::NoSubsystem);
        }
        if self.to_syslog && self.made.log_file.is_some() {
            return Err(refusal::TWO_LOGS);
        }
        let invocation = self.invocation(host, words).map_err(|refusal| match self.level {
            Some(Level::Quiet) => Refusal::Quiet,
            _ => refusal,
        })?;
        if self.shows_configuration {
            return Ok(Parsed::Configuration(invocation));
        }
        if invocation.host.is_empty() {
            return Err(refusal::NO_HOST);
        }
        if let Some(control) = self.control {
            return Ok(Parsed::Control(control, invocation));
        }
        match self.impossible(&invocation) {
            Some(impossible) => Err(impossible),
            None => Ok(Parsed::Run(invocation)),
        }
    }

    fn invocation(&mut self, host: String, words: &[&[u8]]) -> Result<Box<Invocation>, Refusal> {
        let mut made = Box::new(std::mem::take(&mut self.made));
        made.host = host;
        for given in self.given.drain(..) {
            let lines = if given.passes { &mut made.options } else { &mut made.accepted };
            lines.push(given.line);
        }
        if self.to_syslog {
            made.accepted.push("-y".to_owned());
        }
        made.terminal = self.terminal.unwrap_or_default();
        made.session = self.session.unwrap_or_default();
        made.no_input = self.no_input.unwrap_or_default();
        made.background = self.background.unwrap_or_default();
        made.level = self.level.unwrap_or_default();
        made.escape = self.escape.unwrap_or(Some(b'~'));
        // Words that are all empty are no command.
        made.command = Some(words.join(&b' ')).filter(|command| !command.is_empty());
        let remote = self.remote_command.as_deref().filter(|command| !command.eq_ignore_ascii_case("none"));
        match (remote, &made.command) {
            (Some(_), Some(_)) => return Err(refusal::TWO_COMMANDS),
            (Some(remote), None) => made.command = Some(made.expanded(remote)?.into_bytes()),
            (None, None) if made.background && made.session != Session::Nothing => {
                return Err(refusal::NO_COMMAND);
            }
            (None, _) => {}
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests;
