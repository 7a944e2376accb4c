//! What is there, as `bootstrap/parts/facts.py` tells it, key by key: from files and a few system calls.
//! What cannot be known is None. There is no Python to tell of.

use crate::proto::value::{Builder, Node, NodeId, Value};
use crate::sys::{clock, machine};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::SystemTime;

const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_ROUTES: usize = 500;
/// Root name servers: nobody routes those anywhere but outward.
const OUTWARD: [&str; 2] = ["198.41.0.4", "2001:503:ba3e::2:30"];
/// Up, and not there to reject.
const ROUTE: (u32, u32) = (0x201, 1);
/// The same; neither an address of this machine.
const ROUTE6: (u32, u32) = (0x8010_0201, 1);
const CONTAINER_MARKS: [(&str, &str); 3] = [
    ("/var/run/secrets/kubernetes.io", "kubernetes"),
    ("/run/.containerenv", "podman"),
    ("/.dockerenv", "docker"),
];
const CONTAINER_GROUPS: [(&str, &str); 6] = [
    ("/kubepods", "kubernetes"),
    ("/libpod-", "podman"),
    ("/docker/", "docker"),
    ("/docker-", "docker"),
    ("/lxc/", "lxc"),
    ("/lxc.payload", "lxc"),
];

/// A plain value on its way to a [`Value`].
#[derive(Clone, Debug, PartialEq)]
enum Fact {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Dict(Vec<(String, Self)>),
}

impl Fact {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn maybe(text: Option<String>) -> Self {
        text.map_or(Self::None, Self::Text)
    }

    fn int(number: impl TryInto<i64>) -> Self {
        number.try_into().map_or(Self::None, Self::Int)
    }

    fn dict<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Dict(fields.map(|(name, fact)| (name.to_owned(), fact)).into())
    }

    /// Nested as deep as the facts are, which is four.
    fn add_to(self, builder: &mut Builder) -> NodeId {
        let node = match self {
            Self::None => Node::None,
            Self::Bool(is) => Node::Bool(is),
            Self::Int(number) => Node::Int(number),
            Self::Float(number) => Node::Float(number),
            Self::Text(text) => Node::Text(text.into_bytes()),
            Self::List(facts) => Node::List(facts.into_iter().map(|fact| fact.add_to(builder)).collect()),
            Self::Dict(fields) => {
                let pair = |(name, fact): (String, Self)| (builder.text(&name), fact.add_to(builder));
                Node::Dict(fields.into_iter().map(pair).collect())
            }
        };
        builder.add(node)
    }
}

/// All facts, in the order of their names.
pub(super) fn facts() -> Value {
    let kernel = machine::kernel();
    let of_kernel = |field: fn(&machine::Kernel) -> &String| Fact::maybe(kernel.as_ref().map(field).cloned());
    let (addresses, routes) = (addresses(), routes());
    let now = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let account = machine::account();
    let facts = Fact::dict([
        ("addresses", by_interface(&addresses)),
        ("arch", of_kernel(|kernel| &kernel.arch)),
        ("container", Fact::maybe(container(kernel.as_ref().map_or("", |kernel| &kernel.release)))),
        ("cpus", processors()),
        ("default_route", default_route(&routes)),
        ("encoding", Fact::text("utf-8")),
        ("hostname", of_kernel(|kernel| &kernel.host)),
        ("init", init()),
        ("ip", ip(&addresses)),
        ("is_root", Fact::Bool(account.uid == 0)),
        (
            "kernel",
            Fact::dict([
                ("name", of_kernel(|kernel| &kernel.name)),
                ("release", of_kernel(|kernel| &kernel.release)),
                ("version", of_kernel(|kernel| &kernel.version)),
            ]),
        ),
        ("load", load()),
        (
            "locale",
            Fact::maybe(
                ["LC_ALL", "LANG"].iter().find_map(|name| variable(name).filter(|text| !text.is_empty())),
            ),
        ),
        ("memory_bytes", memory()),
        ("os", os()),
        ("path", Fact::maybe(variable("PATH"))),
        ("python", Fact::None),
        ("routes", Fact::List(routes.iter().take(MAX_ROUTES).map(Route::fact).collect())),
        ("selinux", selinux()),
        ("time", Fact::Float(now.as_secs_f64())),
        ("timezone", timezone(i64::try_from(now.as_secs()).unwrap_or_default())),
        ("uptime_seconds", number(first_word("/proc/uptime"))),
        ("user", user(&account)),
    ]);
    let mut builder = Builder::default();
    let root = facts.add_to(&mut builder);
    builder.finish(root)
}

