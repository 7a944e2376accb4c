use super::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Folders below one that goes away with the test; a path that ends in `/` is an empty folder.
pub(super) struct Disk(TempDir);

impl Disk {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let disk = Self(tempfile::tempdir().expect("a folder"));
        for (path, content) in files {
            disk.write(path, content);
        }
        disk
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.0.path().canonicalize().expect("resolved").join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let full = self.at(path);
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        fs::create_dir_all(self.at(folder)).expect("folders");
        if !file.is_empty() {
            fs::write(full, content).expect("a file");
        }
    }

    pub(super) fn link(&self, target: &str, path: &str) {
        symlink(self.at(target), self.at(path)).expect("a link");
    }

    pub(super) fn zip(&self, name: &str, files: &[(&str, &str)]) {
        let mut writer = ZipWriter::new(fs::File::create(self.at(name)).expect("a file"));
        for (path, content) in files {
            writer.start_file(*path, SimpleFileOptions::default()).expect("an entry");
            writer.write_all(content.as_bytes()).expect("its content");
        }
        writer.finish().expect("a zip file");
    }

    pub(super) fn library(&self, roots: &[&str]) -> Library {
        Library::new(roots.iter().map(|root| self.at(root)).collect()).expect("roots")
    }
}

/// What was found, in a line: its kind, its path below the disk's folder, its source.
fn found(disk: &Disk, library: &Library, name: &str) -> String {
    let short = |path: &Path| path.strip_prefix(disk.at("")).expect("on the disk").display().to_string();
    match library.find(name).expect("readable") {
        Found::Module(module) => {
            assert_eq!(module.name, name);
            format!("{:?} {} {}", module.kind, short(&module.path), String::from_utf8_lossy(&module.source))
        }
        Found::Extension(path) => format!("Extension {}", short(&path)),
        other => format!("{other:?}"),
    }
}

fn listed_names(library: &Library) -> String {
    let names = library.names();
    names.iter().map(|(name, kind)| format!("{name}:{kind:?}")).collect::<Vec<_>>().join(" ")
}

const TREE: &[(&str, &str)] = &[
    ("pkg/__init__.py", "p"),
    ("pkg/sub.py", "s"),
    ("pkg/deep/__init__.py", "d"),
    ("pkg/space/inner.py", "i"),
    ("one.py", "1"),
    ("space/a.py", "a"),
];

fn folder_and_zip() -> Disk {
    let disk = Disk::new(&[]);
    for (path, content) in TREE {
        disk.write(&format!("root/{path}"), content);
    }
    disk.zip("lib.whl", TREE);
    disk
}

#[test]
fn modules_packages_and_namespaces_are_found_in_folders_and_zip_files() {
    let disk = folder_and_zip();
    for root in ["root", "lib.whl"] {
        let library = disk.library(&[root]);
        for (name, expected) in [
            ("one", "Module ROOT/one.py 1"),
            ("pkg", "Package ROOT/pkg/__init__.py p"),
            ("pkg.sub", "Module ROOT/pkg/sub.py s"),
            ("pkg.deep", "Package ROOT/pkg/deep/__init__.py d"),
            ("pkg.space", "Namespace ROOT/pkg/space "),
            ("pkg.space.inner", "Module ROOT/pkg/space/inner.py i"),
            ("space.a", "Module ROOT/space/a.py a"),
            ("nope", "Missing"),
            ("pkg.nope", "Missing"),
            ("pkg.sub.nope", "Missing"),
            ("nope.sub", "Missing"),
        ] {
            assert_eq!(found(&disk, &library, name), expected.replace("ROOT", root), "{name}");
        }
        assert_eq!(listed_names(&library), "one:Module pkg:Package space:Namespace");
    }
}

#[test]
fn the_first_root_wins_but_not_with_a_namespace() {
    let disk = Disk::new(&[
        ("a/both.py", "a"),
        ("b/both.py", "b"),
        ("a/folder/x.py", "x"),
        ("b/folder/__init__.py", ""),
        ("a/shared/x.py", ""),
        ("b/shared/y.py", "y"),
        ("b/beside/z.py", ""),
        ("b/beside.py", ""),
        ("a/whole/__init__.py", ""),
        ("b/whole/part.py", ""),
    ]);
    let library = disk.library(&["a", "b"]);
    for (name, expected) in [
        ("both", "Module a/both.py a"),
        ("folder", "Package b/folder/__init__.py "),
        ("folder.x", "Missing"),
        ("shared", "Namespace a/shared "),
        ("shared.y", "Module b/shared/y.py y"),
        ("beside", "Module b/beside.py "),
        ("whole.part", "Missing"),
    ] {
        assert_eq!(found(&disk, &library, name), expected, "{name}");
    }
}

