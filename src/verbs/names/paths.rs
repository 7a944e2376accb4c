//! Paths with `*` and `?`.

use crate::hosts::wildcard;
use std::path::{Component, Path, PathBuf};

/// The paths that a pattern stands for, sorted.
pub(super) fn found(pattern: &Path) -> Vec<PathBuf> {
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
