//! From a name to a server that introduces itself: what ssh does before it says anything secret.

use super::configuration::{Configuration, Family};
use super::errand::{End, Knock};
use super::{Doctor, Step, failure};
use crate::error::{HostError, HostErrorKind};
use crate::report::{Finding, Verdict};
use crate::sys::clock;
use crate::sys::fd::Errno;
use std::net::{IpAddr, SocketAddr};

/// As many addresses of a name are tried.
const MAX_ADDRESSES: usize = 8;

impl Doctor {
    /// The addresses of the host, asked for as the system's own programs ask.
    pub(super) fn examine_name(&mut self, found: &Configuration) -> Step<Vec<IpAddr>> {
        if let Ok(address) = found.host.parse() {
            return Ok(vec![address]);
        }
        let argv = ["getent", "ahosts", &found.host].map(str::to_owned).to_vec();
        let ran = self.run(argv, b"")?;
        let addresses = addresses(&ran.out_text(), found.family);
        let kind = match ran.end {
            End::Exit(_) if !addresses.is_empty() => {
                let shown: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                let text = format!("{} is {}", found.host, shown.join(", "));
                self.tell(ran.complete(Finding::new("name", Verdict::Ok, text)))?;
                return Ok(addresses);
            }
            End::NotStarted(_) => {
                let finding = Finding::new("name", Verdict::Warn, format!("{} not looked up", found.host))
                    .explained("this machine has no getent, which asks as ssh does", "go on: ssh will ask");
                self.tell(ran.complete(finding))?;
                return Ok(addresses);
            }
            End::TooSlow => HostErrorKind::ConnectTimeout { after: self.settings.connect_timeout },
            End::Exit(_) | End::TooMuch => HostErrorKind::UnknownHost,
        };
        let slow = matches!(kind, HostErrorKind::ConnectTimeout { .. });
        let mut finding = failure("name", &HostError { hop: None, kind, said: Vec::new() });
        finding.text = format!("{}: {}", found.host, finding.text);
        finding.means = Some("no resolver of this machine knows the name".to_owned());
        if slow {
            finding = finding.explained(
                "the name servers of this machine do not answer",
                "look at /etc/resolv.conf and /etc/nsswitch.conf, or give the address as HostName",
            );
        }
        self.fail(ran.complete(finding))
    }

    /// Connects to each address in turn until one greets as an ssh server does.
    pub(super) fn examine_port(&mut self, found: &Configuration, addresses: &[IpAddr]) -> Step {
        let since = clock::now();
        let deadline = self.deadline();
        let mut tried = Vec::new();
        let mut worst = None;
        let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
        for (at, address) in addresses.iter().enumerate() {
            let now = clock::now();
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let until = now + deadline.saturating_duration_since(now) / left;
            let knock = self.knock(SocketAddr::new(*address, found.port), until)?;
            if let Knock::Greeted(greeting) = &knock {
                let verdict = if tried.is_empty() { Verdict::Ok } else { Verdict::Warn };
                let mut finding =
                    Finding::new("port", verdict, format!("{address} port {}: {greeting}", found.port));
                if verdict == Verdict::Warn {
                    finding = finding.explained(
                        "ssh tries the addresses one after the other, and waits for each",
                        "AddressFamily in the configuration or ?opt=AddressFamily=inet leaves one kind out",
                    );
                }
                return self.tell(finding.got(tried).took(clock::now() - since));
            }
            let (line, trouble) = self.trouble(&knock);
            tried.push(format!("{address} port {}: {line}", found.port));
            worst = worst.or(Some(trouble));
        }
        let Some(trouble) = worst else { return Ok(()) };
        let got = std::mem::take(&mut tried);
        self.fail(Finding { text: got.join("; "), ..trouble }.took(clock::now() - since))
    }

    /// A line for an address, and what it would mean if it were the only one.
    fn trouble(&self, knock: &Knock) -> (String, Finding) {
        let kind = |kind| failure("port", &HostError { hop: None, kind, said: Vec::new() });
        let said = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        let odd = |means: &str, advice: &str| {
            Finding::new("port", Verdict::Fail, String::new()).explained(means, advice)
        };
        match knock {
            Knock::Failed(errno) if *errno == Errno::ECONNREFUSED => {
                ("connection refused".to_owned(), kind(HostErrorKind::Refused))
            }
            Knock::Failed(errno) => (errno.desc().to_owned(), kind(HostErrorKind::Unreachable)),
            Knock::TooSlow => (
                "no answer".to_owned(),
                odd(
                    "the machine is off, or a firewall drops what we send",
                    "is the address right, the machine up, a VPN needed?",
                ),
            ),
            Knock::Odd(heard) if heard.is_empty() => (
                "connected, and no word".to_owned(),
                odd(
                    "something listens and does not greet as an ssh server does: overloaded, or no ssh server",
                    "is this the port of sshd (?port=N)? what does its log say?",
                ),
            ),
            Knock::Odd(heard) => (
                format!("answers {:?}", said(heard)),
                odd("this is no ssh server", "which port does sshd listen at? (?port=N)"),
            ),
            Knock::Closed(heard) if heard.is_empty() => (
                "closed at once".to_owned(),
                odd(
                    "the server turns us away before ssh begins: hosts.deny, fail2ban, too many connections",
                    "look at the server's log; try again in some minutes",
                ),
            ),
            Knock::Closed(heard) => (
                format!("closed after {:?}", said(heard)),
                odd("the server turns us away, and says why", "look at the server's log"),
            ),
            Knock::Greeted(greeting) => (greeting.clone(), Finding::new("port", Verdict::Ok, greeting)),
        }
    }
}

/// The addresses in what `getent ahosts` prints, each once, in its order.
fn addresses(printed: &str, family: Family) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for address in printed.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        let wanted = match family {
            Family::Any => true,
            Family::Inet => IpAddr::is_ipv4(&address),
            Family::Inet6 => IpAddr::is_ipv6(&address),
        };
        if wanted && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_once_and_in_order() {
        let printed = "2001:db8::1     STREAM web1\n2001:db8::1     DGRAM\n192.0.2.1       STREAM\n";
        let shown = |family| addresses(printed, family).iter().map(IpAddr::to_string).collect::<Vec<_>>();
        assert_eq!(shown(Family::Any), ["2001:db8::1", "192.0.2.1"]);
        assert_eq!(shown(Family::Inet), ["192.0.2.1"]);
    }
}
