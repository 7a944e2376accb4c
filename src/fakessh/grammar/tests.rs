//! What words mean; `compat-tests/test_ssh_grammar.py` has the real ssh beside.

use super::*;
use crate::fakessh::{Control, Session, Terminal, configuration};
use proptest::prelude::*;
use std::os::unix::ffi::OsStringExt;

fn parsed(line: &str) -> Result<Parsed, Refusal> {
    let words: Vec<OsString> =
        shlex::split(line).expect("proper quotes").into_iter().map(OsString::from).collect();
    parse(&words)
}

fn run(line: &str) -> Invocation {
    match parsed(line) {
        Ok(Parsed::Run(invocation)) => *invocation,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str) -> String {
    parsed(line).expect_err(line).to_string()
}

#[test]
fn the_command_begins_at_the_first_word_after_the_host_that_is_no_option() {
    for (line, command) in [
        ("h", None),
        ("h ''", None),
        ("h true", Some("true")),
        ("h -p 22 ls -l", Some("ls -l")),
        ("h -p 22 -- -p 23", Some("-p 23")),
        ("-- h -p 22", Some("-p 22")),
        ("h ls -- -l", Some("ls -- -l")),
        // As OpenSSH: the value of an option ends the options.
        ("-S -- h -v", Some("-v")),
        ("h 'a  b' 'c'", Some("a  b c")),
    ] {
        let command = command.map(|text: &str| text.as_bytes().to_vec());
        assert_eq!(run(line).command, command, "{line}");
    }
}

#[test]
fn what_is_about_this_session_is_not_passed_to_the_ssh_that_connects() {
    let invocation = run(
        "-i k -J j -4 -C -tt -f -o SetEnv=A=1 -o SendEnv=L* -o ControlMaster=auto -M -S /c -X -y \
                          -o 'LogLevel QUIET' -o EscapeChar=none -o User=me -o Port=1 -o ServerAliveInterval=5 h id",
    );
    assert_eq!(
        invocation.options,
        ["IdentityFile=k", "ProxyJump=j", "AddressFamily=inet", "Compression=yes", "ServerAliveInterval=5"]
    );
    assert_eq!(invocation.accepted, ["ControlMaster=yes", "ControlPath=/c", "ForwardX11=yes", "-y"]);
    assert_eq!((invocation.user.as_deref(), invocation.port), (Some("me"), Some(1)));
    assert_eq!(invocation.environment, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(invocation.send_environment, ["L*"]);
    assert_eq!((invocation.terminal, invocation.session), (Terminal::Forced, Session::Command));
    assert!(invocation.background && invocation.no_input && invocation.level == Level::Quiet);
    assert_eq!(invocation.escape, None);
}

#[test]
fn a_flag_counts_whatever_its_keyword_said_before() {
    for (line, options) in [
        ("-o AddressFamily=inet -6 h", &["AddressFamily=inet6"][..]),
        ("-6 -o AddressFamily=inet h", &["AddressFamily=inet6", "AddressFamily=inet"]),
        ("-A -a h", &["ForwardAgent=no"]),
        ("-i a -i b h", &["IdentityFile=a", "IdentityFile=b"]),
        ("-i 'a \"b\\' h", &["IdentityFile=\"a \\\"b\\\\\""]),
        ("-o IgnoreUnknown=x* -o Xyz=1 h", &["IgnoreUnknown=x*", "Xyz=1"]),
    ] {
        assert_eq!(run(line).options, options, "{line}");
    }
}

#[test]
fn a_file_of_a_key_that_is_not_there_is_left_out() {
    let mut invocation = run("-i 'a b' -i c h");
    invocation.forget_identity("a b");
    assert_eq!(
        (invocation.options, invocation.identities),
        (vec!["IdentityFile=c".into()], vec!["c".into()])
    );
}

#[test]
fn standard_streams_lead_to_a_place_behind_the_host() {
    for (line, host, port) in
        [("-W x:1 h", "x", 1), ("-W [::1]:22 h", "::1", 22), ("h -Wx:65535", "x", 65535)]
    {
        let invocation = run(line);
        assert_eq!(invocation.stdio_to, Some((host.to_owned(), port)), "{line}");
        assert_eq!((invocation.session, invocation.terminal), (Session::Nothing, Terminal::Never));
    }
    for line in ["-W x h", "-W /socket h", "-W x:/s h", "-W :1 h", "-W ${A}:1 h", "-W [x]1 h"] {
        assert!(refused(line).starts_with("Bad stdio forwarding specification"), "{line}");
    }
}

#[test]
fn what_is_asked_is_answered_at_once_in_the_order_of_the_words() {
    assert_eq!(parsed("-V -5"), Ok(Parsed::Version));
    assert_eq!(parsed("h -Q cipher -5"), Ok(Parsed::Query("cipher".into())));
    assert!(refused("-5 -V").starts_with("unknown option -- 5\nusage: "));
    assert!(matches!(parsed("-O check h"), Ok(Parsed::Control(Control::Check, _))));
    assert!(matches!(parsed("-G -O check h"), Ok(Parsed::Configuration(_))));
}

#[test]
fn a_name_can_never_be_taken_for_an_option_or_more() {
    for line in
        ["-- -oProxyCommand=id", "-l -x h", "'a;b'", "'$(id)'", "-- '`id`'", "-l 'a -x' h", "-- 'a b'"]
    {
        assert!(refused(line).contains("contains invalid characters"), "{line}");
    }
    for line in ["-J -oProxyCommand=id h", "-J 'a;b' h", "-o 'ProxyJump=a b' h", "-J 'a@-x' h"] {
        assert!(refused(line).contains("nvalid"), "{line}");
    }
    assert!(refused("me@").contains("Could not resolve hostname"));
}

/// Passed on as a word, `o@ssh://` would be a URI.
#[test]
fn a_host_that_begins_as_a_uri_is_none() {
    for line in ["o@ssh://", "me@ssh://h", "-G me@ssh://h"] {
        assert_eq!(parsed(line), Err(refusal::HOST), "{line}");
    }
}

#[test]
fn a_quiet_ssh_says_nothing_where_ssh_would_not() {
    assert_eq!(refused("-q -f h"), "");
    assert_ne!(refused("-q -p 0 h"), "");
    assert!(refused("-q -L 1:h:1 h").contains("-L"));
}

#[test]
fn bytes_that_are_no_text_are_for_commands_only() {
    let odd = OsString::from_vec(vec![b'a', 0xff]);
    let command = parse(&["h".into(), "echo".into(), odd.clone()]);
    assert!(matches!(command, Ok(Parsed::Run(run)) if run.command == Some(b"echo a\xff".to_vec())));
    assert_eq!(parse(std::slice::from_ref(&odd)), Err(refusal::HOST));
    assert_eq!(parse(&["-l".into(), odd, "h".into()]), Err(refusal::NOT_TEXT));
}

#[test]
fn a_question_for_the_configuration_has_only_what_chooses_it() {
    let invocation = run("-tt -F /f -p 1 -o SetEnv=A=1 -i k me@h true");
    let words = configuration::question(&invocation).join(std::ffi::OsStr::new(" "));
    assert_eq!(words, "-G -F /f -o IdentityFile=k -l me -p 1 -- h");
}

#[test]
fn a_comment_is_no_host_to_jump_over() {
    let refused = |hosts: &str| parse(&["-J", hosts, "h"].map(OsString::from)).is_err();
    assert!(refused("#") && refused("#a") && refused("a,#b"));
    assert!(!refused("a#b") && !refused("a #"));
}

proptest! {
    #[test]
    fn any_words_are_read_or_refused(words in proptest::collection::vec(proptest::collection::vec(1u8.., 0..8), 0..6)) {
        drop(parse(&words.into_iter().map(OsString::from_vec).collect::<Vec<_>>()));
    }

    /// What is passed on is read again as it was meant.
    #[test]
    fn any_arrangement_of_what_matters_is_read_or_refused(
        words in proptest::collection::vec(proptest::collection::vec(
            proptest::sample::select(vec![
                "-", "o", "W", "J", "p", "t", "=", " ", "\"", "'", "\\", "Port", "SetEnv", "ProxyJump", "SendEnv", "#",
                "ssh://", "[", "]", ":", "@", "/", "%", "22", "a", ",", "é", "i", "IdentityFile", "none", "-- ", "h",
            ]), 0..7), 0..6)
    ) {
        let words: Vec<OsString> = words.iter().map(|word| word.concat().into()).collect();
        if let Ok(Parsed::Run(invocation)) = parse(&words) {
            let shown = configuration::text(&invocation, "somebody");
            prop_assert!(shown.starts_with("host "));
            let mut again = configuration::question(&invocation);
            again.remove(0);
            let Ok(Parsed::Run(second)) = parse(&again) else {
                return Err(TestCaseError::fail(format!("{again:?}")));
            };
            prop_assert_eq!((&second.host, &second.options), (&invocation.host, &invocation.options));
        }
    }

    #[test]
    fn any_word_comes_back_from_a_line(word in "\\PC{0,12}") {
        let line = crate::fakessh::directive::line("IdentityFile", &word);
        let words = crate::fakessh::directive::Directive::of(&line).ok().flatten().and_then(|read| read.words().ok());
        prop_assert_eq!(words, Some(vec![word]));
    }
}
