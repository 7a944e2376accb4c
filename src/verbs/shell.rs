//! Command lines of the user's that tell us something.

use std::path::Path;
use std::process::{Command, Stdio};

/// What a command line prints. It says on our standard error what it has to say, and reads `stdin`.
pub(super) fn output(line: &str, stdin: Stdio, folder: Option<&Path>) -> Result<Vec<u8>, String> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).stderr(Stdio::inherit()).stdin(stdin);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let shown = command.output().map_err(|error| error.to_string())?;
    if shown.status.success() { Ok(shown.stdout) } else { Err(shown.status.to_string()) }
}
