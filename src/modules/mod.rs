//! Modules of the user's roots, for contexts that import them. Nothing else is ever served: not the
//! standard library, not a file outside of a root, whatever links and names say.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const STDLIB: &str = include_str!("stdlib.txt");
/// A source larger than this is data.
const MAX_SOURCE_BYTES: u64 = 16 * 1024 * 1024;

/// Whether some Python, from 2.4 to 3.14, has a top-level module of that name.
pub fn is_stdlib(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| STDLIB.lines().collect());
    NAMES.contains(name)
}

/// A module as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub name: String,
    pub package: bool,
    /// Where it is here: what tracebacks show.
    pub path: PathBuf,
    pub source: Vec<u8>,
}

/// The folders whose modules remote code may import.
#[derive(Clone, Debug, Default)]
pub struct Library {
    roots: Vec<PathBuf>,
}

impl Library {
    /// # Errors
    ///
    /// The root that is no folder, and why.
    pub fn new(roots: Vec<PathBuf>) -> Result<Self, (PathBuf, io::Error)> {
        let resolve = |root: PathBuf| match root.canonicalize() {
            Ok(path) if path.is_dir() => Ok(path),
            Ok(_) => Err((root, io::ErrorKind::NotADirectory.into())),
            Err(error) => Err((root, error)),
        };
        Ok(Self { roots: roots.into_iter().map(resolve).collect::<Result<_, _>>()? })
    }

    /// Returns the module of that dotted name, from the first root that has it.
    ///
    /// # Errors
    ///
    /// When it is there but cannot be read.
    pub fn find(&self, name: &str) -> io::Result<Option<Module>> {
        let parts: Vec<&str> = name.split('.').collect();
        if !parts.iter().all(|part| is_identifier(part)) || is_stdlib(parts[0]) {
            return Ok(None);
        }
        let relative: PathBuf = parts.iter().collect();
        for root in &self.roots {
            for (package, path) in [
                (true, root.join(&relative).join("__init__.py")),
                (false, root.join(relative.with_extension("py"))),
            ] {
                let Ok(resolved) = path.canonicalize() else { continue };
                let metadata = resolved.metadata()?;
                if resolved.starts_with(root) && metadata.is_file() && metadata.len() <= MAX_SOURCE_BYTES {
                    let source = std::fs::read(&resolved)?;
                    return Ok(Some(Module { name: name.to_owned(), package, path, source }));
                }
            }
        }
        Ok(None)
    }

    /// The top-level names that the roots hold: all others need no request.
    pub fn names(&self) -> Vec<String> {
        let entries = self.roots.iter().filter_map(|root| root.read_dir().ok()).flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| top_level_name(&entry.path()))
            .filter(|name| !is_stdlib(name))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn top_level_name(path: &Path) -> Option<String> {
    let name = if path.is_dir() {
        path.join("__init__.py").is_file().then(|| path.file_name())?
    } else {
        path.extension().is_some_and(|extension| extension == "py").then(|| path.file_stem())?
    };
    name?.to_str().filter(|name| is_identifier(name)).map(str::to_owned)
}

/// A name that Python could import; no separator, no dot, so a path made of them stays in its root.
fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn library() -> (tempfile::TempDir, Library) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("pkg")).expect("folders");
        fs::write(root.join("pkg/__init__.py"), "").expect("a package");
        fs::write(root.join("pkg/sub.py"), "x = 1\n").expect("a module");
        fs::write(root.join("one.py"), "").expect("a module");
        fs::write(folder.path().join("secret.py"), "key = 1\n").expect("a file outside");
        let library = Library::new(vec![root]).expect("a root");
        (folder, library)
    }

    #[test]
    fn modules_and_packages_are_found() {
        let (_folder, library) = library();
        let module = library.find("pkg.sub").expect("readable").expect("there");
        assert_eq!((module.package, module.source.as_slice()), (false, &b"x = 1\n"[..]));
        assert!(library.find("pkg").expect("readable").expect("there").package);
        assert_eq!(library.find("nope").expect("no error"), None);
        assert_eq!(library.names(), ["one", "pkg"]);
    }

    #[test]
    fn nothing_outside_of_a_root_is_served() {
        let (folder, library) = library();
        std::os::unix::fs::symlink(folder.path().join("secret.py"), folder.path().join("root/link.py"))
            .expect("a link");
        for name in ["..secret", "../secret", "/etc/passwd", "pkg/sub", "", ".", "link"] {
            assert_eq!(library.find(name).expect("no error"), None, "{name}");
        }
    }

    #[test]
    fn the_standard_library_is_known_for_all_versions() {
        for name in ["time", "os", "json", "urllib2", "tomllib", "imp", "distutils"] {
            assert!(is_stdlib(name), "{name}");
        }
        assert!(!is_stdlib("yaml"));
    }
}
