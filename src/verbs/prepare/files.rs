//! What is to be done with files: what goes where, and that no two go to the same place.

use super::targets::{Ways, targets};
use super::{Asked, INPUT, Prepared, Reached, names_are_input, prepare, prepare_for};
use crate::cli;
use crate::controller::fleet::Origin;
use crate::controller::operation::{Feed, Fetch, Put, Request, Transfer};
use crate::error::UsageError;
use crate::files::{self, Source};
use crate::hosts::target::{Hop, Target};
use crate::report::{Folder, ResultKind};
use crate::sys::fd;
use crate::sys::stdio::{self, Input, Stream};
use crate::transfers::Plan;
use crate::verbs::names::Names;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Stands for the name of a target in the template of a fetch.
const HOST: &[u8] = b"{host}";
/// What a file system takes (NAME_MAX).
const MAX_FILE_NAME_BYTES: usize = 255;
/// Serves a target that others are above or below of, in a child of its own there.
const APART: &str = "from";

pub(in crate::verbs) fn put(typed: &cli::Put) -> Result<Prepared, UsageError> {
    let transfer = transfer(typed.how);
    let path = destination_there(&typed.local, typed.remote.as_deref())?;
    if let Some(from) = &typed.from {
        return put_from(typed, from, path, transfer);
    }
    let piped = typed.local.as_os_str() == INPUT;
    if piped && typed.remote.as_ref().is_some_and(|remote| remote.as_bytes().ends_with(b"/")) {
        return Err(UsageError::InputName);
    }
    if piped && names_are_input(&typed.fleet) {
        return Err(UsageError::InputTwice);
    }
    if piped && transfer.tree {
        return Err(UsageError::InputTree);
    }
    let source = if piped { Source::Pushed } else { local(&typed.local, transfer.tree)? };
    if piped && stdio::input() == Input::Folder {
        return Err(UsageError::InputFolder);
    }
    let stdin = if piped { Feed::Piped } else { Feed::Nothing };
    let request = Request::Put(Put { path, mode: typed.mode, stdin, foreign: false, transfer });
    let prepared = prepare(&typed.fleet, Asked::of("put", request, ResultKind::Files))?;
    Ok(Prepared { files: Plan::Put(source, transfer), ..prepared })
}

/// From another target: what is typed first is a path there.
fn put_from(
    typed: &cli::Put,
    from: &str,
    path: Option<Vec<u8>>,
    transfer: Transfer,
) -> Result<Prepared, UsageError> {
    let reach = &typed.fleet.reach;
    let mut names = Names::new(reach.way.inventory.as_deref())?;
    let ways = Ways::from(reach);
    let mut chosen = targets(&reach.targets, ways, &mut names)?;
    let origin = names.parse("--from", from)?;
    let origin: Vec<_> =
        origin.iter().map(|name| names.target(name, ways.said())).collect::<Result<_, _>>()?;
    let [mut source] =
        <[Target; 1]>::try_from(ways.extended(origin, &names)?).map_err(|_| UsageError::Origin)?;
    set_apart(&mut source, &mut chosen.targets);
    let put = Request::Put(Put { path, mode: typed.mode, stdin: Feed::Nothing, foreign: true, transfer });
    let reached = Reached { chosen, beside: Some(source.clone()), names };
    let prepared = prepare_for(reached, &typed.fleet, Asked::of("put", put, ResultKind::Files))?;
    let fetch = Fetch { path: path_there(typed.local.as_os_str())?, transfer };
    let origin = Origin { target: source, fetch };
    Ok(Prepared { files: Plan::PutFrom(origin), ..prepared })
}

/// Two contexts of which one leads to the other do not meet above both: what they do is done by a child of theirs.
fn set_apart(source: &mut Target, targets: &mut [Target]) {
    let hops = source.hops.clone();
    for target in targets.iter_mut().filter(|target| hops.starts_with(&target.hops)) {
        target.hops.push(Hop::local(""));
    }
    if targets.iter().any(|target| target.hops.starts_with(&hops)) {
        source.hops.push(Hop::local(APART));
    }
}

