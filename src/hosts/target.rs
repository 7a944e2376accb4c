//! Targets: paths of hops from the controller to a context, as they are typed after `-w`.

use std::fmt;

/// Where something runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// What the user sees: as typed, without options and without the default `ssh:`.
    pub name: String,
    /// At least one.
    pub hops: Vec<Hop>,
}

/// One step from a context to its child.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    pub way: Way,
    /// The interpreter, where `?python=` names one.
    pub python: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    Local,
    Ssh(Ssh),
    /// A command line of the inventory.
    Exec {
        name: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ssh {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Values for `ssh -o`.
    pub options: Vec<String>,
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Local => f.write_str("local:"),
            Way::Exec { name } => write!(f, "exec:{name}"),
            Way::Ssh(ssh) => {
                f.write_str("ssh:")?;
                if let Some(user) = &ssh.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&ssh.host)?;
                ssh.port.map_or(Ok(()), |port| write!(f, " port {port}"))
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    pub target: String,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    Empty,
    Transport(String),
    NoHost,
    /// A host or user that ssh could take for something else.
    Name(String),
    Option(String),
    OptionValue(String),
    Port(String),
    Percent,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target {:?}: ", self.target)?;
        match &self.wrong {
            Wrong::Empty => write!(f, "is empty"),
            Wrong::Transport(name) => {
                write!(f, "no transport {name:?}; there are local:, ssh: and exec: (a port is ?port=)")
            }
            Wrong::NoHost => write!(f, "names no host"),
            Wrong::Name(name) => write!(f, "{name:?} cannot be a host or user name"),
            Wrong::Option(name) => write!(f, "no option {name:?}; there are user, port, python and opt"),
            Wrong::OptionValue(option) => write!(f, "option {option:?} needs a value: {option}=..."),
            Wrong::Port(port) => write!(f, "{port:?} is no port"),
            Wrong::Percent => write!(f, "a % must be followed by two hexadecimal digits"),
        }
    }
}

impl Target {
    /// A target that is a part of another's path.
    pub fn of(hops: &[Hop]) -> Self {
        let name = hops.iter().map(|hop| hop.to_string().trim_end_matches(':').to_owned());
        let name = name.collect::<Vec<_>>().join("/");
        Self { name: name.strip_prefix("ssh:").unwrap_or(&name).to_owned(), hops: hops.to_vec() }
    }

    /// Reads one target, after ranges have been expanded.
    ///
    /// # Errors
    ///
    /// What is wrong, with the target as typed.
    pub fn parse(typed: &str) -> Result<Self, TargetError> {
        let fail = |wrong| TargetError { target: typed.to_owned(), wrong };
        if typed.is_empty() {
            return Err(fail(Wrong::Empty));
        }
        let path = split_hops(typed);
        let hops = path.iter().map(|hop| parse_hop(hop)).collect::<Result<Vec<_>, _>>().map_err(fail)?;
        let path = path.iter().map(|hop| hop.split('?').next().unwrap_or(hop)).collect::<Vec<_>>().join("/");
        let name = path.strip_prefix("ssh:").unwrap_or(&path);
        let name = name.strip_suffix(':').unwrap_or(name);
        Ok(Self { name: name.to_owned(), hops })
    }
}

/// Splits at slashes. Within options, where a path is often meant, only at one that a transport follows.
fn split_hops(typed: &str) -> Vec<&str> {
    let (mut hops, mut start) = (Vec::new(), 0);
    for (at, _) in typed.match_indices('/') {
        let after = &typed[at + 1..];
        let transport = after
            .split_once(':')
            .is_some_and(|(word, _)| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()));
        if transport || !typed[start..at].contains('?') {
            hops.push(&typed[start..at]);
            start = at + 1;
        }
    }
    hops.push(&typed[start..]);
    hops
}

fn parse_hop(typed: &str) -> Result<Hop, Wrong> {
    let (path, options) =
        typed.split_once('?').map_or((typed, None), |(path, options)| (path, Some(options)));
    let (transport, subject) = path.split_once(':').unwrap_or(("ssh", path));
    let subject = percent_decode(subject)?;
    let options = options.map_or_else(|| Ok(Vec::new()), parse_options)?;
    let python = options.iter().rev().find(|(name, _)| name == "python").map(|(_, value)| value.clone());
    let known: &[&str] = if transport == "ssh" { &["user", "port", "python", "opt"] } else { &["python"] };
    if let Some((name, _)) = options.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(Wrong::Option(name.clone()));
    }
    let way = match transport {
        "local" => Way::Local,
        "exec" if subject.is_empty() => return Err(Wrong::NoHost),
        "exec" => Way::Exec { name: subject },
        "ssh" => Way::Ssh(parse_ssh(&subject, options)?),
        other => return Err(Wrong::Transport(other.to_owned())),
    };
    Ok(Hop { way, python })
}

