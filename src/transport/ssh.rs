//! The user's own ssh, with the user's own configuration, keys and jump hosts.

use super::{Plan, Prompt, Questions, Terminal};

/// Where to; `user` and `port` override what the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Destination<'a> {
    pub host: &'a str,
    pub user: Option<&'a str>,
    pub port: Option<u16>,
    pub options: &'a [String],
}

/// The user's options come first, as ssh takes the first value it sees; `--` keeps a host from being an
/// option. A question about a host's key is asked with echo on, and never answered by us.
pub fn plan(destination: &Destination<'_>, questions: Questions, command: String) -> Plan {
    let mut argv: Vec<String> = vec!["ssh".into(), "-T".into()];
    for option in destination.options {
        argv.extend(["-o".into(), option.clone()]);
    }
    let (asks, terminal) = match questions {
        Questions::Refused => ("BatchMode=yes", Terminal::None),
        Questions::Password => ("NumberOfPasswordPrompts=1", Terminal::Beside { prompt: Prompt::Hidden }),
    };
    // An open master is used, but we never become one: it would have to outlive us.
    argv.extend(["-o".into(), asks.into(), "-o".into(), "ControlMaster=no".into()]);
    if let Some(user) = destination.user {
        argv.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = destination.port {
        argv.extend(["-p".into(), port.to_string()]);
    }
    argv.extend(["--".into(), destination.host.into(), command]);
    Plan { argv, terminal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_what_a_user_would_type() {
        let options = ["StrictHostKeyChecking=no".to_owned()];
        let full = Destination { host: "web1", user: Some("me"), port: Some(2222), options: &options };
        let quiet = plan(&full, Questions::Refused, "COMMAND".into());
        assert_eq!(
            quiet.argv.join(" "),
            "ssh -T -o StrictHostKeyChecking=no -o BatchMode=yes -o ControlMaster=no -l me -p 2222 -- web1 COMMAND"
        );
        assert_eq!(quiet.terminal, Terminal::None);
        let bare = Destination { host: "web1", ..Destination::default() };
        let asking = plan(&bare, Questions::Password, "COMMAND".into());
        assert_eq!(
            asking.argv.join(" "),
            "ssh -T -o NumberOfPasswordPrompts=1 -o ControlMaster=no -- web1 COMMAND"
        );
        assert_eq!(asking.terminal, Terminal::Beside { prompt: Prompt::Hidden });
    }
}