#[test]
fn nothing_outside_of_a_root_is_served() {
    let disk = Disk::new(&[
        ("secret.py", "key"),
        ("far/__init__.py", ""),
        ("far/x.py", ""),
        ("data/x.txt", "key"),
        ("root/pkg/__init__.py", ""),
        ("root/pkg/real.py", "r"),
    ]);
    disk.link("secret.py", "root/link.py");
    disk.link("far", "root/away");
    disk.link("data", "root/files");
    disk.link("far/__init__.py", "root/pkg/far.py");
    disk.link("root/pkg/real.py", "root/pkg/alias.py");
    disk.link("data/x.txt", "root/pkg/x.txt");
    disk.link("root/loop", "root/loop");
    let library = disk.library(&["root"]);
    for name in
        ["..secret", "../secret", "/etc/passwd", "pkg/real", "", ".", "pkg.", "link", "away", "away.x"]
    {
        assert_eq!(library.find(name).expect("no error"), Found::Refused, "{name}");
    }
    assert_eq!(library.find("pkg.far").expect("no error"), Found::Refused);
    assert_eq!(found(&disk, &library, "pkg.alias"), "Module root/pkg/alias.py r");
    assert_eq!(library.find("os").expect("no error"), Found::Missing);
    assert_eq!(listed_names(&library), "away:Module link:Module pkg:Package");
    for path in ["../../secret.py", "/etc/passwd", "..", "x.txt", "a\0b", "x/../../../secret.py"] {
        assert_eq!(library.data("pkg", path).expect("no error"), Resource::Refused, "{path}");
    }
}

#[test]
fn a_link_into_another_root_does_not_hide_it() {
    let disk = Disk::new(&[("a/", ""), ("b/shared/__init__.py", "s")]);
    disk.link("b/shared", "a/shared");
    let library = disk.library(&["a", "b"]);
    assert_eq!(found(&disk, &library, "shared"), "Package b/shared/__init__.py s");
}

#[test]
fn what_is_only_compiled_is_named() {
    let disk = Disk::new(&[
        ("r/a.so", ""),
        ("r/b.cpython-311-x86_64-linux-gnu.so", ""),
        ("r/c.abi3.so", ""),
        ("r/d.pyd", ""),
        ("r/e.pyc", ""),
        ("r/f/__init__.pyc", ""),
        ("r/g.so", ""),
        ("r/g.py", "source"),
        ("r/h/__init__.py", ""),
        ("r/h/fast.so", ""),
        ("r/i.backup.so", ""),
        ("r/j.so", ""),
        ("r/j/x.py", ""),
    ]);
    let library = disk.library(&["r"]);
    for (name, expected) in [
        ("a", "Extension r/a.so"),
        ("b", "Extension r/b.cpython-311-x86_64-linux-gnu.so"),
        ("c", "Extension r/c.abi3.so"),
        ("d", "Extension r/d.pyd"),
        ("e", "Extension r/e.pyc"),
        ("f", "Extension r/f/__init__.pyc"),
        ("g", "Module r/g.py source"),
        ("h.fast", "Extension r/h/fast.so"),
        ("i", "Missing"),
        ("j", "Extension r/j.so"),
        ("a.b", "Missing"),
    ] {
        assert_eq!(found(&disk, &library, name), expected, "{name}");
    }
    let names: Vec<String> = library.names().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.concat(), "abcdefghj");
}

#[test]
fn a_folder_counts_only_if_it_holds_modules() {
    let disk = Disk::new(&[
        ("r/deep/a/b/c.py", ""),
        ("r/native/x.so", ""),
        ("r/data/table.csv", ""),
        ("r/scripts/my-tool.py", ""),
        ("r/cache/__pycache__/x.pyc", ""),
        ("r/.hidden/x.py", ""),
        ("r/__pycache__/y.pyc", ""),
        ("r/not-a-name/x.py", ""),
        ("r/empty/", ""),
        ("r/json.py", ""),
        ("r/notes.txt", ""),
        ("r/2nd.py", ""),
    ]);
    let library = disk.library(&["r"]);
    assert_eq!(listed_names(&library), "deep:Namespace native:Namespace");
    assert_eq!(library.find("data").expect("no error"), Found::Missing);
    assert_eq!(found(&disk, &library, "deep.a"), "Namespace r/deep/a ");
}

#[test]
fn a_source_that_is_too_large_is_an_error() {
    let disk = Disk::new(&[("r/good.py", "")]);
    let large = fs::File::create(disk.at("r/large.py")).expect("a file");
    large.set_len(MAX_SOURCE_BYTES + 1).expect("a length");
    let library = disk.library(&["r"]);
    assert_eq!(library.find("large").expect_err("too large").kind(), io::ErrorKind::FileTooLarge);
    large.set_len(MAX_SOURCE_BYTES).expect("a length");
    assert!(matches!(library.find("large"), Ok(Found::Module(_))));
}

#[test]
fn a_root_is_a_folder_or_a_zip_file() {
    let disk = Disk::new(&[("text.zip", "no zip"), ("x/", "")]);
    for (root, kind) in [("text.zip", io::ErrorKind::InvalidData), ("nope", io::ErrorKind::NotFound)] {
        let (path, error) = Library::new(vec![disk.at("x"), disk.at(root)]).expect_err("no root");
        assert_eq!((path, error.kind()), (disk.at(root), kind));
    }
}

