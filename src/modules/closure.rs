//! What a module imports, and all that those import, as far as the roots hold it: what is sent ahead.

use super::scan::{Import, imports};
use super::search::{Located, Search, top};
use super::{Found, Kind, Library, MAX_SOURCE_BYTES, Module, is_stdlib};
use std::collections::{BTreeSet, HashSet, VecDeque};

/// No longer name fits a request.
const MAX_NAME_BYTES: usize = 255;

/// How much a closure may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of source.
    pub bytes: usize,
    pub modules: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// Parents before children, nearest first.
    pub modules: Vec<Module>,
    /// The top-level names of the standard library that those import.
    pub stdlib: BTreeSet<String>,
}

/// Walks over imports, breadth first.
pub(super) struct Walk<'a> {
    library: &'a Library,
    search: Search<'a>,
    known: &'a HashSet<String>,
    seen: HashSet<String>,
    queue: VecDeque<String>,
    bytes_left: usize,
    closure: Closure,
}

impl<'a> Walk<'a> {
    pub(super) fn new(library: &'a Library, known: &'a HashSet<String>) -> Self {
        Self {
            library,
            search: Search::new(&library.roots),
            known,
            seen: HashSet::new(),
            queue: VecDeque::new(),
            bytes_left: 0,
            closure: Closure::default(),
        }
    }

    pub(super) fn of_module(mut self, name: &str, limit: Limit) -> Closure {
        self.want(name);
        self.run(limit)
    }

    pub(super) fn of_script(mut self, source: &[u8], limit: Limit) -> Closure {
        self.follow_imports("", source);
        self.run(limit)
    }

    fn run(mut self, limit: Limit) -> Closure {
        self.bytes_left = limit.bytes;
        while self.closure.modules.len() < limit.modules {
            let Some(name) = self.queue.pop_front() else { break };
            if let Some(module) = self.take(&name) {
                self.follow(&module);
                self.bytes_left = self.bytes_left.saturating_sub(module.source.len());
                self.closure.modules.push(module);
            }
        }
        self.closure
    }

    /// Queues a module behind its parents.
    fn want(&mut self, name: &str) {
        if name.len() > MAX_NAME_BYTES {
            return;
        }
        for (end, _) in name.match_indices('.').chain([(name.len(), "")]) {
            let name = &name[..end];
            if !self.known.contains(name) && self.seen.insert(name.to_owned()) {
                self.queue.push_back(name.to_owned());
            }
        }
    }

    /// What cannot be read, or is too large for what is left, is sent when it is asked for; so are
    /// errors.
    fn take(&mut self, name: &str) -> Option<Module> {
        let located = self.search.locate(name).ok()?;
        let limit = MAX_SOURCE_BYTES.min(u64::try_from(self.bytes_left).unwrap_or(u64::MAX));
        match self.library.load(name, &located, limit).ok()? {
            Found::Module(module) => Some(module),
            Found::Extension(_) | Found::Missing | Found::Refused => None,
        }
    }

    fn follow(&mut self, module: &Module) {
        let package = match module.kind {
            Kind::Package | Kind::Namespace => &module.name,
            Kind::Module => module.name.rsplit_once('.').map_or("", |(package, _)| package),
        };
        self.follow_imports(package, &module.source);
    }

    fn follow_imports(&mut self, package: &str, source: &[u8]) {
        for import in imports(source) {
            let Some(name) = self.resolve(&import, package) else { continue };
            self.want(&name);
            if self.held(&name).portions().is_empty() {
                continue;
            }
            for part in import.names.iter().filter(|part| *part != "*") {
                self.want(&format!("{name}.{part}"));
            }
        }
    }

    /// The dotted name of what is imported, if it may be in the roots.
    fn resolve(&mut self, import: &Import, package: &str) -> Option<String> {
        if import.level > 0 {
            return relative(import, package);
        }
        let first = top(&import.module);
        if is_stdlib(first) {
            self.closure.stdlib.insert(first.to_owned());
            return None;
        }
        if !matches!(self.held(first), Located::Missing) {
            return Some(import.module.clone());
        }
        // Python 2 looks beside the importing module first.
        let sibling = !package.is_empty() && self.held(&format!("{package}.{first}")).kind().is_some();
        sibling.then(|| format!("{package}.{}", import.module))
    }

