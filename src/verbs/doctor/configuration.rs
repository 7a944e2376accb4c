//! The first steps of an ssh target: the program itself, and what its configuration makes of the host.

use super::errand::{End, Ran};
use super::{Doctor, Step, failure};
use crate::controller::Wording;
use crate::error::{HostError, HostErrorKind};
use crate::hosts::target::Hop;
use crate::report::{Finding, Verdict};
use std::path::{Path, PathBuf};

/// What `ssh -G` tells, as far as the next steps ask.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) host: String,
    pub(super) user: String,
    pub(super) port: u16,
    pub(super) family: Family,
    /// ProxyJump or ProxyCommand, as configured.
    pub(super) proxy: Option<String>,
    /// The socket of a connection that is open already.
    master: Option<PathBuf>,
    keys: Vec<String>,
    /// Whether there are ways to log in beside files of keys.
    other_ways: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Family {
    #[default]
    Any,
    Inet,
    Inet6,
}

impl Configuration {
    fn parse(text: &str) -> Self {
        let mut found = Self { port: 22, ..Self::default() };
        for (name, value) in text.lines().filter_map(|line| line.trim_end().split_once(' ')) {
            match (name, value) {
                ("proxyjump" | "proxycommand" | "controlpath", "none") => {}
                ("hostname", host) => found.host = host.to_owned(),
                ("user", user) => found.user = user.to_owned(),
                ("port", port) => found.port = port.parse().unwrap_or(22),
                ("addressfamily", "inet") => found.family = Family::Inet,
                ("addressfamily", "inet6") => found.family = Family::Inet6,
                ("proxyjump" | "proxycommand", proxy) => found.proxy = Some(proxy.to_owned()),
                ("controlpath", path) => found.master = Some(PathBuf::from(path)),
                ("identityfile", path) => found.keys.push(path.to_owned()),
                ("gssapiauthentication" | "hostbasedauthentication", "yes") => found.other_ways = true,
                ("pkcs11provider", _) => found.other_ways = true,
                ("identityagent", agent) => found.other_ways |= !matches!(agent, "none" | "SSH_AUTH_SOCK"),
                _ => {}
            }
        }
        found.master = found.master.filter(|path| path.exists());
        found
    }

    /// Whether ssh will look the host up and connect by itself.
    pub(super) fn goes_straight(&self) -> bool {
        self.proxy.is_none() && self.master.is_none()
    }

    fn text(&self) -> String {
        let mut text = format!("{}, user {}, port {}", self.host, self.user, self.port);
        if let Some(proxy) = &self.proxy {
            text += &format!(", by way of {proxy}");
        }
        if let Some(master) = &self.master {
            text += &format!(", over the open connection {}", master.display());
        }
        let keys = self.existing_keys();
        if !keys.is_empty() {
            text += &format!(", keys {}", keys.join(" "));
        }
        text
    }

    fn existing_keys(&self) -> Vec<&str> {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let exists = |key: &&str| match key.strip_prefix("~/") {
            Some(rest) => home.join(rest).exists(),
            None => Path::new(key).exists(),
        };
        self.keys.iter().map(String::as_str).filter(exists).collect()
    }

    /// Whether ssh has nothing to show to a server.
    fn is_empty_handed(&self) -> bool {
        let agent = std::env::var_os("SSH_AUTH_SOCK").is_some_and(|path| !path.is_empty());
        self.existing_keys().is_empty() && !agent && !self.other_ways && self.master.is_none()
    }
}

impl Doctor {
    pub(super) fn examine_program(&mut self) -> Step {
        let ran = self.run(vec!["ssh".to_owned(), "-V".to_owned()], b"")?;
        if let End::NotStarted(error) = &ran.end {
            let kind = HostErrorKind::SpawnFailed { program: "ssh".to_owned(), error: error.clone() };
            let mut finding = failure("ssh", &HostError { hop: None, kind, said: Vec::new() });
            finding.advice = Some("install the OpenSSH client, or put its folder into PATH".to_owned());
            return self.fail(ran.complete(finding));
        }
        let version = ran.err_lines().into_iter().next().unwrap_or_else(|| "says no version".to_owned());
        let verdict = if ran.succeeded() { Verdict::Ok } else { Verdict::Warn };
        self.tell(ran.complete(Finding::new("ssh", verdict, version)))
    }

    /// What ssh makes of the target; nothing where it cannot tell.
    pub(super) fn examine_configuration(&mut self, hop: &Hop) -> Step<Option<Configuration>> {
        let mut argv = match self.plan(hop, Wording { command: String::new(), script: String::new() }) {
            Ok(plan) => plan.argv,
            Err(error) => return self.fail(failure("configuration", &error)),
        };
        // The same options as for a start, and no command.
        argv.pop();
        argv.insert(1, "-G".to_owned());
        let ran = self.run(argv, b"")?;
        let said = ran.err_lines().join("\n");
        if !ran.succeeded() && (said.contains("usage: ssh") || said.contains("option -- ")) {
            let finding = Finding::new("configuration", Verdict::Warn, "this ssh cannot tell it")
                .explained("it is older than OpenSSH 6.8", "a newer ssh tells more here");
            self.tell(ran.complete(finding))?;
            return Ok(None);
        }
        if !ran.succeeded() {
            let finding = Finding::new("configuration", Verdict::Fail, "ssh does not accept it").explained(
                "ssh refuses an option of the target or a line of its configuration files",
                "correct the line or the option that it names",
            );
            return self.fail(ran.complete(finding));
        }
        let found = Configuration::parse(&ran.out_text());
        let mut finding = Finding::new("configuration", Verdict::Ok, found.text());
        if found.is_empty_handed() {
            finding.verdict = Verdict::Warn;
            finding = finding.explained(
                format!("none of the key files exists ({}), and no agent runs", found.keys.join(" ")),
                "make a key with `ssh-keygen`, bring it there with `ssh-copy-id HOST`, or start ssh-agent",
            );
        }
        let finding = Ran { out: Vec::new(), ..ran }.complete(finding);
        self.tell(finding)?;
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_tells_is_understood() {
        let text = "user me\nhostname 10.0.0.5\nport 2222\naddressfamily inet6\nproxyjump none\n\
                    identityfile ~/.ssh/id_a\nidentityfile /k b\ncontrolpath /no/such/socket\n";
        let found = Configuration::parse(text);
        assert_eq!((found.host.as_str(), found.user.as_str(), found.port), ("10.0.0.5", "me", 2222));
        assert_eq!((found.family, found.keys.len()), (Family::Inet6, 2));
        assert!(found.goes_straight());
        assert!(!Configuration::parse("proxyjump bastion\n").goes_straight());
        assert!(!Configuration::parse("controlpath /\n").goes_straight());
    }
}
