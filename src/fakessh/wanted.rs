//! What a command line of ssh's runs on the other side.

use super::{Invocation, Session};
use crate::proto::message::session::What;

/// Where the usual systems keep it; in the words of any POSIX shell.
const SFTP_SERVER: &str = "for d in /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec /usr/lib \
/usr/lib/misc /usr/sbin /usr/local/libexec /usr/local/lib/openssh /usr/pkg/libexec /opt/ssh/libexec \
/run/current-system/sw/libexec; do [ -x $d/sftp-server ] && exec $d/sftp-server; done; \
command -v sftp-server >/dev/null 2>&1 && exec sftp-server; \
echo 'hopvine: no sftp-server on this host: install it (openssh-sftp-server), or use scp -O' >&2; exit 127";

/// # Errors
///
/// The name of a subsystem that there is not.
pub fn wanted(invocation: &Invocation) -> Result<What, String> {
    if let Some((host, port)) = &invocation.stdio_to {
        return Ok(What::Dial { host: host.clone(), port: *port });
    }
    Ok(match (invocation.session, &invocation.command) {
        (Session::Nothing, _) => What::Nothing,
        (Session::Subsystem, Some(name)) if name == b"sftp" => {
            What::Words(["/bin/sh", "-c", SFTP_SERVER].map(|word| word.as_bytes().to_vec()).to_vec())
        }
        (Session::Subsystem, name) => {
            return Err(String::from_utf8_lossy(name.as_deref().unwrap_or_default()).into_owned());
        }
        (Session::Command, Some(command)) => What::Shell(command.clone()),
        (Session::Command, None) => What::Login,
    })
}
