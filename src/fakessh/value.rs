//! Ports, times, names and places, as ssh takes them.

use super::refusal::Refusal;

/// Where `ssh://` or `[user@]host` leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

/// A number from 0 on, as strtonum(3) reads it; what is wrong with it, in its words.
pub(super) fn number(text: &str, most: i64) -> Result<i64, &'static str> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("invalid");
    }
    // More digits than fit are more than anything that is asked for.
    let number: i64 = digits.parse().unwrap_or(i64::MAX);
    match number {
        1.. if text.starts_with('-') => Err("too small"),
        number if number > most => Err("too large"),
        number => Ok(number),
    }
}

/// A port; of the names of services only ssh's own is known, without a look at the system's.
pub(super) fn port(text: &str) -> Option<u16> {
    if text == "ssh" {
        return Some(22);
    }
    number(text, u16::MAX.into()).ok().and_then(|port| port.try_into().ok()).filter(|port| *port > 0)
}

/// The seconds of a time: `90`, `1h30m`.
pub(super) fn seconds(text: &str) -> Option<i32> {
    let mut total: i64 = 0;
    let mut rest = Some(text).filter(|text| !text.is_empty())?;
    while !rest.is_empty() {
        let ends = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(ends);
        let count: i64 = digits.parse().ok()?;
        let mut letters = after.chars();
        let unit = match letters.next().map(|unit| unit.to_ascii_lowercase()) {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86400,
            Some('w') => 604_800,
            Some(_) => return None,
        };
        total = total.saturating_add(count.saturating_mul(unit));
        rest = letters.as_str();
    }
    total.try_into().ok()
}

/// A key that begins an order: itself, `^` and its letter, or `none`.
pub(super) fn escape(text: &str) -> Option<Option<u8>> {
    match text.as_bytes() {
        [key] => Some(Some(*key)),
        [b'^', key @ 64..128] => Some(Some(key & 31)),
        b"none" => Some(None),
        _ => None,
    }
}

/// Whether no shell, and no ssh, could take the name for more than a host's.
pub(super) fn is_host(name: &str) -> bool {
    let odd = |byte: u8| b"'`\"$\\;&<>|(){},".contains(&byte) || is_space(byte) || byte.is_ascii_control();
    !name.starts_with('-') && !name.bytes().any(odd)
}

/// The same of a user's; a blank may be in it, but no `-` after that.
pub(super) fn is_user(name: &str) -> bool {
    let odd = |byte: u8| b"'`\";&<>|(){}".contains(&byte) || byte.is_ascii_control();
    !name.starts_with('-') && !name.ends_with('\\') && !name.contains(" -") && !name.bytes().any(odd)
}

/// `ssh://[user[;...]@]host[:port]`; `None` for what is no such thing.
///
/// # Errors
///
/// When it has a path, or no proper host.
pub(super) fn uri(text: &str) -> Option<Result<Place, Refusal>> {
    Some(after_scheme(text.strip_prefix("ssh://")?).ok_or(Refusal::Usage))
}

fn after_scheme(text: &str) -> Option<Place> {
    let (user, text) = match text.split_once('@') {
        Some((user, rest)) => {
            let user = user.split(';').next().filter(|user| !user.is_empty())?;
            (Some(decoded(user)?), rest)
        }
        None => (None, text),
    };
    let (host, rest) = until_delimiter(text)?;
    let host = without_brackets(host);
    if !is_domain(host) {
        return None;
    }
    let (before_path, path) = match rest {
        Some((':', rest)) => rest.split_once('/').unwrap_or((rest, "")),
        Some((_, path)) => ("", path),
        None => ("", ""),
    };
    let port = match before_path {
        // `host:` has no port, `host:/` a bad one.
        "" if rest.is_none_or(|(delimiter, rest)| delimiter == '/' || rest.is_empty()) => None,
        digits => Some(port(digits)?),
    };
    path.is_empty().then(|| Place { user, host: host.to_owned(), port })
}

/// `[user@]host`: the last `@` counts.
///
/// # Errors
///
/// When there is an `@` with nothing before it.
pub(super) fn destination(text: &str) -> Result<Place, Refusal> {
    match text.rsplit_once('@') {
        Some(("", _)) => Err(Refusal::Usage),
        Some((user, host)) => Ok(Place { user: Some(user.to_owned()), host: host.to_owned(), port: None }),
        None => Ok(Place { user: None, host: text.to_owned(), port: None }),
    }
}

/// Whether that is a list of hosts to jump over, or `none`.
pub(super) fn is_jump(text: &str) -> bool {
    let is_hop = |hop: &str| match uri(hop) {
        Some(place) => place.ok(),
        None => user_host_port(hop),
    };
    let is_proper = |place: Place| is_host(&place.host) && place.user.as_deref().is_none_or(is_user);
    text.eq_ignore_ascii_case("none") || text.split(',').all(|hop| is_hop(hop).is_some_and(is_proper))
}

fn user_host_port(text: &str) -> Option<Place> {
    let Place { user, host, .. } = destination(text).ok()?;
    let (name, rest) = until_delimiter(&host).filter(|(name, _)| !name.is_empty())?;
    let port = match rest {
        Some(('/', _)) => return None,
        Some((_, digits)) if !digits.is_empty() => Some(port(digits)?),
        _ => None,
    };
    Some(Place { user, host: without_brackets(name).to_owned(), port })
}

/// `host:port`, `[host]:port`.
pub(super) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, digits) = match text.trim_start().strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => text.trim_start().split_once(':')?,
    };
    // A path is a socket's, `${` a variable's; neither leads to a port.
    let is_odd = host.is_empty() || host.contains(['/', '\\']) || text.contains("${");
    port(digits).filter(|_| !is_odd).map(|port| (host.to_owned(), port))
}

/// A host, and what follows its delimiter.
fn until_delimiter(text: &str) -> Option<(&str, Option<(char, &str)>)> {
    let ends = match text.find(']') {
        Some(at) if text.starts_with('[') => at + 1,
        None if text.starts_with('[') => return None,
        _ => text.find([':', '/']).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(ends);
    let mut chars = rest.chars();
    match chars.next() {
        None => Some((host, None)),
        Some(delimiter @ (':' | '/')) => Some((host, Some((delimiter, chars.as_str())))),
        Some(_) => None,
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn is_domain(name: &str) -> bool {
    let begins = name.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_');
    let proper = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_');
    begins && !name.contains("..") && name.chars().all(proper)
}

/// A part of a URI: `+` is a blank, `%XX` a byte.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let value = digit()? * 16 + digit()?;
                u8::try_from(value).ok().filter(|byte| *byte != 0)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}
