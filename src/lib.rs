//! Hopvine runs Python functions, commands and more on machines that have nothing installed but a
//! way in and any Python from 2.4 to 3.14.
//!
//! The program is `hopvine`; a Rust program does the same by [`api`]:
//!
//! ```
//! use hopvine::api::{Arguments, Hopvine};
//! use hopvine::controller::Settings;
//! use std::io::Write;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut hopvine = Hopvine::new(Settings::default())?;
//!     let both = [hopvine.open("local:one")?, hopvine.open("local:two")?];
//!
//!     // One call.
//!     let pid = hopvine.call(both[0], "os:getpid", &Arguments::default())?;
//!     assert!(pid.as_int() > Some(1));
//!
//!     // A group: results by name, and what fails on one host fails on no other.
//!     let sums = hopvine.call_all(&both, "operator:add", &Arguments::of([2, 3]))?;
//!     for (name, sum) in sums.iter() {
//!         println!("{name}: {}", sum.as_ref().map_or("failed".into(), |sum| format!("{:?}", sum.as_int())));
//!     }
//!     assert_eq!(sums.successful().filter(|(_, sum)| sum.as_int() == Some(5)).count(), 2);
//!
//!     // A file, to a fresh temporary one on each host; what comes back says where that is.
//!     let mut file = tempfile::NamedTempFile::new()?;
//!     file.write_all(b"brought\n")?;
//!     for (tunnel, (name, put)) in both.into_iter().zip(hopvine.put(&both, file.path(), None)?) {
//!         let path = put?.text_of("remote_path").ok_or("no path")?;
//!         let shown = hopvine.run(tunnel, &format!("cat {path} && rm {path}"))?;
//!         assert_eq!((shown.status, &shown.stdout[..]), (0, &b"brought\n"[..]), "{name}");
//!     }
//!     Ok(hopvine.close_all()?)
//! }
//! ```
//!
//! Read it in this order: [`proto`] (the wire, without I/O), [`link`] and [`mux`] (descriptors meet
//! the wire; the one loop), [`controller`] (contexts and what is asked of them), [`verbs`] (what a
//! command line means). `docs/ARCHITECTURE.md` has the map; the test below holds it.

pub mod api;
pub mod cli;
pub mod controller;
pub mod error;
pub mod fakessh;
pub mod files;
pub mod guests;
pub mod hosts;
pub mod link;
pub mod modules;
pub mod mux;
pub mod payload;
pub mod proto;
pub mod relay;
pub mod report;
pub mod route;
pub mod serve;
pub mod session;

#[allow(unsafe_code, reason = "the one room that may")]
pub mod sys;
pub mod transfers;
pub mod transport;
pub mod verbs;

#[cfg(test)]
mod layers {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Who may import whom. `proto::ids` is open to all; a room may always use itself.
    const EDGES: &[(&str, &[&str])] = &[
        ("cli", &[]),
        ("sys", &[]),
        ("proto", &[]),
        ("hosts", &[]),
        ("transport", &[]),
        ("payload", &[]),
        ("route", &[]),
        ("modules", &[]),
        ("files", &["proto", "sys"]),
        ("error", &["hosts", "proto", "sys"]),
        ("link", &["proto", "sys"]),
        ("mux", &["link", "proto", "route", "sys"]),
        (
            "controller",
            &["error", "hosts", "link", "modules", "mux", "payload", "proto", "route", "sys", "transport"],
        ),
        ("serve", &["files", "mux", "payload", "proto", "sys"]),
        ("relay", &["link", "mux", "payload", "proto", "route", "serve", "sys"]),
        ("transfers", &["controller", "error", "files", "hosts", "proto", "sys"]),
        ("report", &["controller", "error", "hosts", "proto", "sys", "transfers"]),
        (
            "guests",
            &[
                "controller",
                "error",
                "fakessh",
                "files",
                "hosts",
                "link",
                "mux",
                "payload",
                "proto",
                "session",
                "sys",
                "transfers",
            ],
        ),
        ("session", &["controller", "error", "fakessh", "hosts", "mux", "payload", "proto", "sys"]),
        ("fakessh", &["hosts", "proto"]),
        ("api", &["controller", "error", "files", "hosts", "mux", "proto", "sys", "transfers"]),
        (
            "verbs",
            &[
                "cli",
                "controller",
                "error",
                "fakessh",
                "files",
                "guests",
                "hosts",
                "modules",
                "mux",
                "payload",
                "proto",
                "relay",
                "report",
                "session",
                "sys",
                "transfers",
            ],
        ),
        ("main", &["cli", "error", "report", "sys", "verbs"]),
        ("lib", &[]),
    ];

    /// What only one room, or one file, may name.
    const CONFINED: &[(&str, &str)] = &[
        ("clap::", "src/cli/"),
        ("clap_complete::", "src/cli/"),
        ("clap_mangen::", "src/cli/"),
        ("bincode::", "src/proto/message.rs src/proto/message/session.rs"),
        (" nix::", "src/sys/"),
        ("polling::", "src/sys/"),
        ("signal_hook::", "src/sys/"),
        ("unsafe {", "src/sys/"),
        ("io::stdout()", "src/report/ src/sys/"),
        ("io::stderr()", "src/report/ src/sys/"),
    ];

    const MAX_LINES: usize = 500;

    fn sources() -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder of the sources").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let name =
                        path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below the root").to_owned();
                    found.insert(name, fs::read_to_string(&path).expect("readable"));
                }
            }
        }
        found
    }

    fn room(path: &Path) -> String {
        let first = path.iter().nth(1).expect("below src").to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The code of a file without its tests.
    fn code(text: &str) -> &str {
        text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
    }

    #[test]
    fn imports_keep_to_the_layers() {
        let edges: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
        for (path, text) in sources().into_iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
            let from = room(&path);
            let allowed = edges.get(from.as_str()).unwrap_or_else(|| panic!("{from} has no row in EDGES"));
            // What comments show is for whoever reads them.
            let lines = code(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            let text: String = lines.map(|line| format!("{line}\n")).collect();
            for at in ["crate::", "hopvine::"].iter().flat_map(|word| text.split(word).skip(1)) {
                let to: String = at.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = edges.contains_key(to.as_str());
                assert!(
                    !known || to == from || allowed.contains(&to.as_str()) || at.starts_with("proto::ids"),
                    "{} imports {to}",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn what_is_confined_stays_in_its_room() {
        for (path, text) in sources().iter().filter(|(path, _)| !path.ends_with("lib.rs")) {
            for (word, homes) in CONFINED {
                let at_home = homes.split(' ').any(|home| path.starts_with(home.trim_end_matches('/')));
                assert!(at_home || !code(text).contains(word), "{} names {word}", path.display());
            }
        }
    }

    #[test]
    fn files_are_short_and_each_room_has_a_row() {
        let rooms: BTreeSet<String> = sources().keys().map(|path| room(path)).collect();
        let rows: BTreeSet<String> = EDGES.iter().map(|(room, _)| (*room).to_owned()).collect();
        assert_eq!(rooms, rows);
        for (path, text) in sources() {
            assert!(
                text.lines().count() <= MAX_LINES,
                "{} has {} lines",
                path.display(),
                text.lines().count()
            );
        }
    }
}
