//! What may be typed for a hop: the transports, and the options of each.

use super::Wrong;
use super::way::{Afterwards, Become, Container, Engine, Image, Inside, Method, Pod, Ssh, Surroundings, Way};

/// Options that every transport has.
const COMMON: &str = "python";

/// A transport: its name, what options it has beside [`COMMON`], how it is read.
type Transport = (&'static str, &'static [&'static str], fn(Typed) -> Result<Way, Wrong>);

const TRANSPORTS: &[Transport] = &[
    ("ssh", &["user", "port", "config", "opt"], ssh),
    ("local", &[], |typed| name(typed.subject).map(|name| Way::Local { name })),
    ("exec", &[], |typed| Ok(Way::Exec { name: typed.named()? })),
    ("sudo", &["login", "home", "keep"], |typed| {
        let surroundings = surroundings(&typed.options)?;
        typed.user(Method::Sudo(surroundings))
    }),
    ("su", &["login"], |typed| {
        let login = typed.options.switch("login")?;
        typed.user(Method::Su { login })
    }),
    ("doas", &[], |typed| typed.user(Method::Doas)),
    ("docker", &["user", "image", "rm"], |typed| typed.container(Engine::Docker)),
    ("podman", &["user", "image", "rm"], |typed| typed.container(Engine::Podman)),
    ("kubectl", &["namespace", "container", "context"], |typed| {
        let pod = pod(&typed.options)?;
        typed.inside(Engine::Kubectl(pod))
    }),
    ("lxc", &[], |typed| typed.inside(Engine::Lxc)),
    ("lxd", &[], |typed| typed.inside(Engine::Lxd)),
    ("incus", &[], |typed| typed.inside(Engine::Incus)),
    ("nsenter", &[], |typed| match typed.subject.parse::<u32>() {
        Ok(1..) => typed.inside(Engine::Nsenter),
        Ok(0) | Err(_) => Err(Wrong::Process(typed.subject)),
    }),
    ("machinectl", &[], |typed| typed.inside(Engine::Machinectl)),
    ("jail", &[], |typed| typed.inside(Engine::Jail)),
];

pub(super) fn transports() -> impl Iterator<Item = &'static str> {
    TRANSPORTS.iter().map(|(name, ..)| *name)
}

/// The names of the options of a transport.
pub(super) fn options_of(transport: &str) -> impl Iterator<Item = &'static str> {
    let own = TRANSPORTS.iter().find(|(name, ..)| *name == transport).map_or(&[][..], |(_, own, _)| own);
    own.iter().copied().chain([COMMON])
}

/// One hop: the way, and the interpreter that is named for it.
pub(super) fn parse(typed: &str) -> Result<(Way, Option<String>), Wrong> {
    let (path, options) =
        typed.split_once('?').map_or((typed, None), |(path, options)| (path, Some(options)));
    let (word, subject) = path.split_once(':').unwrap_or(("ssh", path));
    let known = TRANSPORTS.iter().find(|(name, ..)| *name == word);
    let (transport, _, read) = *known.ok_or_else(|| Wrong::Transport(word.to_owned()))?;
    let subject = percent_decode(subject)?;
    let options = Options::parse(transport, options)?;
    let python = options.text(COMMON);
    Ok((read(Typed { transport, subject, options })?, python))
}

/// What was typed for a hop.
struct Typed {
    transport: &'static str,
    /// What stands between the colon and the options.
    subject: String,
    options: Options,
}

impl Typed {
    fn named(self) -> Result<String, Wrong> {
        if self.subject.is_empty() { Err(Wrong::NoName(self.transport)) } else { name(self.subject) }
    }

    fn inside(self, engine: Engine) -> Result<Way, Wrong> {
        Ok(Way::Inside(Inside { name: self.named()?, engine }))
    }

    fn user(self, method: Method) -> Result<Way, Wrong> {
        let user = if self.subject.is_empty() { "root".to_owned() } else { name(self.subject)? };
        Ok(Way::Become(Become { user, method }))
    }