/// The beginning of a file, or an empty text.
fn file_text(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What could be read before it failed is what there is.
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn first_word(path: &str) -> Option<String> {
    file_text(path).split_whitespace().next().map(str::to_owned)
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn number(word: Option<String>) -> Fact {
    word.and_then(|word| word.parse().ok()).map_or(Fact::None, Fact::Float)
}

fn os() -> Fact {
    let release = os_release();
    let release = if release.is_empty() { older_release() } else { release };
    let field = |name: &str| release.get(name).cloned().filter(|text| !text.is_empty());
    let like = field("ID_LIKE").unwrap_or_default();
    Fact::dict([
        ("name", Fact::maybe(field("NAME"))),
        ("id", Fact::maybe(field("ID"))),
        ("like", Fact::List(like.split_whitespace().map(Fact::text).collect())),
        ("version", Fact::maybe(field("VERSION_ID"))),
        ("codename", Fact::maybe(field("VERSION_CODENAME"))),
    ])
}

fn os_release() -> BTreeMap<String, String> {
    let mut text = file_text("/etc/os-release");
    if text.is_empty() {
        text = file_text("/usr/lib/os-release");
    }
    let fields = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let clean = |value: &str| value.trim().trim_matches(['"', '\'']).to_owned();
    fields.map(|(name, value)| (name.trim().to_owned(), clean(value))).collect()
}

/// What there was before os-release: "CentOS release 5.11 (Final)", "3.18.4".
fn older_release() -> BTreeMap<String, String> {
    let found = |name: &str, id: &str, version: &str| {
        let fields = [("NAME", name), ("ID", id), ("VERSION_ID", version)];
        fields.map(|(field, value)| (field.to_owned(), value.to_owned())).into()
    };
    for id in ["centos", "redhat", "SuSE"] {
        let text = file_text(&format!("/etc/{id}-release"));
        let words: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        {
            return found(&words[..at].join(" ").replace(" release", ""), &id.to_lowercase(), words[at]);
        }
    }
    let others = [
        ("/etc/alpine-release", "Alpine Linux", "alpine"),
        ("/etc/debian_version", "Debian GNU/Linux", "debian"),
    ];
    for (path, name, id) in others {
        if let Some(version) = first_word(path) {
            return found(name, id, &version);
        }
    }
    BTreeMap::new()
}

/// On line, as the kernel lists them: `0-3,5`.
fn processors() -> Fact {
    let listed = file_text("/sys/devices/system/cpu/online");
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1)
    };
    let counts: Option<Vec<usize>> = listed.trim().split(',').map(count).collect();
    counts.map(|counts| counts.iter().sum()).or_else(machine::processors).map_or(Fact::None, Fact::int)
}

fn load() -> Fact {
    let text = file_text("/proc/loadavg");
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    let [one, five, fifteen] = words[..] else { return Fact::None };
    let number = |word: &str| number(Some(word.to_owned()));
    Fact::dict([("1", number(one)), ("5", number(five)), ("15", number(fifteen))])
}

fn memory() -> Fact {
    let text = file_text("/proc/meminfo");
    let size = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, count, "kB"] = words[..] else { return None };
        Some((name.trim_end_matches(':').to_owned(), count.parse::<u64>().ok()?.checked_mul(1024)?))
    };
    let sizes: BTreeMap<String, u64> = text.lines().filter_map(size).collect();
    let of = |name: &str| sizes.get(name).copied();
    // Kernels before 3.14 leave the sum to their readers.
    let sum =
        || ["MemFree", "Buffers", "Cached"].iter().map(|name| of(name).unwrap_or_default()).sum::<u64>();
    let known = of("MemAvailable").or_else(|| (!sizes.is_empty()).then(sum)).filter(|bytes| *bytes > 0);
    let by_call = machine::memory();
    let total = of("MemTotal").or(by_call.map(|(total, _)| total));
    let available = known.or(by_call.map(|(_, free)| free));
    let fact = |bytes: Option<u64>| bytes.map_or(Fact::None, Fact::int);
    Fact::dict([
        ("total", fact(total)),
        ("available", fact(available)),
        ("swap", fact(of("SwapTotal"))),
        ("limit", fact(total.and_then(memory_limit))),
    ])
}

