//! ClusterShell's sources of groups, from where it looks for them itself.

use super::paths::entries;
use super::{MAX_COMMAND_BYTES, configuration, home, shell};
use crate::error::CommandError;
use crate::hosts::clustershell::{self, Conf, Groups, Upcalls};
use crate::hosts::nodeset::{LookupError, Text};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The source of groups that stand in no source's file.
const LOCAL: &str = "local";

#[derive(Default)]
pub(super) struct Sources {
    /// Each, or what is wrong with its file, which is told whoever asks for it.
    sources: BTreeMap<String, Result<Source, LookupError>>,
    default: Option<String>,
    /// Files of which not even the sources are known.
    nameless: Vec<LookupError>,
}

enum Source {
    /// From a file.
    Read { groups: Groups, path: PathBuf },
    /// To be asked by command lines, which run in this folder.
    Asked { upcalls: Upcalls, folder: PathBuf },
}

impl Sources {
    /// Reads all files; nothing is run.
    pub(super) fn load() -> Result<Self, LookupError> {
        let (mut sources, mut conf, mut last) = (Self::default(), Conf::default(), None);
        for folder in folders() {
            let path = folder.join("groups.conf");
            if let Some(text) = read(&path)? {
                conf.read(&text).map_err(|error| failed(&path, &error))?;
                last = Some(folder);
            }
        }
        match &last {
            Some(folder) => sources.add_configured(&conf, folder)?,
            None => folders().iter().for_each(|folder| sources.add_plain(folder)),
        }
        let wanted = conf.main("default").filter(|name| !name.is_empty());
        let is_there = |name: &&str| sources.sources.contains_key(*name) || !sources.nameless.is_empty();
        if let Some(name) = wanted.filter(|name| !is_there(name)) {
            let known = sources.sources.keys().cloned().collect::<Vec<_>>().join(", ");
            let why = format!("`default: {name}` is no source; there are {known}");
            return Err(failed(&last.unwrap_or_default().join("groups.conf"), &why));
        }
        let local = sources.sources.keys().find(|name| *name == LOCAL);
        let first = local.or_else(|| sources.sources.keys().next());
        sources.default = wanted.map(str::to_owned).or_else(|| first.cloned());
        Ok(sources)
    }

    /// What `groups.conf` of this folder, the last one that there is, leads to.
    fn add_configured(&mut self, conf: &Conf, folder: &Path) -> Result<(), LookupError> {
        let listed = |option: Option<&str>| -> Vec<PathBuf> {
            let words = option.and_then(shlex::split).unwrap_or_default();
            let known = [("CFGDIR", &*folder.to_string_lossy())];
            words.iter().map(|word| PathBuf::from(clustershell::substitute(word, &known))).collect()
        };
        for folder in listed(conf.main("groupsdir").or_else(|| conf.main("confdir"))) {
            for path in entries(&folder, "*.conf") {
                self.add_more(&folder, &path);
            }
        }
        for folder in listed(conf.main("autodir")) {
            self.add_yaml(&folder);
        }
        self.add_asked(conf, folder, &folder.join("groups.conf"))
    }

    /// What a file beside `groups.conf` has; one that is wrong takes no other's sources away.
    fn add_more(&mut self, folder: &Path, path: &Path) {
        let mut more = Conf::default();
        let added = read(path).and_then(|text| {
            more.read(&text.unwrap_or_default()).map_err(|error| failed(path, &error))?;
            self.add_asked(&more, folder, path)
        });
        if let Err(error) = added {
            self.add_failed(more.names(), &error);
        }
    }

    fn add_failed(&mut self, names: Vec<String>, error: &LookupError) {
        if names.is_empty() {
            self.nameless.push(error.clone());
        }
        self.sources.extend(names.into_iter().map(|name| (name, Err(error.clone()))));
    }

    fn add_asked(&mut self, conf: &Conf, folder: &Path, path: &Path) -> Result<(), LookupError> {
        for (name, upcalls) in conf.sources().map_err(|error| failed(path, &error))? {
            self.sources.insert(name, Ok(Source::Asked { upcalls, folder: folder.to_owned() }));
        }
        Ok(())
    }

