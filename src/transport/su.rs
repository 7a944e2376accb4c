//! Another user by su, as util-linux, busybox, shadow and the BSDs have it.
//!
//! It reads the password from standard input, which has to be a terminal, so the link waits as
//! descriptor 3. su and all login shells pass that on; tcsh does because it is a socket, and closes
//! everything else.

use super::{Plan, Prompt, Terminal};

#[derive(Clone, Copy, Debug)]
pub struct Su<'a> {
    pub user: &'a str,
    /// With that user's own environment, and in the home folder.
    pub login: bool,
}

/// What has to run before `script`, in the same POSIX shell: the link takes the terminal's place.
pub fn script(script: &str) -> String {
    format!("exec <&3 >&3 3>&-;{script}")
}

/// `command` is for any shell, whichever that user has, and runs what [`script`] makes.
pub fn plan(su: &Su<'_>, command: String) -> Plan {
    let mut argv: Vec<String> = vec!["su".into()];
    argv.extend(su.login.then(|| "-".into()));
    argv.extend([su.user.into(), "-c".into(), command]);
    Plan { argv, terminal: Terminal::Input { prompt: Prompt::Hidden } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_what_a_user_would_type() {
        let plain = plan(&Su { user: "app", login: false }, "COMMAND".into());
        assert_eq!(plain.argv, ["su", "app", "-c", "COMMAND"]);
        assert_eq!(plain.terminal, Terminal::Input { prompt: Prompt::Hidden });
        let login = plan(&Su { user: "app", login: true }, "COMMAND".into());
        assert_eq!(login.argv, ["su", "-", "app", "-c", "COMMAND"]);
    }

    #[test]
    fn the_link_takes_the_terminal_s_place() {
        assert_eq!(script("exec python"), "exec <&3 >&3 3>&-;exec python");
    }
}