fn parse_ssh(subject: &str, options: Vec<(String, String)>) -> Result<Ssh, Wrong> {
    let (user, host) =
        subject.rsplit_once('@').map_or((None, subject), |(user, host)| (Some(user.to_owned()), host));
    let mut ssh = Ssh { host: host.to_owned(), user, ..Ssh::default() };
    for (name, value) in options {
        match name.as_str() {
            "user" => ssh.user = Some(value),
            "port" => ssh.port = Some(value.parse().ok().filter(|port| *port > 0).ok_or(Wrong::Port(value))?),
            "opt" => ssh.options.push(value),
            _ => {}
        }
    }
    if ssh.host.is_empty() {
        return Err(Wrong::NoHost);
    }
    let odd =
        [Some(&ssh.host), ssh.user.as_ref()].into_iter().flatten().find(|name| !is_plain(name)).cloned();
    odd.map_or(Ok(ssh), |name| Err(Wrong::Name(name)))
}

/// No option, and nothing that a ProxyCommand's shell would run.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && !name.chars().any(|c| c.is_control() || c.is_whitespace() || "'\"`$;&<>|(){}*?!#~".contains(c))
}

fn parse_options(typed: &str) -> Result<Vec<(String, String)>, Wrong> {
    let option = |option: &str| match option.split_once('=') {
        Some((name, value)) if !value.is_empty() => Ok((name.to_owned(), percent_decode(value)?)),
        Some((name, _)) => Err(Wrong::OptionValue(name.to_owned())),
        None => Err(Wrong::OptionValue(option.to_owned())),
    };
    typed.split('&').map(option).collect()
}

fn percent_decode(typed: &str) -> Result<String, Wrong> {
    let mut bytes = Vec::with_capacity(typed.len());
    let mut rest = typed.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = rest.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok()).ok_or(Wrong::Percent)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| Wrong::Percent)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| Wrong::Percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hop(typed: &str) -> Hop {
        Target::parse(typed).unwrap_or_else(|error| panic!("{error}")).hops.remove(0)
    }

    fn wrong(typed: &str) -> Wrong {
        Target::parse(typed).expect_err("is wrong").wrong
    }

    proptest! {
        #[test]
        fn any_text_is_a_target_or_an_error(typed in "\\PC{0,40}") {
            drop(Target::parse(&typed));
        }
    }

    #[test]
    fn a_bare_name_is_a_host() {
        assert_eq!(hop("web1"), hop("ssh:web1"));
        assert_eq!(Target::parse("ssh:web1?port=22").map(|target| target.name), Ok("web1".into()));
        assert_eq!(Target::parse("local:").map(|target| target.name), Ok("local".into()));
    }

    #[test]
    fn options_are_decoded() {
        let hop = hop("ssh:db%3A1?user=corp%5Cme&port=2222&opt=StrictHostKeyChecking=no&python=/opt/py");
        let Way::Ssh(ssh) = hop.way else { panic!("not ssh") };
        assert_eq!(
            (ssh.host.as_str(), ssh.user.as_deref(), ssh.port),
            ("db:1", Some("corp\\me"), Some(2222))
        );
        assert_eq!(ssh.options, ["StrictHostKeyChecking=no"]);
        assert_eq!(hop.python.as_deref(), Some("/opt/py"));
    }

    #[test]
    fn no_name_can_smuggle_an_option_or_a_command() {
        for name in
            ["-oProxyCommand=id", "ssh:-oProxyCommand=id", "-x@host", "a%20b", "$(id)", "h;id", "a%0ab"]
        {
            assert!(matches!(wrong(name), Wrong::Name(_)), "{name}");
        }
        assert!(matches!(wrong("h?user=-x"), Wrong::Name(_)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(wrong("telnet:x"), Wrong::Transport("telnet".into()));
        assert_eq!(wrong("h?colour=red"), Wrong::Option("colour".into()));
        assert_eq!(wrong("h?port=70000"), Wrong::Port("70000".into()));
        assert_eq!(wrong("h?user"), Wrong::OptionValue("user".into()));
        assert_eq!(wrong("ssh:"), Wrong::NoHost);
        assert_eq!(wrong("h%2"), Wrong::Percent);
        assert_eq!(wrong("a?python=/usr/bin/python3/sudo:root"), Wrong::Transport("sudo".into()));
    }
}
