//! Modules of the user's roots, for contexts that import them. Nothing else is ever served: not the
//! standard library, not a file outside of a root, whatever links and names say. Nothing is remembered
//! between two questions: users edit their modules while a session lasts.

mod archive;
mod closure;
mod root;
mod scan;
mod search;

pub use closure::{Closure, Limit};

use closure::Walk;
use root::{Place, Root, below};
use scan::is_identifier;
use search::{Located, Search, module_stem};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The Python package `hopvine`, as a zip file: for scripts here, and for what they call elsewhere.
pub const PACKAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hopvine.zip"));
const PACKAGE_NAME: &str = "hopvine.zip";

const STDLIB: &str = include_str!("stdlib.txt");
/// A source larger than this is data.
const MAX_SOURCE_BYTES: u64 = 16 * 1024 * 1024;

/// A data file is sent as one value.
const MAX_DATA_BYTES: u64 = 512 * 1024 * 1024;

/// Whether some Python, from 2.4 to 3.14, has a top-level module of that name.
pub fn is_stdlib(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| STDLIB.lines().collect());
    NAMES.contains(name)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Module,
    Package,
    /// A folder without `__init__.py` (PEP 420).
    Namespace,
}

/// A module as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub name: String,
    pub kind: Kind,
    /// Where it is here: what tracebacks show. In a zip file, as if that were a folder; of a namespace
    /// package, its first folder.
    pub path: PathBuf,
    /// Empty for a namespace package.
    pub source: Vec<u8>,
}

/// What the roots have under a dotted name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Module(Module),
    /// Only a C extension or bytecode, which are not sent.
    Extension(PathBuf),
    Missing,
    /// No name of a module, or a link that leads out of its root.
    Refused,
}

/// What the roots have under a path of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Bytes(Vec<u8>),
    /// The names in a folder, in order, and whether each is a folder.
    Entries(Vec<(String, bool)>),
    Missing,
    /// A path, or a link, that leads out.
    Refused,
}

/// The folders and zip files whose modules remote code may import.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// The last of them is [`PACKAGE`], where that is served.
    roots: Vec<Root>,
    package: Serving,
}

/// When [`PACKAGE`] is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serving {
    #[default]
    Never,
    /// With other modules: what is installed there knows nothing of us.
    Beside,
    /// A script has imported it: so may what that calls.
    Always,
}

impl Library {
    /// # Errors
    ///
    /// The root that is neither a folder nor a zip file, and why.
    pub fn new(roots: Vec<PathBuf>) -> Result<Self, (PathBuf, io::Error)> {
        let open = |path: PathBuf| Root::open(&path).map_err(|error| (path, error));
        Ok(Self { roots: roots.into_iter().map(open).collect::<Result<_, _>>()?, package: Serving::Never })
    }

    /// The same with [`PACKAGE`] behind the others.
    #[must_use]
    pub fn with_package(mut self, package: Serving) -> Self {
        if let Ok(root) = Root::embedded(PACKAGE_NAME, PACKAGE) {
            self.roots.push(root);
            self.package = package;
        }
        self
    }

    /// One more root, behind the others; returns whether it is new.
    ///
    /// # Errors
    ///
    /// When it is neither a folder nor a zip file.
    pub fn add(&mut self, path: &Path) -> io::Result<bool> {
        let root = Root::open(path)?;
        let new = self.roots.iter().all(|known| known.path("") != root.path(""));
        if new {
            self.roots.insert(self.roots.len() - usize::from(self.package != Serving::Never), root);
        }
        Ok(new)
    }

    /// Returns the module of that dotted name, from the first root that has it; a namespace package only
    /// if no root has a module or package of that name.
    ///
    /// # Errors
    ///
    /// When it is there but cannot be read, or is too large.
    pub fn find(&self, name: &str) -> io::Result<Found> {
        let located = Search::new(&self.roots).locate(name)?;
        self.load(name, &located, MAX_SOURCE_BYTES)
    }

    /// The top-level names that the roots hold, in order: all others need no request. Those that
    /// [`Library::find`] refuses, or has only compiled, are among them, so that their import can say why.
    pub fn names(&self) -> Vec<(String, Kind)> {
        let mut names = Vec::new();
        if self.package == Serving::Beside && self.roots.len() == 1 {
            return names;
        }
        let mut search = Search::new(&self.roots);
        for name in self.roots.iter().flat_map(top_level_names).collect::<BTreeSet<String>>() {
            match search.locate(&name) {
                Ok(Located::Missing) | Err(_) => {}
                Ok(located) => names.push((name, located.kind().unwrap_or(Kind::Module))),
            }
        }
        names
    }