    fn container(self, engine: fn(Container) -> Engine) -> Result<Way, Wrong> {
        let user = self.options.name("user")?;
        let Some(image) = self.options.name("image")? else {
            return match self.options.text("rm") {
                Some(_) => Err(Wrong::Without("rm", "image")),
                None => self.inside(engine(Container { user, image: None })),
            };
        };
        let kept = self.options.text("rm").is_some() && !self.options.switch("rm")?;
        let afterwards = if kept { Afterwards::Kept } else { Afterwards::Removed };
        let engine = engine(Container { user, image: Some(Image { name: image, afterwards }) });
        Ok(Way::Inside(Inside { name: name(self.subject)?, engine }))
    }
}

fn ssh(typed: Typed) -> Result<Way, Wrong> {
    let Typed { subject, options, .. } = typed;
    let (user, host) = subject
        .rsplit_once('@')
        .map_or((None, subject.as_str()), |(user, host)| (Some(user.to_owned()), host));
    if host.is_empty() {
        return Err(Wrong::NoHost);
    }
    let port = options.text("port").map(|port| {
        let number = port.parse().ok().filter(|number| *number > 0);
        number.ok_or(Wrong::Port(port))
    });
    let ssh = Ssh {
        host: host.to_owned(),
        user: options.text("user").or(user),
        port: port.transpose()?,
        config: options.text("config"),
        options: options.all("opt"),
    };
    let odd =
        [Some(&ssh.host), ssh.user.as_ref()].into_iter().flatten().find(|name| !is_plain(name)).cloned();
    odd.map_or(Ok(Way::Ssh(ssh)), |name| Err(Wrong::Name(name)))
}

fn surroundings(options: &Options) -> Result<Surroundings, Wrong> {
    let (home, keep) = (options.switch("home")?, options.switch("keep")?);
    match options.switch("login")? {
        true if keep => Err(Wrong::Together("login", "keep")),
        // A login has the new home anyway.
        true => Ok(Surroundings::Login),
        false => Ok(Surroundings::Given { home, keep }),
    }
}

fn pod(options: &Options) -> Result<Pod, Wrong> {
    Ok(Pod {
        namespace: options.name("namespace")?,
        container: options.name("container")?,
        context: options.name("context")?,
    })
}

/// What stands as a word of its own in a command line, and on terminals.
fn name(text: String) -> Result<String, Wrong> {
    if text.starts_with('-') || text.chars().any(char::is_control) {
        Err(Wrong::Name(text))
    } else {
        Ok(text)
    }
}

/// No option, and nothing that a ProxyCommand's shell would run.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && !name.chars().any(|c| c.is_control() || c.is_whitespace() || "'\"`$;&<>|(){}*?!#~".contains(c))
}

/// What stands after the `?`, each with a value.
struct Options(Vec<(String, String)>);

impl Options {
    fn parse(transport: &'static str, typed: Option<&str>) -> Result<Self, Wrong> {
        let option = |option: &str| match option.split_once('=') {
            Some((name, value)) if !value.is_empty() => Ok((name.to_owned(), percent_decode(value)?)),
            Some((name, _)) => Err(Wrong::OptionValue(name.to_owned())),
            None => Err(Wrong::OptionValue(option.to_owned())),
        };
        let options = typed.into_iter().flat_map(|typed| typed.split('&')).map(option);
        let options = options.collect::<Result<Vec<_>, _>>()?;
        let unknown = options.iter().find(|(name, _)| !options_of(transport).any(|known| known == name));
        match unknown {
            Some((name, _)) => Err(Wrong::Option { transport, name: name.clone() }),
            None => Ok(Self(options)),
        }
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.clone()).collect()
    }

    /// The last one counts.
    fn text(&self, name: &str) -> Option<String> {
        self.all(name).pop()
    }

    fn name(&self, option: &str) -> Result<Option<String>, Wrong> {
        self.text(option).map(name).transpose()
    }

    fn switch(&self, name: &'static str) -> Result<bool, Wrong> {
        match self.text(name).as_deref() {
            None | Some("no" | "false") => Ok(false),
            Some("yes" | "true") => Ok(true),
            Some(other) => Err(Wrong::Switch { name, value: other.to_owned() }),
        }
    }
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