/// Where a put goes; a path that ends in `/` is the folder.
pub(super) fn destination_there(local: &Path, remote: Option<&OsStr>) -> Result<Option<Vec<u8>>, UsageError> {
    let Some(remote) = remote else { return Ok(None) };
    let mut path = path_there(remote)?;
    if let Some(name) = local.file_name().filter(|_| path.ends_with(b"/")) {
        path.extend(name.as_bytes());
    }
    Ok(Some(path))
}

pub(super) fn path_there(typed: &OsStr) -> Result<Vec<u8>, UsageError> {
    let path = typed.as_bytes();
    if path.is_empty() || path.contains(&0) {
        return Err(UsageError::RemoteName);
    }
    check_tilde(typed)?;
    Ok(path.to_vec())
}

/// Only shells know the homes of others.
fn check_tilde(typed: &OsStr) -> Result<(), UsageError> {
    match typed.as_bytes() {
        [b'~'] | [b'~', b'/', ..] => Ok(()),
        [b'~', ..] => Err(UsageError::OtherHome { typed: typed.to_owned() }),
        _ => Ok(()),
    }
}

fn local(path: &Path, tree: bool) -> Result<Source, UsageError> {
    let wrong = |wrong: String| UsageError::Local { path: path.to_owned(), wrong };
    let info = std::fs::metadata(path).map_err(|error| wrong(files::words(&error)))?;
    if info.is_dir() && !tree {
        return Err(wrong("a folder; -r sends it with all that is in it".to_owned()));
    }
    if !info.is_dir() && !info.is_file() {
        return Err(wrong("a device, a socket or a pipe, and no file; `-` sends standard input".to_owned()));
    }
    let readable =
        if info.is_dir() { std::fs::read_dir(path).map(drop) } else { fd::open_file(path).map(drop) };
    readable.map_err(|error| wrong(files::words(&error)))?;
    Ok(Source::Local { path: path.to_owned(), tree })
}

fn transfer(typed: cli::Transfer) -> Transfer {
    Transfer { tree: typed.tree, keep: typed.keep, packed: typed.packed }
}

pub(in crate::verbs) fn fetch(typed: &cli::Fetch) -> Result<Prepared, UsageError> {
    let transfer = transfer(typed.how);
    let request = Request::Fetch(Fetch { path: path_there(&typed.remote)?, transfer });
    let prepared = prepare(&typed.fleet, Asked::of("fetch", request, ResultKind::Files))?;
    if typed.template.as_ref().is_some_and(|template| template.as_os_str() == INPUT) {
        return if prepared.targets.len() == 1 && !typed.how.tree && !typed.fleet.reach.json {
            Ok(Prepared { files: Plan::Fetch(vec![None], transfer), ..prepared })
        } else {
            Err(UsageError::FetchOutput)
        };
    }
    let template = typed.template.as_deref();
    let roots = destinations(&typed.remote, template, typed.how.tree, prepared.targets.iter())?;
    Ok(Prepared { files: Plan::Fetch(roots, transfer), ..prepared })
}

/// Where the files of each target go; all of them are found to differ before anything is started.
pub(super) fn destinations<'a>(
    remote: &OsStr,
    template: Option<&Path>,
    tree: bool,
    targets: impl Iterator<Item = &'a Target>,
) -> Result<Vec<Option<PathBuf>>, UsageError> {
    let template = template.map(expanded).transpose()?;
    let mut seen: HashMap<PathBuf, &str> = HashMap::new();
    let mut paths = Vec::new();
    for target in targets {
        let path = match &template {
            Some(template) => destination(template, remote, tree, &target.name),
            None => fresh().map_err(|error| UsageError::Local {
                path: std::env::temp_dir(),
                wrong: files::words(&error),
            })?,
        };
        if let Some(other) = seen.insert(place(&path, tree), &target.name) {
            return Err(UsageError::NotUnique { path, hosts: (other.to_owned(), target.name.clone()) });
        }
        paths.push(Some(path));
    }
    Ok(paths)
}