/// What a container may use, where that is less than there is.
fn memory_limit(total: u64) -> Option<u64> {
    let limits = ["memory.max", "memory/memory.limit_in_bytes"].into_iter();
    let limits = limits.filter_map(|name| first_word(&format!("/sys/fs/cgroup/{name}"))?.parse().ok());
    limits.into_iter().find(|limit| *limit < total)
}

fn user(account: &machine::Account) -> Fact {
    let group = |gid: &u32| Fact::text(machine::group_name(*gid).unwrap_or_else(|| gid.to_string()));
    let entry = account.entry.as_ref();
    let home = entry.map(|entry| entry.home.clone()).filter(|home| !home.is_empty());
    let shell = entry.map(|entry| entry.shell.clone()).filter(|shell| !shell.is_empty());
    Fact::dict([
        ("name", Fact::maybe(entry.map(|entry| entry.name.clone()))),
        ("uid", Fact::int(account.uid)),
        ("gid", Fact::int(account.gid)),
        ("groups", Fact::List(account.groups.iter().map(group).collect())),
        ("home", Fact::maybe(home.or_else(|| variable("HOME")))),
        ("shell", Fact::maybe(shell)),
    ])
}

/// All but the loopback's own, each with its interface.
fn addresses() -> Vec<(String, IpAddr)> {
    // A second address may have a label of its own, eth0:1.
    let plain = |name: String| name.split(':').next().unwrap_or_default().to_owned();
    let four = machine::addresses().into_iter().map(|(name, address)| (plain(name), IpAddr::from(address)));
    let text = file_text("/proc/net/if_inet6");
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some((words.get(5)?.to_string(), address6(words.first()?)?.into()))
    };
    let all = four.chain(text.lines().filter_map(row));
    all.filter(|(_, address)| !address.is_loopback()).collect()
}

fn by_interface(addresses: &[(String, IpAddr)]) -> Fact {
    let mut found: Vec<(String, Fact)> = Vec::new();
    for (interface, address) in addresses {
        let shown = Fact::text(address.to_string());
        match found.iter_mut().find(|(name, _)| name == interface) {
            Some((_, Fact::List(list))) => list.push(shown),
            Some(_) | None => found.push((interface.clone(), Fact::List(vec![shown]))),
        }
    }
    Fact::Dict(found)
}

fn address6(digits: &str) -> Option<Ipv6Addr> {
    u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32).map(Ipv6Addr::from)
}

/// The address that reaches outward; where nothing does, the first that there is.
fn ip(addresses: &[(String, IpAddr)]) -> Fact {
    let outward = OUTWARD.iter().filter_map(|outward| machine::source(outward.parse().ok()?)).next();
    let first = || addresses.iter().min_by_key(|(interface, _)| interface).map(|(_, address)| *address);
    outward.or_else(first).map_or(Fact::None, |address| Fact::text(address.to_string()))
}

struct Route {
    destination: String,
    gateway: IpAddr,
    interface: String,
    metric: u32,
}

impl Route {
    fn gateway(&self) -> Fact {
        if self.gateway.is_unspecified() { Fact::None } else { Fact::text(self.gateway.to_string()) }
    }

    fn fact(&self) -> Fact {
        Fact::dict([
            ("destination", Fact::text(&self.destination)),
            ("gateway", self.gateway()),
            ("interface", Fact::text(&self.interface)),
            ("metric", Fact::int(self.metric)),
        ])
    }
}

fn routes() -> Vec<Route> {
    let (four, six) = (file_text("/proc/net/route"), file_text("/proc/net/ipv6_route"));
    four.lines().skip(1).filter_map(route4).chain(six.lines().filter_map(route6)).collect()
}

fn route4(line: &str) -> Option<Route> {
    let row: Vec<&str> = line.split_whitespace().collect();
    let [interface, there, gateway, flags, _, _, metric, mask, ..] = row[..] else { return None };
    let hex = |digits| u32::from_str_radix(digits, 16).ok();
    // Addresses are shown as numbers, as they lie in the memory of that machine; a black hole has no interface.
    let address = |digits| hex(digits).map(|number| Ipv4Addr::from(number.to_ne_bytes()));
    let counts = hex(flags)? & ROUTE.0 == ROUTE.1 && interface != "*";
    counts.then_some(Route {
        destination: format!("{}/{}", address(there)?, hex(mask)?.count_ones()),
        gateway: address(gateway)?.into(),
        interface: interface.to_owned(),
        metric: metric.parse().ok()?,
    })
}

