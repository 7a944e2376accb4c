//! The user's own ssh, with the user's own configuration, keys and jump hosts.

use super::{Asking, Plan, Prompt, Questions, Terminal};

/// What ssh itself asks: `user@host's password:`, `Enter passphrase for key 'FILE':`.
const PASSWORD: &str = "'s password:";
const PHRASE: &str = "Enter passphrase for ";
/// Where neither was said when it asked about a key.
const KEY_AGAIN: &str = "Please type 'yes'";
/// Words of a question that is not for a password, or not for the one that we have.
const ANOTHER: [&str; 14] = [
    "code",
    "passcode",
    "otp",
    "totp",
    "hotp",
    "one time",
    "oath",
    "token",
    "pin",
    "verification",
    "challenge",
    "response",
    "new",
    "username",
];

/// An open master is used, but we never become one: it would have to outlive us. Commands of this machine and ports that
/// a configuration has for a login are not for what is there unseen, for many hosts at a time and for long: as with scp.
/// `RemoteCommand=none` is not among them: older ones than 7.6 end at it, and `IgnoreUnknown` would take the place of the user's.
const OURS: [&str; 3] = ["ControlMaster=no", "PermitLocalCommand=no", "ClearAllForwardings=yes"];

/// Where to; `user` and `port` override what the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Destination<'a> {
    pub host: &'a str,
    pub user: Option<&'a str>,
    pub port: Option<u16>,
    /// In the place of the user's configuration.
    pub config: Option<&'a str>,
    pub options: &'a [String],
}

