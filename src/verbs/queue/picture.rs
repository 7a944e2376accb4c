//! The picture of a queue, in its file.

use crate::error::UsageError;
use crate::report::{Bar, Timeline};
use crate::sys::identity;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tempfile::NamedTempFile;

pub(super) struct Picture {
    timeline: Timeline,
    path: PathBuf,
    /// Beside it, until the picture is whole.
    file: NamedTempFile,
}

impl Picture {
    /// Nothing is started where it cannot be written.
    pub(super) fn begin(path: &Path, now: Instant) -> Result<Self, UsageError> {
        let wrong = |wrong: String| UsageError::Local { path: path.to_owned(), wrong };
        if fs::metadata(path).is_ok_and(|info| !info.is_file()) {
            return Err(wrong("no file, and not replaced by a picture".to_owned()));
        }
        // What a link leads to is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(folder).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { timeline: Timeline::new(now), path: path.clone(), file })
    }

    pub(super) fn push(&mut self, name: &str, bar: Bar) {
        self.timeline.push(name, bar);
    }

    /// Writes it; what was there before is replaced by a whole picture, or stays.
    ///
    /// # Errors
    ///
    /// The path, and what is wrong there.
    pub(super) fn end(mut self) -> Result<(), String> {
        let write = |file: &mut NamedTempFile| {
            file.write_all(self.timeline.svg().as_bytes())?;
            file.as_file().set_permissions(Permissions::from_mode(0o666 & !identity::umask()))
        };
        let written: io::Result<()> = write(&mut self.file);
        let path = self.path;
        written
            .and_then(|()| self.file.persist(&path).map_err(|error| error.error))
            .map(drop)
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}
