//! Targets: paths of hops from the controller to a context, as they are typed after `-w`.

mod grammar;
mod way;
mod written;

use std::fmt;
pub use way::{Afterwards, Become, Container, Engine, Image, Inside, Method, Pod, Ssh, Surroundings, Way};
pub use written::written;

/// What a name holds as `%XX` only: it has a meaning in expressions.
const SEVERAL: &str = "[],^!&";

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

impl Hop {
    /// A child of the context that it leads on from.
    pub fn local(name: &str) -> Self {
        Self { way: Way::Local { name: name.to_owned() }, python: None }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.way.fmt(f)
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
    /// A transport that leads to something with a name.
    NoName(&'static str),
    /// What joins names or makes ranges in expressions: this is one target.
    Several(char),
    /// A name that could be taken for something else: an option, a command, a line.
    Name(String),
    Option {
        transport: &'static str,
        name: String,
    },
    OptionValue(String),
    Port(String),
    /// Neither yes nor no.
    Switch {
        name: &'static str,
        value: String,
    },
    Process(String),
    /// Two options that exclude each other.
    Together(&'static str, &'static str),
    /// An option that makes no sense without another one.
    Without(&'static str, &'static str),
    Percent,
    /// The last hop leads to somebody else.
    Entered {
        user: String,
        last: String,
    },
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target {:?}: ", self.target)?;
        match &self.wrong {
            Wrong::Empty => write!(f, "is empty"),
            Wrong::Transport(name) => {
                let known = grammar::transports().map(|name| format!("{name}:")).collect::<Vec<_>>();
                write!(f, "no transport {name:?}; there are {} (a port is ?port=)", known.join(", "))
            }
            Wrong::NoHost => write!(f, "names no host"),
            Wrong::NoName(transport) => write!(f, "{transport}: needs a name, {transport}:NAME"),
            Wrong::Several(char) => {
                let code = u32::from(*char);
                write!(
                    f,
                    "{char:?} stands for several names, and this is one target; within a name it is %{code:02X}"
                )
            }
            Wrong::Name(name) => write!(f, "{name:?} cannot be a name here"),
            Wrong::Option { transport, name } => {
                let known = grammar::options_of(transport).collect::<Vec<_>>();
                write!(f, "{transport}: has no option {name:?}; there are {}", known.join(", "))
            }
            Wrong::OptionValue(option) => write!(f, "option {option:?} needs a value: {option}=..."),
            Wrong::Port(port) => write!(f, "{port:?} is no port"),
            Wrong::Switch { name, value } => write!(f, "{name}={value}: it is yes or no"),
            Wrong::Process(id) => write!(f, "{id:?} is no process id"),
            Wrong::Together(one, other) => write!(f, "{one} and {other} exclude each other"),
            Wrong::Without(one, other) => write!(f, "{one} is for a container that {other}= makes"),
            Wrong::Entered { user, last } => {
                write!(f, "it ends with {last}, and cannot be entered as {user:?}; leave the user out")
            }
            Wrong::Percent => write!(f, "a % must be followed by two hexadecimal digits"),
        }
    }
}

impl Target {
    /// Whether what is open for one serves the other too.
    pub fn leads_as(&self, other: &Self) -> bool {
        let mut ways = self.hops.iter().zip(&other.hops);
        self.hops.len() == other.hops.len() && ways.all(|(one, other)| one.way.leads_as(&other.way))
    }

    /// A target that is a part of another's path.
    pub fn of(hops: &[Hop]) -> Self {
        let name = hops.iter().map(|hop| hop.to_string().trim_end_matches(':').to_owned());
        let name = name.collect::<Vec<_>>().join("/");
        Self { name: name.strip_prefix("ssh:").unwrap_or(&name).to_owned(), hops: hops.to_vec() }
    }

    /// The same, entered as another user, by another port, with another configuration of ssh's and more options: those of
    /// the last hop.
    ///
    /// # Errors
    ///
    /// Where the last hop is no ssh and cannot be entered so.
    pub fn entered_as(
        mut self,
        user: Option<&str>,
        port: Option<u16>,
        config: Option<&str>,
        options: &[String],
    ) -> Result<Self, TargetError> {
        let wrong = |wrong| TargetError { target: self.name.clone(), wrong };
        match self.hops.last_mut().map(|hop| &mut hop.way) {
            Some(Way::Ssh(ssh)) => ssh.enter(user, port, config, options),
            Some(Way::Become(other)) if user.is_none_or(|user| user == other.user) => {}
            Some(Way::Inside(Inside { engine: Engine::Docker(room) | Engine::Podman(room), .. })) => {
                room.user = user.map(str::to_owned).or(room.user.take());
            }
            Some(_) if user.is_none() => {}
            Some(way) => {
                let last = way.to_string();
                return Err(wrong(Wrong::Entered { user: user.unwrap_or_default().to_owned(), last }));
            }
            None => {}
        }
        Ok(self)
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
        let mut names = path.iter().map(|hop| hop.split('?').next().unwrap_or(hop));
        if let Some(several) = names.find_map(|name| name.chars().find(|c| SEVERAL.contains(*c))) {
            return Err(fail(Wrong::Several(several)));
        }
        let hop = |hop: &&str| grammar::parse(hop).map(|(way, python)| Hop { way, python });
        let hops = path.iter().map(hop).collect::<Result<Vec<_>, _>>().map_err(fail)?;
        let names = path.iter().map(|hop| {
            let name = hop.split('?').next().unwrap_or(hop);
            name.strip_prefix("ssh:").unwrap_or(name)
        });
        let name = names.collect::<Vec<_>>().join("/");
        Ok(Self { name: name.strip_suffix(':').unwrap_or(&name).to_owned(), hops })
    }
}

/// Whether the first hop of a path says how it is reached; one that does not is a host for ssh.
pub fn names_transport(path: &str) -> bool {
    path.split(['/', '?']).next().is_some_and(|hop| hop.contains(':'))
}

/// The first hop of a path, and what stands behind it.
pub(super) fn first_hop(path: &str) -> (&str, Option<&str>) {
    let first = split_hops(path)[0];
    (first, path.get(first.len() + 1..))
}

/// Writes text as a part of a name, with all that has a meaning elsewhere as `%XX`.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for char in text.chars() {
        if char.is_whitespace() || char.is_control() || ",!&^[]*?@#%/:=".contains(char) {
            let mut bytes = [0; 4];
            char.encode_utf8(&mut bytes).bytes().for_each(|byte| quoted += &format!("%{byte:02X}"));
        } else {
            quoted.push(char);
        }
    }
    quoted
}

/// Splits at slashes. Within options, where a path or an image is often meant, only at one that a
/// transport follows.
fn split_hops(typed: &str) -> Vec<&str> {
    let (mut hops, mut start) = (Vec::new(), 0);
    for (at, _) in typed.match_indices('/') {
        let word = typed[at + 1..].split_once(':').map(|(word, _)| word);
        let transport = word.is_some_and(|word| grammar::transports().any(|name| name == word));
        if transport || !typed[start..at].contains('?') {
            hops.push(&typed[start..at]);
            start = at + 1;
        }
    }
    hops.push(&typed[start..]);
    hops
}

#[cfg(test)]
mod tests;
