//! Programs in PATH that go by a name of ours, and are not this one.

use super::identity::PROGRAM;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where execvp(3) looks without a PATH.
const USUAL: &str = "/bin:/usr/bin";
/// A script that starts us names us, and early.
const MAX_SCRIPT_BYTES: u64 = 4096;
const OUR_NAME: &[u8] = b"hopvine";
/// Holds the number of the process that became another program.
const HANDED_ON: &str = "HOPVINE_HANDED_ON";

/// The first program of that name in PATH that is not this one: no link to it, no copy of it and no
/// script that starts it. Folders that are not absolute are passed over: they may be anybody's.
pub fn another(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| USUAL.into());
    let candidates = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let ourselves = fs::metadata(PROGRAM).ok();
    candidates.map(|folder| folder.join(name)).find(|file| {
        nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok()
            && fs::metadata(file).is_ok_and(|found| found.is_file())
            && !is_ours(file, ourselves.as_ref()).unwrap_or_default()
    })
}

/// Goes on as that program, called `name`. Returns why that is not possible; ELOOP: it was this one again.
pub fn hand_on(program: &Path, name: &str, words: &[OsString]) -> io::Error {
    let number = std::process::id().to_string();
    if std::env::var_os(HANDED_ON).is_some_and(|before| before == *number) {
        return io::Error::from(nix::errno::Errno::ELOOP);
    }
    Command::new(program).arg0(name).args(words).env(HANDED_ON, number).exec()
}

/// Whether a file would start this program.
fn is_ours(file: &Path, ourselves: Option<&fs::Metadata>) -> io::Result<bool> {
    let found = fs::metadata(file)?;
    if ourselves.is_some_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino())) {
        return Ok(true);
    }
    if ourselves.is_some_and(|own| own.len() == found.len()) {
        return Ok(fs::read(file)? == fs::read(PROGRAM)?);
    }
    let mut begins = Vec::new();
    File::open(file)?.take(MAX_SCRIPT_BYTES).read_to_end(&mut begins)?;
    Ok(begins.starts_with(b"#!") && begins.split(|byte| !is_of_path(*byte)).any(names_us))
}

/// Whether a word of a script is this program's name, with or without folders: not one that it is only a part of.
fn names_us(word: &[u8]) -> bool {
    word.rsplit(|byte| *byte == b'/').next() == Some(OUR_NAME)
}

fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._-+@%,~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn program(folder: &Path, name: &str, text: &[u8]) -> PathBuf {
        let file = folder.join(name);
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("executable");
        file
    }

    #[test]
    fn links_copies_and_scripts_of_ours_are_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = fs::metadata(PROGRAM).expect("this program");
        let ours = |file: &Path| is_ours(file, Some(&own)).expect("readable");
        let real = std::env::current_exe().expect("this program");
        symlink(&real, folder.path().join("link")).expect("linked");
        fs::copy(&real, folder.path().join("copy")).expect("copied");
        assert!(ours(&folder.path().join("link")) && ours(&folder.path().join("copy")));
        assert!(ours(&program(folder.path(), "script", b"#!/bin/sh\nexec /opt/hopvine ssh \"$@\"\n")));
        assert!(!ours(&program(folder.path(), "other", b"#!/bin/sh\nexec /usr/bin/ssh \"$@\"\n")));
        let beside =
            b"#!/bin/sh\nexec /usr/bin/ssh -F /home/me/hopvine/ssh_config -E /tmp/hopvine-log \"$@\"\n";
        assert!(!ours(&program(folder.path(), "beside", beside)));
    }
}
