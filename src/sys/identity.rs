//! Who runs this program, and where.

use nix::unistd;
use std::path::Path;

/// This program, whatever has become of its file.
pub const PROGRAM: &str = "/proc/self/exe";

/// The permissions that new files do not get.
pub fn umask() -> u32 {
    let all = nix::sys::stat::Mode::from_bits_truncate(0o077);
    let before = nix::sys::stat::umask(all);
    nix::sys::stat::umask(before);
    before.bits()
}

/// The number of the user whose rights this process has.
pub fn effective_user() -> u32 {
    unistd::geteuid().as_raw()
}

/// The number of the group whose rights this process has.
pub fn effective_group() -> u32 {
    unistd::getegid().as_raw()
}

/// The name of a user, or the number that nobody has given a name to.
pub fn user_name(number: u32) -> String {
    let user = unistd::User::from_uid(unistd::Uid::from_raw(number)).ok().flatten();
    user.map_or_else(|| number.to_string(), |user| user.name)
}

/// Whether files can be made in that folder.
pub fn may_write_in(folder: &Path) -> bool {
    unistd::access(folder, unistd::AccessFlags::W_OK | unistd::AccessFlags::X_OK).is_ok()
}

/// Returns `user@host:pid`, as far as the system knows them.
pub fn process() -> String {
    let user = user_name(unistd::getuid().as_raw());
    let host = unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    format!("{user}@{host}:{}", std::process::id())
}
