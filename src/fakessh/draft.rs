//! What the options have said so far. Of a keyword the first value counts, but most flags count anyhow.

use super::directive::{self, Directive, line};
use super::invocation::{Control, Invocation, Level, Parsed, Session, Terminal};
use super::keyword::{self, Concern, Keyword, Takes};
use super::refusal::{self, Refusal};
use super::value;
use crate::hosts::wildcard;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A line of a configuration that the options stand for.
#[derive(Debug)]
pub(super) struct Given {
    name: String,
    pub(super) line: String,
    /// Whether it is for the ssh that connects.
    pub(super) passes: bool,
}

/// Flags that set a keyword, to this or to their own value; whether it is for the ssh that connects.
const KEYWORDS: &[(u8, &str, &str, bool)] = &[
    (b'4', "AddressFamily", "inet", true),
    (b'6', "AddressFamily", "inet6", true),
    (b'A', "ForwardAgent", "yes", true),
    (b'a', "ForwardAgent", "no", true),
    (b'B', "BindInterface", "", true),
    (b'b', "BindAddress", "", true),
    (b'C', "Compression", "yes", true),
    (b'c', "Ciphers", "", true),
    (b'g', "GatewayPorts", "yes", false),
    (b'I', "PKCS11Provider", "", true),
    (b'K', "GSSAPIAuthentication", "yes", true),
    (b'K', "GSSAPIDelegateCredentials", "yes", true),
    (b'k', "GSSAPIDelegateCredentials", "no", true),
    (b'm', "MACs", "", true),
    (b'S', "ControlPath", "", false),
    (b'X', "ForwardX11", "yes", false),
    (b'x', "ForwardX11", "no", false),
    (b'Y', "ForwardX11", "yes", false),
    (b'Y', "ForwardX11Trusted", "yes", false),
];

#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What is as it will be: the rest is known at the end.
    pub(super) made: Invocation,
    pub(super) given: Vec<Given>,
    pub(super) terminal: Option<Terminal>,
    pub(super) session: Option<Session>,
    pub(super) no_input: Option<bool>,
    pub(super) background: Option<bool>,
    pub(super) level: Option<Level>,
    is_verbose: bool,
    pub(super) to_syslog: bool,
    pub(super) escape: Option<Option<u8>>,
    pub(super) remote_command: Option<String>,
    pub(super) control: Option<Control>,
    pub(super) shows_configuration: bool,
    /// The first that asks for something to be forwarded.
    forwards: Option<String>,
    no_forwards: Option<bool>,
    tunnel: Option<bool>,
    local_command: Option<bool>,
    permits_local_command: Option<bool>,
    has_jump: bool,
    has_proxy: bool,
    ignored_unknown: Option<String>,
}

impl Draft {
    /// Takes a flag; an answer where ssh looks no further.
    ///
    /// # Errors
    ///
    /// For what OpenSSH refuses too.
    pub(super) fn flag(&mut self, letter: u8, value: &[u8]) -> Result<Option<Parsed>, Refusal> {
        let path = || PathBuf::from(OsStr::from_bytes(value));
        match letter {
            b'E' => self.made.log_file = Some(path()),
            b'F' => self.made.config = Some(path()),
            _ => {
                let text = std::str::from_utf8(value).map_err(|_| refusal::NOT_TEXT)?;
                return self.flag_with_text(letter, text);
            }
        }
        Ok(None)
    }