    fn held(&mut self, name: &str) -> Located {
        self.search.locate(name).unwrap_or(Located::Missing)
    }
}

fn relative(import: &Import, package: &str) -> Option<String> {
    let mut base = package;
    for _ in 1..import.level {
        base = base.rsplit_once('.')?.0;
    }
    match (base, import.module.as_str()) {
        ("", _) => None,
        (base, "") => Some(base.to_owned()),
        (base, module) => Some(format!("{base}.{module}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Disk;
    use super::*;

    const ALL: Limit = Limit { bytes: usize::MAX, modules: usize::MAX };

    fn names(closure: &Closure) -> String {
        closure.modules.iter().map(|module| module.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn closure(files: &[(&str, &str)], name: &str) -> Closure {
        Disk::new(files).library(&["r"]).closure(name, &HashSet::new(), ALL)
    }

    #[test]
    fn all_that_a_module_imports_comes_with_it_nearest_first() {
        let closure = closure(
            &[
                ("r/app/__init__.py", "import logging\n"),
                (
                    "r/app/main.py",
                    "from . import tools, VERSION\nfrom .deep.far import thing\nimport numpy\n",
                ),
                ("r/app/tools.py", "import os, app.main, helper\n"),
                ("r/app/deep/__init__.py", ""),
                ("r/app/deep/far.py", "from ..other import (x)\nfrom ... import nothing\nfrom .... import y"),
                ("r/app/other.py", "importlib.import_module('.late', __package__)"),
                ("r/app/late.py", "syntax error here\nimport space.inner"),
                ("r/space/inner.py", "import native"),
                ("r/native.so", ""),
                ("r/helper.py", ""),
                ("r/unused.py", ""),
            ],
            "app.main",
        );
        assert_eq!(
            names(&closure),
            "app app.main app.tools app.deep app.deep.far helper app.other app.late space space.inner"
        );
        assert_eq!(closure.stdlib.iter().cloned().collect::<Vec<_>>(), ["logging", "os"]);
    }

    #[test]
    fn python_2_imports_siblings_unless_the_roots_have_the_name() {
        let closure = closure(
            &[
                ("r/p/__init__.py", "import first.x"),
                ("r/p/first/__init__.py", ""),
                ("r/p/first/x.py", "import both, nowhere"),
                ("r/p/first/both.py", ""),
                ("r/both.py", ""),
            ],
            "p",
        );
        assert_eq!(names(&closure), "p p.first p.first.x both");
    }

    #[test]
    fn what_is_known_is_left_out_with_what_only_it_imports() {
        let disk = Disk::new(&[
            ("r/p/__init__.py", "import behind"),
            ("r/p/a.py", "import shared, p.b"),
            ("r/p/b.py", ""),
            ("r/behind.py", ""),
            ("r/shared.py", ""),
        ]);
        let known = HashSet::from(["p".to_owned(), "p.b".to_owned()]);
        assert_eq!(names(&disk.library(&["r"]).closure("p.a", &known, ALL)), "p.a shared");
    }

    #[test]
    fn a_closure_keeps_to_its_limit() {
        let disk = Disk::new(&[
            ("r/a.py", "import large, b, c"),
            ("r/large.py", &"#".repeat(1000)),
            ("r/b.py", "pass"),
            ("r/c.py", ""),
        ]);
        let library = disk.library(&["r"]);
        for (bytes, modules, expected) in [
            (usize::MAX, 10, "a large b c"),
            (usize::MAX, 2, "a large"),
            (100, 10, "a b c"),
            (22, 10, "a b c"),
            (21, 10, "a c"),
            (17, 10, ""),
            (0, 0, ""),
        ] {
            let closure = library.closure("a", &HashSet::new(), Limit { bytes, modules });
            assert_eq!(names(&closure), expected, "{bytes} {modules}");
        }
    }

    #[test]
    fn names_that_are_not_served_have_no_closure() {
        for name in ["os", "nope", "../x", ""] {
            assert_eq!(closure(&[("r/a.py", "")], name), Closure::default());
        }
    }
}
