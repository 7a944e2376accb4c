//! What `ssh -G` prints: of what a command line says, and ssh's defaults for the rest.

use super::directive::Directive;
use super::invocation::Invocation;
use super::keyword::{self, FLAG, Takes};
use super::refusal::Refusal;
use super::value;
use std::borrow::Cow;
use std::ffi::OsString;

/// What is printed of each keyword, in ssh's order, where nothing else is said of it.
const DEFAULTS: &str = "\
addressfamily any
batchmode no
canonicalizefallbacklocal yes
canonicalizehostname false
checkhostip no
compression no
controlmaster false
enablesshkeysign no
clearallforwardings no
exitonforwardfailure no
fingerprinthash SHA256
forwardx11 no
forwardx11trusted no
gatewayports no
hashknownhosts no
hostbasedauthentication no
identitiesonly no
kbdinteractiveauthentication yes
nohostauthenticationforlocalhost no
passwordauthentication yes
permitlocalcommand no
proxyusefdpass no
pubkeyauthentication true
requesttty
sessiontype
stdinnull
forkafterauthentication
streamlocalbindunlink no
stricthostkeychecking ask
tcpkeepalive yes
tunnel false
verifyhostkeydns false
visualhostkey no
updatehostkeys true
enableescapecommandline no
canonicalizemaxdots 1
connectionattempts 1
forwardx11timeout 1200
numberofpasswordprompts 3
serveralivecountmax 3
serveraliveinterval 0
requiredrsasize 1024
loglevel
canonicaldomains none
globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2
userknownhostsfile ~/.ssh/known_hosts ~/.ssh/known_hosts2
logverbose none
permitremoteopen any
addkeystoagent false
forwardagent no
connecttimeout none
controlpersist no
syslogfacility USER";
/// Only where something is said of them.
const OTHERS: &str = "bindaddress bindinterface ciphers controlpath hostkeyalgorithms hostkeyalias \
    identityagent ignoreunknown kexalgorithms macs pkcs11provider preferredauthentications";
const IDENTITIES: &str =
    "~/.ssh/id_rsa ~/.ssh/id_ecdsa ~/.ssh/id_ecdsa_sk ~/.ssh/id_ed25519 ~/.ssh/id_ed25519_sk";
const PORT: u16 = 22;

/// The words with which an ssh tells how it would connect, for what its configuration says of that
/// host: nothing about this session is among them.
pub fn question(invocation: &Invocation) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["-G".into()];
    if let Some(config) = &invocation.config {
        words.extend(["-F".into(), config.into()]);
    }
    for option in &invocation.options {
        words.extend(["-o".into(), option.into()]);
    }
    if let Some(user) = &invocation.user {
        words.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = invocation.port {
        words.extend(["-p".into(), port.to_string().into()]);
    }
    words.extend(["--".into(), (&invocation.host).into()]);
    words
}

/// What `ssh -G` prints where there is no configuration. `user` is who we are here.
pub fn text(invocation: &Invocation, user: &str) -> String {
    let mut listing = Listing::default();
    listing.tell("host", &invocation.host);
    listing.tell("user", invocation.user.as_deref().unwrap_or(user));
    listing.tell("hostname", &invocation.hostname());
    listing.tell("port", &invocation.port.unwrap_or(PORT).to_string());
    for line in DEFAULTS.lines() {
        let (keyword, default) = line.split_once(' ').unwrap_or((line, ""));
        listing.tell(keyword, &invocation.determined(keyword, default));
    }
    for keyword in OTHERS.split(' ') {
        let value = match keyword {
            "controlpath" | "pkcs11provider" => invocation.chosen(keyword),
            _ => invocation.first(keyword),
        };
        listing.tell_all(keyword, value);
    }
    if invocation.chosen("remotecommand").is_some() {
        listing.tell_all("remotecommand", invocation.command.as_deref().map(String::from_utf8_lossy));
    }
    if let Some((keyword, value)) = invocation.proxy() {
        listing.tell(keyword, &value);
    }
    let files = invocation.all("identityfile");
    if files.is_empty() {
        listing.tell_all("identityfile", IDENTITIES.split(' '));
    }
    listing.tell_all("identityfile", files);
    listing.tell_all("certificatefile", invocation.all("certificatefile"));
    listing.tell_all("sendenv", &invocation.send_environment);
    listing.tell_all("setenv", invocation.environment.iter().map(|(name, value)| format!("{name}={value}")));
    listing.tell("escapechar", &invocation.escape.map_or("none".into(), shown));
    listing.0
}

/// A line for each keyword.
#[derive(Default)]
struct Listing(String);

impl Listing {
    fn tell(&mut self, keyword: &str, value: &str) {
        for part in [keyword, " ", value, "\n"] {
            self.0.push_str(part);
        }
    }

    fn tell_all(&mut self, keyword: &str, values: impl IntoIterator<Item: AsRef<str>>) {
        values.into_iter().for_each(|value| self.tell(keyword, value.as_ref()));
    }
}

