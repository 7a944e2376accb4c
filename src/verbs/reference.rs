//! `hopvine completions` and `hopvine man`.

use crate::cli::{self, Completions, Man};
use crate::error::ExitCode;
use crate::report;
use std::path::Path;
use std::{fs, io};

pub(super) fn completions(typed: &Completions) -> io::Result<ExitCode> {
    report::bytes(&typed.text()).map(|()| ExitCode::Success)
}

pub(super) fn man(typed: &Man) -> io::Result<ExitCode> {
    if let Some(folder) = &typed.outdir {
        return write_all(folder);
    }
    match typed.page()? {
        Some(page) => report::bytes(&page).map(|()| ExitCode::Success),
        None => {
            report::complain(&format!(
                "no command is called {:?}: `hopvine --help` names all",
                typed.typed()
            ));
            Ok(ExitCode::Usage)
        }
    }
}

fn write_all(folder: &Path) -> io::Result<ExitCode> {
    for (name, page) in cli::pages()? {
        let path = folder.join(name);
        if let Err(error) = fs::write(&path, page) {
            report::complain(&format!("cannot write {}: {error}", path.display()));
            return Ok(ExitCode::Failed);
        }
    }
    Ok(ExitCode::Success)
}
