//! Another user by doas, which asks on its terminal and cannot be told in which words.

use super::{Plan, Prompt, Terminal};

/// `script` is for a POSIX shell. doas takes no `--`; its options end with the first word that is none.
pub fn plan(user: &str, script: String) -> Plan {
    let argv = vec!["doas".into(), "-u".into(), user.into(), "sh".into(), "-c".into(), script];
    Plan { argv, terminal: Terminal::Beside { prompt: Prompt::Hidden } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_what_a_user_would_type() {
        let plan = plan("app", "SCRIPT".into());
        assert_eq!(plan.argv, ["doas", "-u", "app", "sh", "-c", "SCRIPT"]);
        assert_eq!(plan.terminal, Terminal::Beside { prompt: Prompt::Hidden });
    }
}