impl Invocation {
    /// The host that is connected to, as far as the command line tells.
    pub fn hostname(&self) -> String {
        let name = self.first("hostname").unwrap_or_else(|| "%h".into());
        name.replace("%h", &self.host).replace("%%", "%").to_ascii_lowercase()
    }

    /// A command of `-o`, with what `%` stands for in it.
    pub(super) fn expanded(&self, command: &str) -> Result<String, Refusal> {
        let mut text = String::new();
        let mut rest = command.chars();
        while let Some(char) = rest.next() {
            if char != '%' {
                text.push(char);
                continue;
            }
            let user = self.user.as_deref();
            match (rest.next(), user) {
                (Some('%'), _) => text.push('%'),
                (Some('n'), _) => text.push_str(&self.host),
                (Some('h'), _) => text.push_str(&self.hostname()),
                (Some('p'), _) => text.push_str(&self.port.unwrap_or(PORT).to_string()),
                (Some('r'), Some(user)) => text.push_str(user),
                (key, _) => {
                    let key = key.map(String::from).unwrap_or_default();
                    return Err(Refusal::Impossible(format!("%{key} in RemoteCommand")));
                }
            }
        }
        Ok(text)
    }

    /// What is printed of a keyword, whether anything is said of it or not.
    fn determined<'a>(&self, keyword: &str, default: &'a str) -> Cow<'a, str> {
        let known = match keyword {
            "requesttty" => self.terminal.name(),
            "sessiontype" => self.session.name(),
            "stdinnull" => yes_no(self.no_input),
            "forkafterauthentication" => yes_no(self.background),
            "loglevel" => self.level.name(),
            _ => "",
        };
        if !known.is_empty() {
            return known.into();
        }
        let default = match keyword {
            "updatehostkeys" if !self.learns_host_keys() => "false",
            "clearallforwardings" | "exitonforwardfailure" if self.stdio_to.is_some() => "yes",
            _ => default,
        };
        self.first(keyword).map_or(default.into(), Cow::from)
    }

    /// The value of a keyword that counts, as it is printed.
    fn first(&self, keyword: &str) -> Option<String> {
        self.all(keyword).into_iter().next()
    }

    /// The same, where it is not `none`.
    fn chosen(&self, keyword: &str) -> Option<String> {
        self.first(keyword).filter(|value| !value.eq_ignore_ascii_case("none"))
    }

    /// How another host or program leads to the host: of the two keywords for it the first counts.
    fn proxy(&self) -> Option<(&'static str, String)> {
        let mut proxies = self.options.iter().filter_map(|line| {
            let jump = printed(line, "proxyjump").filter(|hosts| !hosts.eq_ignore_ascii_case("none"));
            let command = || Some(("proxycommand", printed(line, "proxycommand")?));
            jump.map(|hosts| ("proxyjump", hosts)).or_else(command)
        });
        proxies.next().filter(|(_, value)| !value.eq_ignore_ascii_case("none"))
    }

    /// ssh does, unless it is told to, only where it keeps all of them as usual.
    fn learns_host_keys(&self) -> bool {
        self.first("userknownhostsfile").is_none()
            && self.first("verifyhostkeydns").is_none_or(|asks| asks == "false")
    }

    fn all(&self, keyword: &str) -> Vec<String> {
        self.options.iter().chain(&self.accepted).filter_map(|line| printed(line, keyword)).collect()
    }
}

fn printed(line: &str, name: &str) -> Option<String> {
    let directive = Directive::of(line).ok().flatten()?;
    let keyword = keyword::find(&directive.keyword).filter(|keyword| keyword.name == name)?;
    match keyword.takes {
        Takes::Line => return Some(directive.line().to_owned()),
        // Only the last of them is taken apart.
        Takes::Hosts => {
            let (before, last) =
                directive.hosts().rsplit_once(',').map_or(("", directive.hosts()), |both| both);
            let last = last.strip_prefix("ssh://").unwrap_or(last);
            return Some(if before.is_empty() { last.to_owned() } else { format!("{before},{last}") });
        }
        _ => {}
    }
    let value = directive.words().ok()?.join(" ");
    let lower = value.to_ascii_lowercase();
    Some(match (keyword.takes, lower.as_str()) {
        (Takes::Choice(FLAG), "yes" | "true") => "yes".into(),
        (Takes::Choice(FLAG), "no" | "false") => "no".into(),
        (Takes::Choice(choices), "yes") if choices.contains(" true ") => "true".into(),
        (Takes::Choice(choices), "no" | "off") if choices.contains(" true ") => "false".into(),
        (Takes::Choice(_), _) => lower,
        (Takes::Time, _) => value::seconds(&value).map_or(value, |seconds| seconds.to_string()),
        _ => value,
    })
}

fn yes_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// A key as vis(3) shows it.
fn shown(key: u8) -> String {
    match key {
        b' ' => "\\040".into(),
        0..32 | 127 => format!("\\^{}", char::from(key ^ 64)),
        _ => char::from(key).to_string(),
    }
}
