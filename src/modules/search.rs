//! Where the roots have a module, as Python's own finders would say, but for one thing: a source wins
//! over a C extension beside it, which cannot be sent.

use super::root::{Place, Root, below};
use super::scan::is_identifier;
use super::{Kind, is_stdlib};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;

/// How many entries are looked at to learn whether a folder without `__init__.py` has modules.
const WALKED_ENTRIES: usize = 4096;

/// A folder of a root.
#[derive(Clone, Debug)]
pub(super) struct Portion {
    pub(super) root: usize,
    pub(super) folder: String,
}

#[derive(Clone, Debug)]
pub(super) enum Located {
    Module { root: usize, file: String },
    Package { portion: Portion, file: String },
    Namespace(Vec<Portion>),
    Extension(PathBuf),
    Missing,
    Refused,
}

/// One question, or several at once: it remembers what it saw, and must not outlive the answer, since
/// users edit their modules while a session lasts.
#[derive(Debug)]
pub(super) struct Search<'a> {
    roots: &'a [Root],
    located: HashMap<String, Located>,
    /// The names of files that are no source, by their folder.
    extensions: HashMap<PathBuf, Vec<String>>,
}

impl Located {
    /// The folders that its modules are in; none if it is no package.
    pub(super) fn portions(&self) -> &[Portion] {
        match self {
            Self::Package { portion, .. } => std::slice::from_ref(portion),
            Self::Namespace(portions) => portions,
            Self::Module { .. } | Self::Extension(_) | Self::Missing | Self::Refused => &[],
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Module { .. } => Some(Kind::Module),
            Self::Package { .. } => Some(Kind::Package),
            Self::Namespace(_) => Some(Kind::Namespace),
            Self::Extension(_) | Self::Missing | Self::Refused => None,
        }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(roots: &'a [Root]) -> Self {
        Self { roots, located: HashMap::new(), extensions: HashMap::new() }
    }

    /// Where the module of that dotted name is.
    pub(super) fn locate(&mut self, name: &str) -> io::Result<Located> {
        if !name.split('.').all(is_identifier) {
            return Ok(Located::Refused);
        }
        if is_stdlib(top(name)) {
            return Ok(Located::Missing);
        }
        let tops = (0..self.roots.len()).map(|root| Portion { root, folder: String::new() });
        let mut found = Located::Namespace(tops.collect());
        for (end, _) in name.match_indices('.').chain([(name.len(), "")]) {
            if found.portions().is_empty() {
                return Ok(if matches!(found, Located::Refused) { found } else { Located::Missing });
            }
            found = self.step(found.portions(), &name[..end])?;
        }
        match found {
            Located::Namespace(portions) if top(name) == name && !self.holds_modules(&portions) => {
                Ok(Located::Missing)
            }
            found => Ok(found),
        }
    }

    /// The module of that dotted name, in the folders of its package.
    fn step(&mut self, portions: &[Portion], name: &str) -> io::Result<Located> {
        if let Some(found) = self.located.get(name) {
            return Ok(found.clone());
        }
        let part = name.rsplit('.').next().unwrap_or(name);
        let (mut folders, mut refused) = (Vec::new(), false);
        let mut best = None;
        for portion in portions {
            match self.look(portion, part)? {
                Located::Missing => {}
                Located::Refused => refused = true,
                Located::Namespace(found) => folders.extend(found),
                found @ (Located::Module { .. } | Located::Package { .. } | Located::Extension(_)) => {
                    best = Some(found);
                    break;
                }
            }
        }
        let found = match best {
            Some(found) => found,
            None if !folders.is_empty() => Located::Namespace(folders),
            None if refused => Located::Refused,
            None => Located::Missing,
        };
        self.located.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// What one folder has under a name.
    fn look(&mut self, portion: &Portion, part: &str) -> io::Result<Located> {
        let (index, root) = (portion.root, &self.roots[portion.root]);
        let folder = below(&portion.folder, part);
        let place = root.place(&folder)?;
        if place == Place::Folder {
            let file = below(&folder, "__init__.py");
            match root.place(&file)? {
                Place::File => {
                    return Ok(Located::Package { portion: Portion { root: index, folder }, file });
                }
                Place::Outside => return Ok(Located::Refused),
                Place::Folder | Place::Missing => {}
            }
            if let Some(path) = self.extension(root, &folder, "__init__") {
                return Ok(Located::Extension(path));
            }
        }
        let file = format!("{folder}.py");
        match root.place(&file)? {
            Place::File => return Ok(Located::Module { root: index, file }),
            Place::Outside => return Ok(Located::Refused),
            Place::Folder | Place::Missing => {}
        }
        if let Some(path) = self.extension(root, &portion.folder, part) {
            return Ok(Located::Extension(path));
        }
        Ok(match place {
            Place::Folder => Located::Namespace(vec![Portion { root: index, folder }]),
            Place::Outside => Located::Refused,
            Place::File | Place::Missing => Located::Missing,
        })
    }

    /// The file of a folder that is that module, compiled. A folder that cannot be listed has none.
    fn extension(&mut self, root: &Root, folder: &str, part: &str) -> Option<PathBuf> {
        let path = root.path(folder);
        let names = self.extensions.entry(path).or_insert_with(|| {
            let entries = root.entries(folder, usize::MAX).unwrap_or_default();
            let files = entries.into_iter().filter(|(_, place)| *place == Place::File);
            files.map(|(name, _)| name).filter(|name| extension_stem(name).is_some()).collect()
        });
        let name = names.iter().find(|name| extension_stem(name) == Some(part))?;
        Some(root.path(&below(folder, name)))
    }

    /// Whether a namespace package is one, and not just a folder: breadth first, within limits.
    fn holds_modules(&self, portions: &[Portion]) -> bool {
        let mut folders = VecDeque::from(portions.to_vec());
        let mut left = WALKED_ENTRIES;
        while let Some(portion) = folders.pop_front().filter(|_| left > 0) {
            let entries = self.roots[portion.root].entries(&portion.folder, left).unwrap_or_default();
            left -= entries.len();
            for (name, place) in entries {
                match place {
                    Place::File if module_stem(&name).is_some_and(is_identifier) => return true,
                    Place::Folder if is_identifier(&name) && name != "__pycache__" => {
                        folders
                            .push_back(Portion { root: portion.root, folder: below(&portion.folder, &name) });
                    }
                    Place::File | Place::Folder | Place::Missing | Place::Outside => {}
                }
            }
        }
        false
    }
}

/// The first part of a dotted name.
pub(super) fn top(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// The module that a file of that name is, as a source or compiled.
pub(super) fn module_stem(file: &str) -> Option<&str> {
    file.strip_suffix(".py").or_else(|| extension_stem(file))
}

/// The module that a file of that name is, compiled: `a.so`, `a.abi3.so`, `a.cpython-311-x86_64-linux-gnu.so`,
/// `a.cp311-win_amd64.pyd`, `a.pyc`.
fn extension_stem(file: &str) -> Option<&str> {
    let (stem, suffix) = file.split_once('.')?;
    let (tag, kind) = suffix.rsplit_once('.').unwrap_or(("", suffix));
    let known = match kind {
        "so" | "pyd" => tag.is_empty() || tag.starts_with("abi3") || tag.contains('-'),
        "pyc" | "pyo" => tag.is_empty(),
        _ => false,
    };
    known.then_some(stem)
}