/// A template without `~`, and with no placeholder that is none.
fn expanded(template: &Path) -> Result<PathBuf, UsageError> {
    let bytes = template.as_os_str().as_bytes();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'{') {
        let inner = bytes[at + 1..].split(|byte| b"{}/".contains(byte)).next().unwrap_or_default();
        let end = at + 1 + inner.len();
        if bytes.get(end) == Some(&b'}') && &bytes[at..=end] != HOST {
            let typed = OsStr::from_bytes(&bytes[at..=end]).to_owned();
            return Err(UsageError::Placeholder { typed });
        }
    }
    check_tilde(template.as_os_str())?;
    Ok(match (template.strip_prefix("~"), std::env::home_dir()) {
        // What ends in a slash still does.
        (Ok(_), Some(home)) => OsStr::from_bytes(&[home.as_os_str().as_bytes(), &bytes[1..]].concat()).into(),
        _ => template.to_owned(),
    })
}

/// What two paths have in common that lead to one file: links on the way are followed, and folders that are not there
/// yet will be plain ones. The last name of a single file is what is replaced.
fn place(path: &Path, tree: bool) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (way, last) = match (path.parent(), path.file_name()) {
        (Some(above), Some(last)) if !tree => (above, Some(last)),
        _ => (path.as_path(), None),
    };
    let known = way.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, mut place) = known.unwrap_or((Path::new(""), PathBuf::new()));
    for part in way.strip_prefix(above).unwrap_or(way).components() {
        match part {
            Component::ParentDir => drop(place.pop()),
            other => place.push(other),
        }
    }
    place.extend(last);
    place
}

fn destination(template: &Path, remote: &OsStr, tree: bool, target: &str) -> PathBuf {
    let name = file_name(target);
    let bytes = template.as_os_str().as_bytes();
    let mut path = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(HOST.len()).position(|window| window == HOST) {
        path.extend_from_slice(&rest[..at]);
        path.extend(name.as_bytes());
        rest = &rest[at + HOST.len()..];
    }
    path.extend_from_slice(rest);
    let path = PathBuf::from(OsStr::from_bytes(&path).to_owned());
    let into = bytes.ends_with(b"/") || (!tree && path.is_dir());
    match Path::new(remote).file_name().filter(|_| into) {
        Some(file) => path.join(file),
        None => path,
    }
}

/// A target of several hops is one name, and none leads anywhere else.
fn file_name(target: &str) -> String {
    match target.replace('/', "_") {
        dots if dots.trim_matches('.').is_empty() => dots.replace('.', "_"),
        name => name,
    }
}

/// A name for the output of each target, by place; no two outputs have one, and each can be written as far as can
/// be told.
pub(in crate::verbs) fn file_names(folder: &Path, targets: &[Target]) -> Result<Vec<String>, UsageError> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let mut names = Vec::new();
    for target in targets {
        let name = file_name(&target.name);
        for stream in [Stream::Out, Stream::Err] {
            let file = Folder::file_name(&name, stream);
            if file.len() > MAX_FILE_NAME_BYTES {
                return Err(UsageError::LongName { host: target.name.clone() });
            }
            let path = folder.join(&file);
            if path.symlink_metadata().is_ok_and(|info| info.is_dir()) {
                return Err(UsageError::FolderThere { path, host: target.name.clone() });
            }
            if let Some(other) = seen.insert(file, &target.name) {
                let hosts = (other.to_owned(), target.name.clone());
                return Err(UsageError::SameFile { path, hosts });
            }
        }
        names.push(name);
    }
    Ok(names)
}

/// A name for a temporary file or folder that nobody can guess.
fn fresh() -> std::io::Result<PathBuf> {
    Ok(std::env::temp_dir().join(files::fresh_name()?))
}