    fn flag_with_text(&mut self, letter: u8, text: &str) -> Result<Option<Parsed>, Refusal> {
        for (_, keyword, value, passes) in KEYWORDS.iter().filter(|(flag, ..)| *flag == letter) {
            self.set(keyword, if value.is_empty() { text } else { value }, *passes);
        }
        match letter {
            b'1' => return Err(refusal::PROTOCOL_ONE),
            b'D' | b'L' | b'R' => self.forwarding(format!("-{}", char::from(letter))),
            b'e' => {
                self.escape = Some(value::escape(text).ok_or_else(|| Refusal::Escape(text.to_owned()))?);
            }
            b'f' => (self.background, self.no_input) = (Some(true), Some(true)),
            b'G' => self.shows_configuration = true,
            b'i' => {
                self.made.identities.push(text.to_owned());
                self.add("identityfile", line("IdentityFile", text), true);
            }
            b'J' => self.jump(text)?,
            b'l' => drop(self.made.user.get_or_insert_with(|| text.to_owned())),
            b'M' => {
                let again = self.given.iter().any(|given| given.line == "ControlMaster=yes");
                self.set("ControlMaster", if again { "ask" } else { "yes" }, false);
            }
            b'N' => self.nothing()?,
            b'n' => self.no_input = Some(true),
            b'O' => self.control(text)?,
            b'o' => self.directive(text)?,
            b'P' => self.add("tag", line("Tag", text), true),
            b'p' if self.made.port.is_none() => {
                self.made.port = Some(value::port(text).ok_or_else(|| Refusal::Port(text.to_owned()))?);
            }
            b'Q' => return Ok(Some(Parsed::Query(text.to_owned()))),
            b'q' => self.level = Some(Level::Quiet),
            b's' if self.session.is_some_and(|session| session != Session::Subsystem) => {
                return Err(refusal::SUBSYSTEM_AND_SESSION);
            }
            b's' => self.session = Some(Session::Subsystem),
            b'T' => self.terminal = Some(Terminal::Never),
            b't' if self.terminal == Some(Terminal::Wanted) => self.terminal = Some(Terminal::Forced),
            b't' => self.terminal = Some(Terminal::Wanted),
            b'V' => return Ok(Some(Parsed::Version)),
            b'v' => self.louder(),
            b'W' => self.stdio(text)?,
            b'w' => {
                self.tunnel.get_or_insert(true);
                self.add("tunneldevice", line("TunnelDevice", text), false);
            }
            b'y' => self.to_syslog = true,
            // One of the keywords above, `-2`, and a port after the first.
            _ => {}
        }
        Ok(None)
    }

    /// What has been asked for that we cannot do.
    pub(super) fn impossible(&self, made: &Invocation) -> Option<Refusal> {
        let forwards = !self.no_forwards.unwrap_or(made.stdio_to.is_some());
        let tunnel = || (self.tunnel == Some(true)).then(|| "-w".to_owned());
        let what = forwards.then(|| self.forwards.clone().or_else(tunnel)).flatten();
        if let Some(what) = what {
            return Some(Refusal::Impossible(format!("Forwarding ({what}; -W works)")));
        }
        let local = self.permits_local_command == Some(true) && self.local_command == Some(true);
        local.then(|| Refusal::Impossible("LocalCommand".into()))
    }

    /// A flag that counts whatever has been said of its keyword.
    fn set(&mut self, keyword: &str, word: &str, passes: bool) {
        let name = keyword.to_ascii_lowercase();
        self.given.retain(|given| given.name != name);
        self.add(&name, line(keyword, word), passes);
    }

    fn add(&mut self, name: &str, line: String, passes: bool) {
        self.given.push(Given { name: name.to_owned(), line, passes });
    }

    fn forwarding(&mut self, what: String) {
        self.forwards.get_or_insert(what);
    }

    fn louder(&mut self) {
        let louder = self.level.filter(|_| self.is_verbose).map(Level::louder);
        self.is_verbose = true;
        self.level = Some(louder.unwrap_or(Level::Debug1));
    }

    fn nothing(&mut self) -> Result<(), Refusal> {
        if self.session.is_some_and(|session| session != Session::Nothing) {
            return Err(refusal::NOTHING_AND_SESSION);
        }
        (self.session, self.terminal) = (Some(Session::Nothing), Some(Terminal::Never));
        Ok(())
    }

    fn jump(&mut self, hosts: &str) -> Result<(), Refusal> {
        if self.has_jump {
            return Err(refusal::SECOND_JUMP);
        }
        if self.has_proxy {
            return Err(refusal::JUMP_AND_PROXY);
        }
        if !value::is_jump(directive::without_comment(hosts)) {
            return Err(refusal::JUMP);
        }
        (self.has_jump, self.has_proxy) = (true, true);
        // It is a line to its end, in which no quotes are taken off.
        self.add("proxyjump", format!("ProxyJump={hosts}"), true);
        Ok(())
    }

    fn control(&mut self, command: &str) -> Result<(), Refusal> {
        if self.made.stdio_to.is_some() {
            return Err(refusal::CONTROL_AND_STDIO);
        }
        if self.control.is_some() {
            return Err(refusal::SECOND_CONTROL);
        }
        self.control = Some(match command {
            "check" => Control::Check,
            "exit" => Control::Exit,
            "stop" => Control::Stop,
            "forward" | "cancel" | "proxy" => return Err(Refusal::Impossible(format!("-O {command}"))),
            _ => return Err(refusal::CONTROL),
        });
        Ok(())
    }

