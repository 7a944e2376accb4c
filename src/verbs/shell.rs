//! Command lines of the user's that tell us something.

use crate::error::CommandError;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command line prints. It says on our standard error what it has to say, and reads `stdin`.
/// One that prints more than `limit` bytes is ended.
pub(super) fn output(
    line: &str,
    stdin: Stdio,
    folder: Option<&Path>,
    limit: usize,
) -> Result<Vec<u8>, CommandError> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).stderr(Stdio::inherit()).stdin(stdin).stdout(Stdio::piped());
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let mut child = command.spawn().map_err(CommandError::Machine)?;
    let mut bytes = Vec::new();
    // Whoever prints on when nobody reads any more ends by that.
    let read = match child.stdout.take() {
        Some(pipe) => pipe.take(limit as u64 + 1).read_to_end(&mut bytes),
        None => Ok(0),
    };
    let is_long = bytes.len() > limit;
    if is_long || read.is_err() {
        child.kill().map_err(CommandError::Machine)?;
    }
    let status = child.wait().map_err(CommandError::Machine)?;
    match read {
        Err(error) => Err(CommandError::Machine(error)),
        Ok(_) if is_long => Err(CommandError::Long { limit }),
        Ok(_) if status.success() => Ok(bytes),
        Ok(_) => Err(CommandError::Status(status)),
    }
}