    /// The module of that dotted name, its parents, and what they import statically, as far as the roots
    /// hold it and the limit allows. What is known is left out, and not looked through; what is too large
    /// for the rest of the limit, or cannot be read, is left out too.
    pub fn closure(&self, name: &str, known: &HashSet<String>, limit: Limit) -> Closure {
        Walk::new(self, known).of_module(name, limit)
    }

    /// The same for what a script imports, which is no module itself.
    pub fn closure_of_script(&self, source: &[u8], known: &HashSet<String>, limit: Limit) -> Closure {
        Walk::new(self, known).of_script(source, limit)
    }

    /// Returns a file or folder by its path in the folder of a package, `""` for that itself. `..` may
    /// lead up to the folder of the top-level package. Folders of a namespace package are merged.
    ///
    /// # Errors
    ///
    /// When it is there but cannot be read.
    pub fn data(&self, package: &str, path: &str) -> io::Result<Resource> {
        let located = Search::new(&self.roots).locate(package)?;
        let mut refused = matches!(located, Located::Refused);
        let mut entries: Option<BTreeMap<String, bool>> = None;
        for portion in located.portions() {
            let Some(path) = within(&portion.folder, path) else { return Ok(Resource::Refused) };
            let root = &self.roots[portion.root];
            match root.place_from_top(&path)? {
                Place::File => return root.read(&path, MAX_DATA_BYTES).map(Resource::Bytes),
                Place::Folder => entries.get_or_insert_default().extend(listed(root, &path)?),
                Place::Missing => {}
                Place::Outside => refused = true,
            }
        }
        Ok(match entries {
            Some(entries) => Resource::Entries(entries.into_iter().collect()),
            None if refused => Resource::Refused,
            None => Resource::Missing,
        })
    }

    fn load(&self, name: &str, located: &Located, limit: u64) -> io::Result<Found> {
        let read = |root: &Root, file: &str| Ok::<_, io::Error>((root.path(file), root.read(file, limit)?));
        let (kind, (path, source)) = match located {
            Located::Module { root, file } => (Kind::Module, read(&self.roots[*root], file)?),
            Located::Package { portion, file } => (Kind::Package, read(&self.roots[portion.root], file)?),
            Located::Namespace(portions) => {
                let first = portions.first().map(|portion| self.roots[portion.root].path(&portion.folder));
                (Kind::Namespace, (first.unwrap_or_default(), Vec::new()))
            }
            Located::Extension(path) => return Ok(Found::Extension(path.clone())),
            Located::Missing => return Ok(Found::Missing),
            Located::Refused => return Ok(Found::Refused),
        };
        Ok(Found::Module(Module { name: name.to_owned(), kind, path, source }))
    }
}

/// What may be modules at the top of a root, by their names.
fn top_level_names(root: &Root) -> Vec<String> {
    let name = |(entry, place): (String, Place)| {
        let stem = module_stem(&entry).map(str::to_owned);
        match place {
            Place::File => stem,
            Place::Folder => Some(entry),
            // A link to a package is refused when it is asked for; one to other folders hides nothing.
            Place::Outside => {
                stem.or_else(|| root.path(&below(&entry, "__init__.py")).is_file().then_some(entry))
            }
            Place::Missing => None,
        }
    };
    let entries = root.entries("", usize::MAX).unwrap_or_default();
    let names = entries.into_iter().filter_map(name);
    names.filter(|name| is_identifier(name) && name != "__pycache__" && name != "__init__").collect()
}

/// The names in a folder, and whether each is a folder; without links that lead out.
fn listed(root: &Root, folder: &str) -> io::Result<Vec<(String, bool)>> {
    let entries = root.entries(folder, usize::MAX)?.into_iter();
    let seen = entries.filter(|(_, place)| matches!(place, Place::File | Place::Folder));
    Ok(seen.map(|(name, place)| (name, place == Place::Folder)).collect())
}

/// The path in its root of a path in a package's folder; none where that leads out of the folder of the
/// top-level package, beside which the user keeps what is nobody's data.
fn within(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.len() > 1 => {
                parts.pop();
            }
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