/// The user's options come first, as ssh takes the first value it sees; `--` keeps a host from being an
/// option. A question about a host's key is asked with echo on, and never answered by us.
pub fn plan(destination: &Destination<'_>, asking: &Asking<'_>, command: String) -> Plan {
    let mut argv: Vec<String> = vec!["ssh".into(), "-T".into()];
    if let Some(config) = destination.config {
        argv.extend(["-F".into(), config.into()]);
    }
    for option in destination.options {
        argv.extend(["-o".into(), option.clone()]);
    }
    let beside = || Terminal::Beside { prompt: Prompt::Helper(asking.token.to_owned()) };
    let (asks, terminal) = match asking.ssh {
        Questions::Refused => (Some("BatchMode=yes"), Terminal::None),
        Questions::Password => (Some("NumberOfPasswordPrompts=1"), beside()),
        Questions::User => (None, beside()),
    };
    for option in asks.into_iter().chain(OURS) {
        argv.extend(["-o".into(), option.into()]);
    }
    if let Some(user) = destination.user {
        argv.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = destination.port {
        argv.extend(["-p".into(), port.to_string()]);
    }
    argv.extend(["--".into(), destination.host.into(), command]);
    Plan { argv, terminal }
}

/// Whether a question is about a host's key, which nobody but the user can answer.
pub fn is_about_a_key(question: &str) -> bool {
    question.contains("(yes/no")
}

/// Whether the answer to a question is no secret: ssh itself asks about a key with echo on. What a server asks is
/// never taken for that.
pub fn is_answered_openly(question: &str) -> bool {
    by_a_server(question).is_none() && (is_about_a_key(question) || question.starts_with(KEY_AGAIN))
}

/// Whether a question is for the account's password or a key's phrase. ssh's own are known; of what a
/// server asks, in whatever language, all but what is plainly for something else.
pub fn wants_password(question: &str) -> bool {
    let Some((_, asked)) = by_a_server(question) else {
        let own = question.ends_with(PASSWORD) || question.starts_with(PHRASE);
        return own || !is_for_another(question);
    };
    !is_for_another(asked)
}

/// Whether a question comes because the answer to the one before was refused.
pub fn asks_again(before: &str, question: &str) -> bool {
    // Who is refused by keyboard-interactive is asked for the password by ssh itself.
    let same_account = || {
        let (who, asked) = by_a_server(before)?;
        Some(wants_password(asked) && question.strip_prefix(who)?.eq(PASSWORD))
    };
    before == question || same_account().unwrap_or_default()
}

/// `(user@host) question`, as ssh shows what a server asks; before 8.5 without that.
fn by_a_server(question: &str) -> Option<(&str, &str)> {
    question.strip_prefix('(')?.split_once(") ")
}

fn is_for_another(question: &str) -> bool {
    let letter = |char: char| if char.is_alphanumeric() { char.to_ascii_lowercase() } else { ' ' };
    let words: String = format!(" {question} ").chars().map(letter).collect();
    ANOTHER.iter().any(|word| words.contains(&format!(" {word} ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(ssh: Questions) -> Asking<'static> {
        Asking { token: "TOKEN", ssh }
    }

    #[test]
    fn the_command_line_is_what_a_user_would_type() {
        let options = ["StrictHostKeyChecking=no".to_owned()];
        let full = Destination {
            host: "web1",
            user: Some("me"),
            port: Some(2222),
            config: Some("f"),
            options: &options,
        };
        let quiet = plan(&full, &asking(Questions::Refused), "COMMAND".into());
        assert_eq!(
            quiet.argv.join(" "),
            "ssh -T -F f -o StrictHostKeyChecking=no -o BatchMode=yes -o ControlMaster=no -o PermitLocalCommand=no \
             -o ClearAllForwardings=yes -l me -p 2222 -- web1 COMMAND"
        );
        assert_eq!(quiet.terminal, Terminal::None);
        let bare = Destination { host: "web1", ..Destination::default() };
        let answered = plan(&bare, &asking(Questions::Password), "COMMAND".into());
        assert_eq!(
            answered.argv.join(" "),
            "ssh -T -o NumberOfPasswordPrompts=1 -o ControlMaster=no -o PermitLocalCommand=no \
             -o ClearAllForwardings=yes -- web1 COMMAND"
        );
        assert_eq!(answered.terminal, Terminal::Beside { prompt: Prompt::Helper("TOKEN".into()) });
        let by_user = plan(&bare, &asking(Questions::User), "COMMAND".into());
        assert_eq!(
            by_user.argv.join(" "),
            "ssh -T -o ControlMaster=no -o PermitLocalCommand=no -o ClearAllForwardings=yes -- web1 COMMAND"
        );
        assert_eq!(by_user.terminal, answered.terminal);
    }

    #[test]
    fn the_password_goes_to_questions_for_a_password_only() {
        for right in [
            "me@code.example's password:",
            "Enter passphrase for key '/home/me/.ssh/pin code':",
            "(me@code.example) Password:",
            "(me@web1) Mot de passe :",
            "Password:",
        ] {
            assert!(wants_password(right), "{right}");
        }
        for wrong in [
            "(me@web1) Verification code:",
            "(me@web1) One-time password (OATH) for `me':",
            "(me@web1) New password:",
            "Enter PIN for 'card':",
            "Passcode or option (1-3):",
        ] {
            assert!(!wants_password(wrong), "{wrong}");
        }
    }

    #[test]
    fn only_what_ssh_asks_about_a_key_is_answered_openly() {
        for open in [
            "Are you sure you want to continue connecting (yes/no/[fingerprint])?",
            "Are you sure you want to continue connecting (yes/no)?",
            "Please type 'yes', 'no' or the fingerprint:",
            "Please type 'yes' or 'no':",
        ] {
            assert!(is_answered_openly(open), "{open}");
        }
        for hidden in
            ["me@web1's password:", "(me@web1) Password (yes/no)?", "Enter passphrase for key 'a':", "Code:"]
        {
            assert!(!is_answered_openly(hidden), "{hidden}");
        }
    }

    #[test]
    fn a_question_for_the_same_password_comes_again() {
        let rows = [
            ("me@web1's password:", "me@web1's password:", true),
            ("(me@web1) Password:", "me@web1's password:", true),
            ("(me@web1) Password:", "me@web2's password:", false),
            ("(me@web1) Password:", "(me@web1) Current password:", false),
            ("(me@web1) Code:", "me@web1's password:", false),
            ("Enter passphrase for key 'a':", "me@web1's password:", false),
        ];
        for (before, question, again) in rows {
            assert_eq!(asks_again(before, question), again, "{before} {question}");
        }
    }
}
