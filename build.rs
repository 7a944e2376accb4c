//! Joins, strips and compresses the agent's Python (bootstrap/) for `src/payload.rs`: the core as the
//! beginning of a deflate stream that does not end, each part as one way in which it goes on. And tells
//! the linker how to be brief.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress};
use std::num::NonZeroU64;
use std::process::Command;
use std::{env, fs, path::Path};

#[path = "src/payload/strip.rs"]
mod strip;

/// The core's files in the order in which they build on each other.
const CORE: [&str; 6] = ["compat", "frame", "value", "stream", "call", "loop"];

/// What a script's end of its link has from the agent.
const WIRE: [&str; 4] = ["core/compat.py", "core/frame.py", "core/value.py", "parts/rich.py"];

const WIRE_MODULE: &str = "wire.py";

/// Every byte of the core is sent on every start; compressing it takes place once.
const ITERATIONS: NonZeroU64 = NonZeroU64::new(200).unwrap();

/// Leaves out the tables for unwinding, a tenth of the program; but what the C runtime's own code refers to.
const NO_UNWINDING: &str = "SECTIONS { /DISCARD/ : {
    *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame)
    *(.eh_frame_hdr .gcc_except_table .gcc_except_table.*)
} } INSERT BEFORE .text;
";

fn main() {
    println!("cargo::rerun-if-changed=bootstrap");
    println!("cargo::rerun-if-changed=src/payload/strip.rs");
    // A case that proptest finds becomes a test with a name, and no file in a folder of its own.
    println!("cargo::rustc-env=PROPTEST_DISABLE_FAILURE_PERSISTENCE=1");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let (bootstrap, out) = (Path::new(&root).join("bootstrap"), Path::new(&out));
    if start_code_knows_packed_relocations() {
        link("-z");
        link("pack-relative-relocs");
    }
    if nothing_unwinds() {
        let script = out.join("no-unwinding.ld");
        write(&script, NO_UNWINDING.as_bytes());
        link("--no-eh-frame-hdr");
        link("-T");
        link(&script.display().to_string());
    }
    let core: String = CORE.iter().map(|name| read(&bootstrap.join(format!("core/{name}.py")))).collect();
    let packed_core = open_ended(&core);
    write(&out.join("core.z"), &packed_core);
    let mut parts: Vec<_> = fs::read_dir(bootstrap.join("parts"))
        .expect("bootstrap/parts can be listed")
        .map(|entry| entry.expect("an entry of bootstrap/parts").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    parts.sort();
    let mut build = Crc::new();
    build.update(&packed_core);
    let mut table = String::from("&[\n");
    for path in &parts {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a part's name is plain text");
        let text = read(path);
        let packed = continuation(&core, &packed_core, &text);
        build.update(&packed);
        write(&out.join(format!("{name}.z")), &packed);
        table += &format!(
            "Part {{ name: {name:?}, packed: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.z\")) }},\n"
        );
    }
    let files = package(&bootstrap);
    files.iter().for_each(|(_, text)| build.update(text.as_bytes()));
    let build = format!(
        "{}-{:08x}",
        env::var("CARGO_PKG_VERSION").expect("cargo sets CARGO_PKG_VERSION"),
        build.sum()
    );
    write(&out.join("build"), build.as_bytes());
    write(&out.join("hopvine.zip"), &archive(files, &build));
    write(&out.join("parts.rs"), (table + "]").as_bytes());
}

/// The Python package, with what it shares with the agent as a module of its own.
fn package(bootstrap: &Path) -> Vec<(String, String)> {
    let text =
        |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let shared: String = WIRE.iter().map(|name| text(&bootstrap.join(name))).collect();
    let mut files: Vec<_> = fs::read_dir(bootstrap.join("hopvine"))
        .expect("bootstrap/hopvine can be listed")
        .map(|entry| entry.expect("an entry of bootstrap/hopvine").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .map(|path| {
            (path.file_name().expect("a file has a name").to_string_lossy().into_owned(), text(&path))
        })
        .collect();
    files.push((WIRE_MODULE.to_owned(), shared + "\n\ndef part(name):\n    return globals()[name]\n"));
    files.sort();
    files
}

/// A zip file of the package, which knows what program it belongs to.
fn archive(files: Vec<(String, String)>, build: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_level(Some(9));
    for (name, mut text) in files {
        if name == WIRE_MODULE {
            text += &format!("\n\nBUILD = '{build}'\n");
        }
        archive.start_file(format!("hopvine/{name}"), options).expect("a file of the archive");
        std::io::Write::write_all(&mut archive, text.as_bytes()).expect("memory takes all that is written");
    }
    archive.finish().expect("memory takes all that is written").into_inner()
}

/// Gives the linker of the program a word; a compiler that calls it is told to pass it on.
fn link(word: &str) {
    let linker = env::var("RUSTC_LINKER").unwrap_or_default();
    if !linker.ends_with("lld") {
        println!("cargo::rustc-link-arg-bins=-Xlinker");
    }
    println!("cargo::rustc-link-arg-bins={word}");
}

/// The release aborts when it panics; the standard library's tables come along all the same.
fn nothing_unwinds() -> bool {
    env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|found| found == "musl")
        && env::var("PROFILE").is_ok_and(|profile| profile == "release")
}

/// They are a fiftieth of the size. musl's start code takes them since 1.2.4; Rust brings 1.2.5 since 1.93.
fn start_code_knows_packed_relocations() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let version = env::var("RUSTC").ok().and_then(|rustc| Command::new(rustc).arg("--version").output().ok());
    let version = version.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    is("CARGO_CFG_TARGET_ENV", "musl")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && version.starts_with("rustc 1.")
        && minor.is_some_and(|minor| minor >= 93)
}

fn read(path: &Path) -> String {
    strip::strip(&fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Compresses the core into one block, without the mark of a last block, up to a byte's border.
fn open_ended(core: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    let options = zopfli::Options {
        iteration_count: ITERATIONS,
        maximum_block_splits: 1,
        ..zopfli::Options::default()
    };
    zopfli::compress(options, zopfli::Format::Deflate, core.as_bytes(), &mut packed)
        .expect("memory takes all that is written");
    assert_eq!(packed[0] & 1, 1, "the first block is the last");
    packed[0] &= !1;
    // An empty stored block: three bits, which may fit the last byte's padding, then its length.
    let ends = [&[0, 0, 0xff, 0xff][..], &[0, 0, 0, 0xff, 0xff]];
    let candidates = ends.map(|end| [&packed, end].concat());
    let probe = candidates
        .iter()
        .find(|packed| inflated(packed, &continuation_of(core, "x")) == Some(format!("{core}x")));
    probe.expect("one of both ends is right").clone()
}

fn continuation(core: &str, packed_core: &[u8], text: &str) -> Vec<u8> {
    let packed = continuation_of(core, text);
    assert_eq!(inflated(packed_core, &packed).as_deref(), Some(&*[core, text].concat()));
    packed
}

fn continuation_of(core: &str, text: &str) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    deflate.set_dictionary(core.as_bytes()).expect("a dictionary before the first byte");
    let mut packed = Vec::with_capacity(text.len() + 1024);
    deflate.compress_vec(text.as_bytes(), &mut packed, FlushCompress::Finish).expect("memory is enough");
    packed
}

fn inflated(core: &[u8], continuation: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(1 << 20);
    Decompress::new(false)
        .decompress_vec(&[core, continuation].concat(), &mut text, FlushDecompress::Finish)
        .ok()?;
    String::from_utf8(text).ok()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
