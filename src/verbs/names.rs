//! Names from what was typed: expressions, and the files, groups and commands that they ask for.

mod aliases;
mod clustershell;
mod nearest;
mod paths;

use super::shell;
use crate::error::{CommandError, UsageError};
use crate::hosts::inventory::{Group, Inventory, Nodes, Said};
use crate::hosts::nodeset::{self, Lookup, LookupError, Nodeset, Text};
use crate::hosts::target::{Hop, Target};
use crate::sys::stdio;
use clustershell::Sources;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const INVENTORY_FILE: &str = "hopvine.toml";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a command prints for a group is no longer: a million names of 64 bytes.
const MAX_COMMAND_BYTES: usize = 64 << 20;

/// What names can be had from beside the command line. All but the inventory is read when it is first asked for.
pub(super) struct Names {
    inventory: Inventory,
    /// Where the inventory is.
    path: Option<PathBuf>,
    sources: Option<Sources>,
    /// Groups by source and name, so that each command runs once, and -w and -x mean the same.
    told: HashMap<(Option<String>, String), Text>,
    /// Standard input.
    input: Option<String>,
    /// Somebody else reads it.
    input_is_left: bool,
}

impl Names {
    /// With the inventory that was `named`, or else the nearest one.
    pub(super) fn new(named: Option<&Path>) -> Result<Self, UsageError> {
        let path = named.map(Path::to_owned).or_else(nearest::path);
        let inventory = match &path {
            Some(path) => {
                let wrong = |message: String| UsageError::Inventory { path: path.clone(), message };
                let file = match named {
                    Some(path) => std::fs::read(path).map_err(|error| wrong(error.to_string()))?,
                    None => nearest::read(path)?,
                };
                Inventory::read(&file).map_err(|error| wrong(error.to_string()))?
            }
            None => Inventory::default(),
        };
        Ok(Self { inventory, path, sources: None, told: HashMap::new(), input: None, input_is_left: false })
    }

    /// From now on, standard input holds no names.
    pub(super) fn leave_input(&mut self) {
        self.input_is_left = true;
    }

    /// The inventory, and where it is.
    pub(super) fn inventory(&self) -> (&Inventory, Option<&Path>) {
        (&self.inventory, self.path.as_deref())
    }

    /// What a name leads to.
    pub(super) fn target(&self, name: &str, said: Said) -> Result<Target, UsageError> {
        self.inventory.target(name, said).map_err(|error| UsageError::Resolve { option: "", error })
    }

    /// All that the expressions of `-w` stand for; each has to name a host.
    pub(super) fn selected(&mut self, typed: &[String]) -> Result<Nodeset, UsageError> {
        let mut selected = Nodeset::default();
        for expression in typed {
            let names = self.parse("-w", expression)?;
            if names.is_empty() {
                return Err(UsageError::NoHosts { option: "-w", typed: expression.clone() });
            }
            selected.union(names);
        }
        Ok(selected)
    }

    /// All that the expressions of `-x` stand for, if anything.
    pub(super) fn excluded(&mut self, typed: &[String]) -> Result<Nodeset, UsageError> {
        let mut excluded = Nodeset::default();
        for expression in typed {
            excluded.union(self.parse("-x", expression)?);
        }
        Ok(excluded)
    }

    /// What one expression stands for, which was typed as the value of `option`.
    pub(super) fn parse(&mut self, option: &'static str, expression: &str) -> Result<Nodeset, UsageError> {
        Nodeset::parse(expression, self).map_err(|error| UsageError::Nodeset { option, error })
    }

    /// Whether standard input has been read for names, by whatever asked for it.
    pub(super) fn have_read_input(&self) -> bool {
        self.input.is_some()
    }

    /// What the path of `--via` leads through.
    pub(super) fn way(&self, path: &str) -> Result<Vec<Hop>, UsageError> {
        self.inventory.way(path).map_err(|error| UsageError::Resolve { option: "--via", error })
    }

    /// All groups, as they are typed: those that need no source first. Also what cannot be listed.
    pub(super) fn all_groups(&mut self) -> (Vec<String>, Vec<UsageError>) {
        let mut groups: Vec<String> = self.inventory.groups().map(|(name, _)| name.to_owned()).collect();
        let mut failures: Vec<LookupError> = Vec::new();
        let mut add = |listed: Result<Vec<String>, LookupError>| match listed {
            Ok(names) => groups.extend(names),
            // A file that is wrong may be that of several sources.
            Err(error) if failures.contains(&error) => {}
            Err(error) => failures.push(error),
        };
        match self.sources() {
            Ok(sources) => {
                add(sources.groups(None));
                for source in sources.others() {
                    let names = sources.groups(Some(&source));
                    add(names.map(|names| names.iter().map(|name| format!("{source}:{name}")).collect()));
                }
                sources.nameless_failures().for_each(|error| add(Err(error)));
            }
            Err(error) => add(Err(error)),
        }
        (groups, failures.into_iter().map(|error| UsageError::Groups { error }).collect())
    }

    fn sources(&mut self) -> Result<&Sources, LookupError> {
        if self.sources.is_none() {
            self.sources = Some(Sources::load()?);
        }
        Ok(self.sources.get_or_insert_default())
    }

