//! The names in ssh's configuration, its own and the system's, and in what they include.

use super::home;
use crate::hosts::ssh_config::{self, Named};
use crate::hosts::target::quoted;
use crate::hosts::wildcard;
use std::path::{Component, Path, PathBuf};

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
                    found(&pattern).iter().for_each(|path| read(path, folder, depth + 1, names));
                }
            }
            Named::Include(_) => {}
        }
    }
}

/// The paths that a pattern stands for, sorted.
fn found(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for part in pattern.components() {
        let mask = part.as_os_str().to_string_lossy();
        if !matches!(part, Component::Normal(_)) || !mask.contains(['*', '?']) {
            paths.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        paths = paths.iter().flat_map(|folder| entries(folder, &mask)).collect();
    }
    paths
}

/// What is in a folder and looks as `mask` says.
pub(super) fn entries(folder: &Path, mask: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_meant =
        |name: &str| wildcard::matches(mask, name) && (mask.starts_with('.') || !name.starts_with('.'));
    let meant = entries.filter(|entry| is_meant(&entry.file_name().to_string_lossy()));
    let mut paths: Vec<PathBuf> = meant.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths
}
