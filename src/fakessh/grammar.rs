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
        self.user = self.user.take().or(place.user);
        self.port = self.port.or(place.port);
        Ok(place.host)
    }

    fn finish(self, host: String, words: &[&[u8]]) -> Result<Parsed, Refusal> {
        if self.user.as_deref().is_some_and(|user| !value::is_user(user)) {
            return Err(refusal::USER);
        }
        // A host that is passed on as a word must not be read as more: OpenSSH would take `me@ssh://h`.
        if !value::is_host(&host) || host.starts_with("ssh://") {
            return Err(refusal::HOST);
        }
        if words.is_empty() && self.session == Some(Session::Subsystem) {
            return Err(Refusal::NoSubsystem);
        }
        if self.to_syslog && self.log_file.is_some() {
            return Err(refusal::TWO_LOGS);
        }
        let level = self.level.unwrap_or_default();
        let said = |refusal: Refusal| if level == Level::Quiet { Refusal::Quiet } else { refusal };
        let (shows, control) = (self.shows_configuration, self.control);
        let impossible = self.impossible();
        let invocation = self.invocation(host, words).map_err(said)?;
        if shows {
            return Ok(Parsed::Configuration(Box::new(invocation)));
        }
        if invocation.host.is_empty() {
            return Err(refusal::NO_HOST);
        }
        match (impossible, control) {
            (_, Some(control)) => Ok(Parsed::Control(control, Box::new(invocation))),
            (Some(impossible), None) => Err(impossible),
            (None, None) => Ok(Parsed::Run(Box::new(invocation))),
        }
    }

    fn invocation(mut self, host: String, words: &[&[u8]]) -> Result<Invocation, Refusal> {
        // Words that are all empty are no command.
        let typed = Some(words.join(&b' ')).filter(|command| !command.is_empty());
        let remote = self.remote_command.take().filter(|command| !command.eq_ignore_ascii_case("none"));
        let session = self.session.unwrap_or_default();
        let background = self.background.unwrap_or_default();
        if typed.is_some() && remote.is_some() {
            return Err(refusal::TWO_COMMANDS);
        }
        if background && typed.is_none() && remote.is_none() && session != Session::Nothing {
            return Err(refusal::NO_COMMAND);
        }
        let environment = self.environment();
        let (passed, kept): (Vec<_>, Vec<_>) = self.given.into_iter().partition(|given| given.passes);
        let mut accepted: Vec<String> = kept.into_iter().map(|given| given.line).collect();
        accepted.extend(self.to_syslog.then(|| "-y".to_owned()));
        let mut invocation = Invocation {
            host,
            user: self.user,
            port: self.port,
            options: passed.into_iter().map(|given| given.line).collect(),
            identities: self.identities,
            config: self.config,
            terminal: self.terminal.unwrap_or_default(),
            session,
            no_input: self.no_input.unwrap_or_default(),
            background,
            level: self.level.unwrap_or_default(),
            log_file: self.log_file,
            stdio_to: self.stdio_to,
            environment,
            send_environment: self.send_environment,
            escape: self.escape.unwrap_or(Some(b'~')),
            command: typed,
            accepted,
        };
        if let Some(remote) = remote {
            invocation.command = Some(invocation.expanded(&remote)?.into_bytes());
        }
        Ok(invocation)
    }
}

#[cfg(test)]
mod tests;