    fn ask(&mut self, source: Option<&str>, name: &str) -> Result<Text, LookupError> {
        if source.is_none()
            && let Some(group) = self.inventory.group(name)
        {
            return self.group_text(name, group);
        }
        let found = self.sources()?.group(source, name);
        found.map_err(|error| match error {
            LookupError::Group { known } if source.is_none() => {
                let here = self.inventory.groups().map(|(name, _)| name.to_owned());
                LookupError::Group { known: here.chain(known).collect() }
            }
            other => other,
        })
    }

    fn group_text(&self, name: &str, group: &Group) -> Result<Text, LookupError> {
        let path = self.path.as_deref().unwrap_or(Path::new(INVENTORY_FILE));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let (place, text, lines) = match &group.nodes {
            Nodes::Expression { text, lines } => (path.display().to_string(), text.clone(), lines.clone()),
            Nodes::Command(line) => {
                let place = format!("{}:{}: command of @{name}", path.display(), group.line);
                let failed =
                    |error: CommandError| LookupError::Failed { what: place.clone(), why: error.to_string() };
                let output = shell::output(line, Stdio::null(), folder, MAX_COMMAND_BYTES).map_err(failed)?;
                (place, String::from_utf8_lossy(&output).into_owned(), Vec::new())
            }
        };
        Ok(Text { place, text, folder: folder.map(Path::to_owned), lines })
    }

    /// What the inventory knows; also by its commands, if they are `wanted`.
    fn known_here(&self, wanted: bool) -> Result<Vec<Text>, LookupError> {
        let hosts = self.inventory.names().collect::<Vec<_>>().join("\n");
        let mut texts = vec![Text { place: INVENTORY_FILE.to_owned(), text: hosts, ..Text::default() }];
        for (name, group) in self.inventory.groups() {
            if wanted || matches!(group.nodes, Nodes::Expression { .. }) {
                texts.push(self.group_text(name, group)?);
            }
        }
        Ok(texts)
    }
}

/// Whether names that are typed ask for standard input. What files and groups ask for shows when they are read.
pub(super) fn read_input<'a>(typed: impl IntoIterator<Item = &'a String>) -> bool {
    typed.into_iter().any(|expression| nodeset::asks(expression).input)
}

impl Lookup for Names {
    fn group(&mut self, source: Option<&str>, name: &str) -> Result<Text, LookupError> {
        let key = (source.map(str::to_owned), name.to_owned());
        if let Some(text) = self.told.get(&key) {
            return Ok(text.clone());
        }
        let text = self.ask(source, name)?;
        self.told.insert(key, text.clone());
        Ok(text)
    }

    fn all(&mut self, source: Option<&str>) -> Result<Vec<Text>, LookupError> {
        if source.is_some() {
            return self.sources()?.all(source);
        }
        let mut texts = match self.inventory.group("all") {
            Some(group) => vec![self.group_text("all", group)?],
            None => self.known_here(true)?,
        };
        texts.extend(self.sources()?.all(None)?);
        Ok(texts)
    }

    fn groups(&mut self, source: Option<&str>) -> Result<Vec<String>, LookupError> {
        let here = self.inventory.groups().filter(|_| source.is_none());
        let mut names: Vec<String> = here.map(|(name, _)| name.to_owned()).collect();
        let more = self.sources()?.groups(source)?;
        names.extend(more);
        Ok(names)
    }

    fn known(&mut self) -> Result<Vec<Text>, LookupError> {
        let mut texts = self.known_here(false)?;
        texts.extend(self.sources()?.known()?);
        let (place, text) = ("ssh's configuration".to_owned(), aliases::all().join("\n"));
        texts.push(Text { place, text, ..Text::default() });
        Ok(texts)
    }

    fn file(&mut self, path: &str, folder: Option<&Path>) -> Result<Text, LookupError> {
        let path = folder.map_or_else(|| PathBuf::from(path), |folder| folder.join(path));
        let place = path.display().to_string();
        let bytes = std::fs::read(&path)
            .map_err(|error| LookupError::Failed { what: place.clone(), why: error.to_string() })?;
        Ok(Text { place, text: without_mark(&bytes), folder: folder.map(Path::to_owned), ..Text::default() })
    }

    fn input(&mut self) -> Result<Text, LookupError> {
        const INPUT: &str = "standard input";
        let failed =
            |error: std::io::Error| LookupError::Failed { what: INPUT.to_owned(), why: error.to_string() };
        let text = match &self.input {
            _ if self.input_is_left => {
                let why = "(-) has the operations of the queue, and no hosts; name a file".to_owned();
                return Err(LookupError::Failed { what: INPUT.to_owned(), why });
            }
            Some(text) => text.clone(),
            None => without_mark(&stdio::read_all_input().map_err(failed)?),
        };
        self.input = Some(text.clone());
        Ok(Text { place: INPUT.to_owned(), text, ..Text::default() })
    }
}

/// Text without the mark that editors of other systems begin it with.
fn without_mark(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)).into_owned()
}

/// The user's folder of configurations.
fn configuration() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    given.or_else(|| home().map(|home| home.join(".config")))
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}