    /// What there is without any `groups.conf`.
    fn add_plain(&mut self, folder: &Path) {
        self.add_yaml(&folder.join("groups.d"));
        for path in [folder.join("groups.d/local.cfg"), folder.join("groups")] {
            let source = match read(&path) {
                Ok(None) => continue,
                Ok(Some(text)) => clustershell::list(&text).map_err(|error| failed(&path, &error)),
                Err(error) => Err(error),
            };
            self.sources.insert(LOCAL.to_owned(), source.map(|groups| Source::Read { groups, path }));
        }
    }

    fn add_yaml(&mut self, folder: &Path) {
        for path in entries(folder, "*.yaml") {
            let text = match read(&path) {
                Ok(text) => text.unwrap_or_default(),
                Err(error) => {
                    self.add_failed(Vec::new(), &error);
                    continue;
                }
            };
            match clustershell::yaml(&text) {
                Ok(sources) => sources.into_iter().for_each(|(name, groups)| {
                    self.sources.insert(name, Ok(Source::Read { groups, path: path.clone() }));
                }),
                Err(error) => self.add_failed(clustershell::yaml_sources(&text), &failed(&path, &error)),
            }
        }
    }

    /// The sources that groups are not looked for in unless they are named.
    pub(super) fn others(&self) -> Vec<String> {
        self.sources.keys().filter(|name| self.default.as_ref() != Some(name)).cloned().collect()
    }

    /// A source, by its name or the one of the user's choice. There may be none to choose.
    fn source(&self, name: Option<&str>) -> Result<Option<(&str, &Source)>, LookupError> {
        // A file that cannot be read may have what is not found elsewhere.
        let lost = self.nameless.first();
        let Some(name) = name.or(self.default.as_deref()) else {
            return lost.map_or(Ok(None), |error| Err(error.clone()));
        };
        match self.sources.get_key_value(name) {
            Some((_, Err(error))) => Err(error.clone()),
            Some((name, Ok(source))) => Ok(Some((name, source))),
            None => {
                let known = || LookupError::Source { known: self.sources.keys().cloned().collect() };
                Err(lost.cloned().unwrap_or_else(known))
            }
        }
    }

    /// What is wrong with files whose sources are not even known.
    pub(super) fn nameless_failures(&self) -> impl Iterator<Item = LookupError> {
        self.nameless.iter().cloned()
    }

    /// What wildcards are compared with.
    pub(super) fn known(&self) -> Result<Vec<Text>, LookupError> {
        let Some((source, from)) = self.source(None)? else { return Ok(Vec::new()) };
        // A source that cannot tell its nodes, as one that was installed and never set up, has none.
        Ok(from.all(source).unwrap_or_default())
    }

    pub(super) fn group(&self, source: Option<&str>, name: &str) -> Result<Text, LookupError> {
        match self.source(source)? {
            Some((source, from)) => from.group(source, name),
            None => Err(LookupError::Group { known: Vec::new() }),
        }
    }

    pub(super) fn all(&self, source: Option<&str>) -> Result<Vec<Text>, LookupError> {
        self.source(source)?.map_or(Ok(Vec::new()), |(source, from)| from.all(source))
    }

    pub(super) fn groups(&self, source: Option<&str>) -> Result<Vec<String>, LookupError> {
        self.source(source)?.map_or(Ok(Vec::new()), |(source, from)| from.groups(source))
    }
}

impl Source {
    fn group(&self, source: &str, name: &str) -> Result<Text, LookupError> {
        let place = |path: &Path| format!("{}: @{source}:{name}", path.display());
        let one = |groups: &Groups, path: &Path| {
            let known = || LookupError::Group { known: groups.keys().cloned().collect() };
            let text = groups.get(name).cloned().ok_or_else(known)?;
            Ok(Text { place: place(path), text, ..Text::default() })
        };
        match self {
            Self::Read { groups, path } => one(groups, path),
            Self::Asked { upcalls, folder } => {
                if let Some(line) = &upcalls.mapall {
                    return one(&mapall(line, source, folder)?, folder);
                }
                let text = ask(upcalls.map.as_deref().unwrap_or_default(), source, Some(name), folder)?;
                if text.trim().is_empty() {
                    // `map` prints nothing both for no nodes and for no group.
                    let known = self.groups(source)?;
                    if !known.iter().any(|known| known == name) {
                        return Err(LookupError::Group { known });
                    }
                }
                Ok(Text { place: place(folder), text, ..Text::default() })
            }
        }
    }