#[test]
fn data_is_read_below_a_package() {
    let files = [
        ("pkg/__init__.py", ""),
        ("pkg/sub/__init__.py", ""),
        ("pkg/t/page.html", "<p>"),
        ("pkg/t/more/x", ""),
        ("pkg/t.txt", "text"),
        (".env", "key"),
        ("space/m.py", ""),
        ("space/x.bin", "\x7f"),
    ];
    let disk = Disk::new(&[]);
    for (path, content) in files {
        disk.write(&format!("root/{path}"), content);
    }
    disk.zip("root.zip", &files);
    let bytes = |text: &str| Resource::Bytes(text.as_bytes().to_vec());
    let entries = |names: &[&str]| {
        let entry = |name: &&str| (name.trim_end_matches('/').to_owned(), name.ends_with('/'));
        Resource::Entries(names.iter().map(entry).collect())
    };
    for root in ["root", "root.zip"] {
        let library = disk.library(&[root]);
        for (package, path, expected) in [
            ("pkg", "t/page.html", bytes("<p>")),
            ("pkg", "./t//page.html", bytes("<p>")),
            ("pkg", "t", entries(&["more/", "page.html"])),
            ("pkg", "", entries(&["__init__.py", "sub/", "t/", "t.txt"])),
            ("pkg.sub", "../t.txt", bytes("text")),
            ("pkg.sub", "", entries(&["__init__.py"])),
            ("pkg", "../.env", Resource::Refused),
            ("pkg.sub", "../../.env", Resource::Refused),
            ("pkg", "/t.txt", Resource::Refused),
            ("pkg", "nope", Resource::Missing),
            ("pkg", "t.txt/x", Resource::Missing),
            ("space", "x.bin", bytes("\x7f")),
            ("nope", "x", Resource::Missing),
            ("os", "x", Resource::Missing),
            ("../pkg", "x", Resource::Refused),
        ] {
            assert_eq!(library.data(package, path).expect("readable"), expected, "{root} {package} {path}");
        }
    }
}

#[test]
fn data_of_a_namespace_comes_from_all_of_its_folders() {
    let disk = Disk::new(&[
        ("a/space/x.py", ""),
        ("a/space/t/1", "one"),
        ("b/space/y.py", ""),
        ("b/space/t/2", "two"),
    ]);
    let library = disk.library(&["a", "b"]);
    let both = vec![("1".to_owned(), false), ("2".to_owned(), false)];
    assert_eq!(library.data("space", "t").expect("readable"), Resource::Entries(both));
    assert_eq!(library.data("space", "t/2").expect("readable"), Resource::Bytes(b"two".to_vec()));
}

#[test]
fn a_zip_file_serves_no_odd_names_and_says_what_is_wrong() {
    let disk = Disk::new(&[]);
    disk.zip(
        "odd.zip",
        &[("../out.py", ""), ("/abs.py", ""), ("a//b.py", ""), ("x/../y.py", ""), ("ok.py", "k")],
    );
    let library = disk.library(&["odd.zip"]);
    assert_eq!(listed_names(&library), "ok:Module");

    let mut bytes = fs::read(disk.at("odd.zip")).expect("readable");
    let entry = bytes.windows(5).position(|window| window == b"ok.py").expect("the entry");
    bytes[entry + 5] ^= 0x10;
    fs::write(disk.at("broken.zip"), &bytes).expect("a file");
    assert!(disk.library(&["broken.zip"]).find("ok").is_err());

    disk.zip("odd.zip", &[("other.py", "longer than it was")]);
    let error = library.find("ok").expect_err("the file was rewritten");
    assert!(error.to_string().contains("has changed"), "{error}");
}

#[test]
fn an_encrypted_or_unknown_entry_is_an_error_that_says_so() {
    let disk = Disk::new(&[]);
    disk.zip("plain.zip", &[("a.py", "x = 1\n")]);
    let plain = fs::read(disk.at("plain.zip")).expect("readable");
    let central = plain.windows(4).rposition(|window| window == b"PK\x01\x02").expect("a directory");
    for (offset, value, words) in [(8, 1, "Password required"), (10, 12, "compression method")] {
        let mut bytes = plain.clone();
        bytes[central + offset] = value;
        fs::write(disk.at("odd.zip"), &bytes).expect("a file");
        let error = disk.library(&["odd.zip"]).find("a").expect_err("unreadable");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn an_entry_that_inflates_to_more_than_it_declares_is_cut_off() {
    let disk = Disk::new(&[]);
    disk.zip("plain.zip", &[("a.py", &"x = 1\n".repeat(10_000))]);
    let mut bytes = fs::read(disk.at("plain.zip")).expect("readable");
    let central = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").expect("a directory");
    bytes[central + 24..central + 28].copy_from_slice(&10u32.to_le_bytes());
    fs::write(disk.at("bomb.zip"), &bytes).expect("a file");
    let error = disk.library(&["bomb.zip"]).find("a").expect_err("too much");
    assert!(error.to_string().contains("larger than its declared"), "{error}");
}

#[test]
fn the_standard_library_is_known_for_all_versions() {
    for name in ["time", "os", "json", "urllib2", "tomllib", "imp", "distutils"] {
        assert!(is_stdlib(name), "{name}");
    }
    assert!(!is_stdlib("yaml"));
}