fn route6(line: &str) -> Option<Route> {
    let row: Vec<&str> = line.split_whitespace().collect();
    let [there, length, _, _, gateway, metric, _, _, flags, interface] = row[..] else { return None };
    let hex = |digits| u32::from_str_radix(digits, 16).ok();
    // ff00::/8 is multicast.
    let counts = hex(flags)? & ROUTE6.0 == ROUTE6.1 && !there.starts_with("ff");
    counts.then_some(Route {
        destination: format!("{}/{}", address6(there)?, hex(length)?),
        gateway: address6(gateway)?.into(),
        interface: interface.to_owned(),
        metric: hex(metric)?,
    })
}

/// Of the lowest metric; IPv6 only where IPv4 has none.
fn default_route(routes: &[Route]) -> Fact {
    let lowest = |everywhere: &str| {
        let there = routes.iter().take(MAX_ROUTES).filter(|route| route.destination == everywhere);
        there.min_by_key(|route| route.metric)
    };
    lowest("0.0.0.0/0").or_else(|| lowest("::/0")).map_or(Fact::None, |route| {
        Fact::dict([("gateway", route.gateway()), ("interface", Fact::text(&route.interface))])
    })
}

fn init() -> Fact {
    if Path::new("/run/systemd/system").is_dir() {
        return Fact::text("systemd");
    }
    let text = file_text("/proc/1/stat");
    let name =
        text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(name, _)| name.to_owned());
    Fact::maybe(name)
}

/// The engine of the container that this is, as far as it can be seen from within.
fn container(release: &str) -> Option<String> {
    let first = file_text("/proc/1/environ");
    let of_first = || first.split('\0').filter_map(|field| field.strip_prefix("container=")).next();
    let said = first_word("/run/systemd/container").or_else(|| variable("container"));
    let said = said.filter(|name| !name.is_empty()).or_else(|| of_first().map(str::to_owned));
    if let Some(known) = said.filter(|name| !name.is_empty()) {
        return Some(known);
    }
    let groups = file_text("/proc/self/cgroup");
    let mark = CONTAINER_MARKS.iter().find(|(path, _)| Path::new(path).exists());
    let mark = mark.or_else(|| CONTAINER_GROUPS.iter().find(|(path, _)| groups.contains(path)));
    if let Some((_, name)) = mark {
        return Some((*name).to_owned());
    }
    let openvz = Path::new("/proc/vz").exists() && !Path::new("/proc/bc").exists();
    if openvz { Some("openvz") } else { release.to_lowercase().contains("microsoft").then_some("wsl") }
        .map(str::to_owned)
}

fn timezone(now: i64) -> Fact {
    machine::timezone(now).map_or(Fact::None, |(name, offset)| {
        Fact::dict([("name", Fact::text(name)), ("offset_seconds", Fact::Int(offset))])
    })
}

fn selinux() -> Fact {
    let mode = first_word("/sys/fs/selinux/enforce").or_else(|| first_word("/selinux/enforce"));
    match mode.as_deref() {
        Some("1") => Fact::text("enforcing"),
        Some("0") => Fact::text("permissive"),
        Some(_) | None => Fact::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_read_as_the_kernel_shows_it() {
        let shown =
            |line| route4(line).map(|route| (route.destination, route.gateway.to_string(), route.metric));
        let line = "eth0 00000000 0102A8C0 0003 0 0 100 00000000 0 0 0";
        if cfg!(target_endian = "little") {
            assert_eq!(shown(line), Some(("0.0.0.0/0".into(), "192.168.2.1".into(), 100)));
        }
        assert_eq!(shown("* 0000A8C0 00000000 0201 0 0 0 0000FFFF 0 0 0"), None, "a black hole");
    }

    #[test]
    fn all_facts_are_there_in_order() {
        let facts = facts();
        let Node::Dict(pairs) = facts.node(facts.root()) else { panic!("a dict") };
        let names: Vec<String> = pairs.iter().filter_map(|(name, _)| facts.text(*name)).collect();
        assert!(names.is_sorted() && names.len() == 23, "{names:?}");
    }
}