    /// By `all`, or else by all groups.
    fn all(&self, source: &str) -> Result<Vec<Text>, LookupError> {
        let told = match self {
            Self::Read { groups, .. } => {
                groups.contains_key("all").then(|| self.group(source, "all")).transpose()?
            }
            Self::Asked { upcalls, folder } => {
                let ask = |line: &String| ask(line, source, None, folder);
                let text = upcalls.all.as_ref().map(ask).transpose()?;
                text.map(|text| Text {
                    place: format!("{}: @{source}:*", folder.display()),
                    text,
                    ..Text::default()
                })
            }
        };
        if let Some(text) = told.filter(|text| !text.text.trim().is_empty()) {
            return Ok(vec![text]);
        }
        self.groups(source)?.iter().map(|name| self.group(source, name)).collect()
    }

    fn groups(&self, source: &str) -> Result<Vec<String>, LookupError> {
        match self {
            Self::Read { groups, .. } => Ok(groups.keys().cloned().collect()),
            Self::Asked { upcalls, folder } => match (&upcalls.list, &upcalls.mapall) {
                (_, Some(line)) => Ok(mapall(line, source, folder)?.into_keys().collect()),
                (Some(line), None) => {
                    let names = ask(line, source, None, folder)?;
                    if names.contains(|c: char| c.is_control() && !c.is_whitespace()) {
                        let why = "it prints a control character".to_owned();
                        return Err(LookupError::Failed { what: place_of(folder, source, line), why });
                    }
                    Ok(names.split_whitespace().map(str::to_owned).collect())
                }
                (None, None) => Ok(Vec::new()),
            },
        }
    }
}

fn mapall(line: &str, source: &str, folder: &Path) -> Result<Groups, LookupError> {
    let what = || folder.join(format!("[{source}] mapall"));
    clustershell::list(&ask(line, source, None, folder)?).map_err(|error| failed(&what(), &error))
}

/// A command line of a source, for errors.
fn place_of(folder: &Path, source: &str, line: &str) -> String {
    format!("{}: [{source}] {line:?}", folder.display())
}

/// What a command line of a source prints.
fn ask(line: &str, source: &str, group: Option<&str>, folder: &Path) -> Result<String, LookupError> {
    let why = |why: String| LookupError::Failed { what: place_of(folder, source, line), why };
    // The shell reads the name; quotes and dollars would be its own.
    let plain = |name: &str| name.chars().all(|c| c.is_alphanumeric() || "_-.:+=,@%~/".contains(c));
    if let Some(group) = group.filter(|group| !plain(group)) {
        return Err(why(format!("{group:?} has characters that no shell is given")));
    }
    let config = folder.to_string_lossy();
    let known = [("CFGDIR", &*config), ("SOURCE", source), ("GROUP", group.unwrap_or_default())];
    // Without a group, its variable stays.
    let known = if group.is_some() { &known[..] } else { &known[..2] };
    let line = clustershell::substitute(line, known);
    let told = shell::output(&line, Stdio::null(), Some(folder), MAX_COMMAND_BYTES);
    let output = told.map_err(|error: CommandError| why(error.to_string()))?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// As ClusterShell has them: later ones win.
fn folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/etc/clustershell")];
    folders.extend(home().map(|home| home.join(".local/etc/clustershell")));
    folders.extend(configuration().map(|folder| folder.join("clustershell")));
    folders.extend(std::env::var_os("CLUSTERSHELL_CFGDIR").map(PathBuf::from));
    folders
}

/// The text of a file, if there is one.
fn read(path: &Path) -> Result<Option<String>, LookupError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> LookupError {
    LookupError::Failed { what: path.display().to_string(), why: error.to_string() }
}
