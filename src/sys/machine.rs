//! What the system says of this machine and of who we are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// As uname(2) has it.
#[derive(Debug)]
pub struct Kernel {
    pub name: String,
    pub host: String,
    pub release: String,
    pub version: String,
    pub arch: String,
}

pub fn kernel() -> Option<Kernel> {
    let uname = nix::sys::utsname::uname().ok()?;
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    Some(Kernel {
        name: text(uname.sysname()),
        host: text(uname.nodename()),
        release: text(uname.release()),
        version: text(uname.version()),
        arch: text(uname.machine()),
    })
}

/// Bytes of memory: all, and what is free.
pub fn memory() -> Option<(u64, u64)> {
    let info = nix::sys::sysinfo::sysinfo().ok()?;
    Some((info.ram_total(), info.ram_unused()))
}

/// Processors that we may use.
pub fn processors() -> Option<usize> {
    std::thread::available_parallelism().ok().map(usize::from)
}

/// Whom we run as.
#[derive(Debug)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
    /// All groups, the own one first.
    pub groups: Vec<u32>,
    pub entry: Option<Entry>,
}

/// Of the file of accounts.
#[derive(Debug)]
pub struct Entry {
    pub name: String,
    pub home: String,
    pub shell: String,
}

pub fn account() -> Account {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let mut groups = vec![gid.as_raw()];
    for group in nix::unistd::getgroups().unwrap_or_default() {
        if !groups.contains(&group.as_raw()) {
            groups.push(group.as_raw());
        }
    }
    let entry = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| Entry {
        name: user.name,
        home: user.dir.to_string_lossy().into_owned(),
        shell: user.shell.to_string_lossy().into_owned(),
    });
    Account { uid: uid.as_raw(), gid: gid.as_raw(), groups, entry }
}

pub fn group_name(gid: u32) -> Option<String> {
    nix::unistd::Group::from_gid(gid.into()).ok().flatten().map(|group| group.name)
}

/// The IPv4 addresses, each with its interface.
pub fn addresses() -> Vec<(String, Ipv4Addr)> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    all.filter_map(|one| Some((one.interface_name, one.address?.as_sockaddr_in()?.ip()))).collect()
}

/// The address that leads to `outward`. Nothing is sent: a connected datagram socket knows its source.
pub fn source(outward: IpAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if outward.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let probe = UdpSocket::bind((any, 0)).ok()?;
    probe.connect((outward, 53)).ok()?;
    probe.local_addr().ok().map(|address| address.ip())
}

/// The name of the time zone that holds now, and its seconds from UTC.
pub fn timezone(seconds_since_1970: i64) -> Option<(String, i64)> {
    // SAFETY: all zeroes are a valid `tm`.
    let mut fields: nix::libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to values of ours; this process has no other thread that could change TZ.
    if unsafe { nix::libc::localtime_r(&seconds_since_1970, &mut fields) }.is_null() {
        return None;
    }
    let name = if fields.tm_zone.is_null() {
        String::new()
    } else {
        // SAFETY: localtime_r lets it point to a text that ends with a zero and stays.
        unsafe { std::ffi::CStr::from_ptr(fields.tm_zone) }.to_string_lossy().into_owned()
    };
    Some((name, fields.tm_gmtoff))
}
