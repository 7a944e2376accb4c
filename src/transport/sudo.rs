//! Another user by sudo, also by sudo-rs.
//!
//! Never `-S`, which would read the password from the link; sudo asks on its terminal, in our words.

use super::{Plan, Prompt, Terminal};
use std::fmt::Write;

/// Who to become, and what of the environment goes along.
#[derive(Clone, Copy, Debug)]
pub struct Sudo<'a> {
    pub user: &'a str,
    pub environment: Environment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// `-i`
    Login,
    /// `-H` and `-E`
    Given { home: bool, keep: bool },
}

/// `script` is for a POSIX shell, in one line.
pub fn plan(sudo: &Sudo<'_>, token: &str, script: String) -> Plan {
    let mut argv: Vec<String> = ["sudo", "-p", token, "-u", sudo.user].map(str::to_owned).into();
    let script = match sudo.environment {
        Environment::Login => {
            argv.push("-i".into());
            without_dollars(&script)
        }
        Environment::Given { home, keep } => {
            argv.extend(home.then(|| "-H".into()));
            argv.extend(keep.then(|| "-E".into()));
            script
        }
    };
    argv.extend(["--".into(), "sh".into(), "-c".into(), script]);
    Plan { argv, terminal: Terminal::Beside { prompt: Prompt::Token(token.to_owned()) } }
}

/// What sudo says where its terminal has gone, which we close when it has ended or is to end.
pub fn is_of_our_terminal(line: &str) -> bool {
    line.trim().starts_with("sudo: unable to restore terminal settings")
}

/// For `-i`, sudo joins the words into one line for the login shell and puts a backslash before every
/// byte but letters, digits, `_`, `-` and `$`. So the login shell would fill in the script's
/// variables before `sh` sees them, and fish does not take halves of UTF-8 characters. What cannot
/// pass is written as octal, which the inner shell's printf turns back.
fn without_dollars(script: &str) -> String {
    let mut format = String::new();
    for byte in script.bytes() {
        match byte {
            b'%' => format.push_str("%%"),
            b'$' | b'"' | b'\'' | b'`' | b'\\' | b'!' | 0..=0x1f | 0x7f.. => {
                write!(format, "\\{byte:03o}").ok();
            }
            plain => format.push(char::from(plain)),
        }
    }
    format!("eval \"`printf '{format}'`\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_our_terminal_is_known() {
        assert!(is_of_our_terminal("sudo: unable to restore terminal settings: Input/output error\r"));
        assert!(!is_of_our_terminal("sudo: unable to resolve host vm: Name or service not known"));
    }

    fn line(user: &str, environment: Environment) -> String {
        plan(&Sudo { user, environment }, "TOKEN", "exec $p".into()).argv.join(" ")
    }

    #[test]
    fn the_command_line_is_what_a_user_would_type() {
        let given = |home, keep| Environment::Given { home, keep };
        let rows = [
            (line("root", given(false, false)), "sudo -p TOKEN -u root -- sh -c exec $p"),
            (line("app", given(true, false)), "sudo -p TOKEN -u app -H -- sh -c exec $p"),
            (line("app", given(true, true)), "sudo -p TOKEN -u app -H -E -- sh -c exec $p"),
            (
                line("app", Environment::Login),
                r#"sudo -p TOKEN -u app -i -- sh -c eval "`printf 'exec \044p'`""#,
            ),
        ];
        for (line, expected) in rows {
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn only_our_own_token_asks_for_the_password() {
        let sudo = Sudo { user: "root", environment: Environment::Login };
        let terminal = Terminal::Beside { prompt: Prompt::Token("TOKEN".into()) };
        assert_eq!(plan(&sudo, "TOKEN", String::new()).terminal, terminal);
    }

    #[test]
    fn nothing_is_left_that_a_login_shell_or_printf_would_change() {
        assert_eq!(
            without_dollars("a \"$b\" 'é' 5% \\ ! ` * ~"),
            r#"eval "`printf 'a \042\044b\042 \047\303\251\047 5%% \134 \041 \140 * ~'`""#
        );
    }
}
