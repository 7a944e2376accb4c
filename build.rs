//! Joins, strips and compresses the agent's Python (bootstrap/) for `src/payload.rs`.

use std::num::NonZeroU64;
use std::{env, fs, path::Path};

#[path = "src/payload/strip.rs"]
mod strip;

/// The core's files in the order in which they build on each other.
const CORE: [&str; 6] = ["compat", "frame", "value", "stream", "call", "loop"];

/// Every byte of the core is sent on every start; compressing it takes place once.
const ITERATIONS: NonZeroU64 = NonZeroU64::new(200).unwrap();

fn main() {
    println!("cargo::rerun-if-changed=bootstrap");
    println!("cargo::rerun-if-changed=src/payload/strip.rs");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let (bootstrap, out) = (Path::new(&root).join("bootstrap"), Path::new(&out));
    let core: String = CORE.iter().map(|name| read(&bootstrap.join(format!("core/{name}.py")))).collect();
    emit(out, "core", &core);
    let mut parts: Vec<_> = fs::read_dir(bootstrap.join("parts"))
        .expect("bootstrap/parts can be listed")
        .map(|entry| entry.expect("an entry of bootstrap/parts").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    parts.sort();
    let mut table = String::from("&[\n");
    for path in &parts {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a part's name is plain text");
        emit(out, name, &read(path));
        table += &format!(
            "Part {{ name: {name:?}, packed: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.z\")), text: include_str!(concat!(env!(\"OUT_DIR\"), \"/{name}.py\")) }},\n"
        );
    }
    write(&out.join("parts.rs"), (table + "]").as_bytes());
}

fn read(path: &Path) -> String {
    strip::strip(&fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn emit(out: &Path, name: &str, text: &str) {
    let mut packed = Vec::new();
    let options = zopfli::Options { iteration_count: ITERATIONS, ..zopfli::Options::default() };
    zopfli::compress(options, zopfli::Format::Deflate, text.as_bytes(), &mut packed)
        .expect("memory takes all that is written");
    write(&out.join(format!("{name}.py")), text.as_bytes());
    write(&out.join(format!("{name}.z")), &packed);
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