    fn stdio(&mut self, place: &str) -> Result<(), Refusal> {
        if self.made.stdio_to.is_some() {
            return Err(refusal::SECOND_STDIO);
        }
        if self.control.is_some() {
            return Err(refusal::STDIO_AND_CONTROL);
        }
        let to = value::host_and_port(place).ok_or_else(|| Refusal::StdioForward(place.to_owned()))?;
        self.made.stdio_to = Some(to);
        (self.session, self.terminal) = (Some(Session::Nothing), Some(Terminal::Never));
        Ok(())
    }

    /// Takes a line of `-o`.
    fn directive(&mut self, text: &str) -> Result<(), Refusal> {
        let Some(directive) = Directive::of(text)? else { return Ok(()) };
        let Some(keyword) = keyword::find(&directive.keyword) else {
            let ignored = self.ignored_unknown.as_deref().unwrap_or_default();
            if !directive::is_in_list(&directive.keyword, ignored) {
                return Err(Refusal::UnknownKeyword(directive.keyword));
            }
            // The ssh that connects may know it, and is told to ignore it too.
            self.add(&directive.keyword, text.to_owned(), true);
            return Ok(());
        };
        let words = directive.checked(keyword)?;
        match keyword.concern {
            Concern::Connection => self.add(keyword.name, text.to_owned(), true),
            Concern::Accepted => self.add(keyword.name, text.to_owned(), false),
            Concern::Forwarding => self.forwarding(keyword.name.to_owned()),
            Concern::File(name) => return Err(Refusal::OnlyInFiles(name)),
            Concern::Session => self.session(keyword, text, &directive, &words),
        }
        Ok(())
    }

    fn session(&mut self, keyword: Keyword, text: &str, directive: &Directive<'_>, words: &[String]) {
        let word = words.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
        let is_yes = matches!(word.as_str(), "yes" | "true");
        match keyword.name {
            "user" => drop(self.made.user.get_or_insert_with(|| words.concat())),
            "port" => self.made.port = self.made.port.or_else(|| value::port(&word)),
            "requesttty" => drop(self.terminal.get_or_insert(Terminal::of(&word))),
            "sessiontype" => drop(self.session.get_or_insert(Session::of(&word))),
            "stdinnull" => drop(self.no_input.get_or_insert(is_yes)),
            "forkafterauthentication" => drop(self.background.get_or_insert(is_yes)),
            "clearallforwardings" => {
                self.no_forwards.get_or_insert(is_yes);
                self.add(keyword.name, text.to_owned(), false);
            }
            "tunnel" => {
                self.tunnel.get_or_insert(!matches!(word.as_str(), "no" | "false"));
                self.add(keyword.name, text.to_owned(), false);
            }
            "permitlocalcommand" => {
                self.permits_local_command.get_or_insert(is_yes);
                // What a configuration permits would write where the connection is.
                self.add(keyword.name, text.to_owned(), !is_yes);
            }
            "localcommand" => drop(self.local_command.get_or_insert(!directive.is_none())),
            "remotecommand" => {
                self.remote_command.get_or_insert_with(|| directive.line().to_owned());
                self.add(keyword.name, text.to_owned(), false);
            }
            "escapechar" => self.escape = self.escape.or_else(|| value::escape(&words.concat())),
            "loglevel" => self.level = self.level.or_else(|| Level::of(&word)),
            "setenv" if self.made.environment.is_empty() => self.made.environment = variables(words),
            "setenv" => {}
            "sendenv" => words.iter().for_each(|word| self.send(word)),
            "ignoreunknown" => {
                self.ignored_unknown.get_or_insert_with(|| words.concat());
                self.add(keyword.name, text.to_owned(), true);
            }
            "proxyjump" => {
                // As OpenSSH: to jump nowhere leaves a command possible.
                let is_first = !self.has_jump && !self.has_proxy;
                self.has_jump |= is_first || directive.is_none();
                self.has_proxy |= is_first && !directive.is_none();
                self.add(keyword.name, text.to_owned(), true);
            }
            _ => {
                debug_assert_eq!((keyword.name, keyword.takes), ("proxycommand", Takes::Line));
                self.has_proxy = true;
                self.add(keyword.name, text.to_owned(), true);
            }
        }
    }

    fn send(&mut self, pattern: &str) {
        match pattern.strip_prefix('-') {
            Some(gone) => self.made.send_environment.retain(|name| !wildcard::matches(gone, name)),
            None => self.made.send_environment.push(pattern.to_owned()),
        }
    }
}

/// Of a name that comes twice the first counts.
fn variables(words: &[String]) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
        if !variables.iter().any(|(known, _)| known == name) {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    variables
}
