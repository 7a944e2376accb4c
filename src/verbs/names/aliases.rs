//! The names in ssh's configuration, its own and the system's, and in what they include.

use super::{home, paths};
use crate::hosts::ssh_config::{self, Named};
use crate::hosts::target::quoted;
use std::path::Path;

/// As deep as ssh goes itself.
const MAX_DEPTH: usize = 16;

/// All of them, written as names of ours. A file that cannot be read has none.
pub(super) fn all() -> Vec<String> {
    let mut names = Vec::new();
    if let Some(folder) = home().map(|home| home.join(".ssh")) {
        read(&folder.join("config"), &folder, 0, &mut names);
    }
    let system = Path::new("/etc/ssh");
    read(&system.join("ssh_config"), system, 0, &mut names);
    names
}

/// Adds the names of a file; what it includes is looked for in `folder`.
fn read(path: &Path, folder: &Path, depth: usize, names: &mut Vec<String>) {
    let Ok(text) = std::fs::read(path) else { return };
    for named in ssh_config::parse(&String::from_utf8_lossy(&text)) {
        match named {
            Named::Hosts(hosts) => names.extend(hosts.iter().map(|host| quoted(host))),
            Named::Include(patterns) if depth < MAX_DEPTH => {
                for pattern in patterns {
                    let pattern = match (pattern.strip_prefix("~/"), home()) {
                        (Some(rest), Some(home)) => home.join(rest),
                        _ => folder.join(&pattern),
                    };
                    paths::found(&pattern).iter().for_each(|path| read(path, folder, depth + 1, names));
                }
            }
            Named::Include(_) => {}
        }
    }
}
