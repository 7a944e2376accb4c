use super::*;
use clap::CommandFactory;
use std::time::Duration;

fn parsed(line: &str) -> Parsed {
    parse(line.split(' ').map(OsString::from))
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn options_may_stand_before_and_after_the_arguments() {
    let Parsed::Command(command) = parsed("hopvine call -w a os:getenv HOME -t 1m30s --kw x=1 -5") else {
        panic!("is right")
    };
    let Command::Call(call) = *command else { panic!("is a call") };
    assert_eq!(
        (call.arguments, call.fleet.work.timeout),
        (vec!["HOME".into(), "-5".into()], Some(Duration::from_secs(90)))
    );
}

#[test]
fn everything_after_two_dashes_is_the_command() {
    let Parsed::Command(command) = parsed("hopvine run -w a -f 3 -- ls -la -w") else { panic!("is right") };
    let Command::Run(run) = *command else { panic!("is a run") };
    assert_eq!((run.command, run.fleet.work.fanout), (vec!["ls".into(), "-la".into(), "-w".into()], 3));
}

#[test]
fn the_bare_program_tells_what_it_can() {
    assert!(matches!(parsed("hopvine"), Parsed::Bare(text) if text.contains("Usage: hopvine")));
}

#[test]
fn a_command_without_two_dashes_is_told_before_its_options_are_taken() {
    for line in ["hopvine run -w a cat -n f", "hopvine run -n cat -w a", "hopvine run -w a cat -- -n"] {
        let Parsed::Wrong(told) = parsed(line) else { panic!("{line}") };
        assert!(told.starts_with("error: write -- before the command: -- cat ..."), "{told}");
        assert!(told.contains("Usage: hopvine run") && told.contains("-- <COMMAND>..."), "{told}");
    }
    let Parsed::Wrong(told) = parsed("hopvine run -w a --no-such -- ls") else { panic!("is wrong") };
    assert!(told.contains("--no-such"), "{told}");
}

#[test]
fn wrong_usage_is_told() {
    for line in [
        "hopvine run -w a",
        "hopvine run -- ls",
        "hopvine run -w a -t soon -- ls",
        "hopvine run -w a -f 0 -- ls",
        "hopvine run -w a --max-failures 101% -- ls",
        "hopvine run -w a --serial 0 -- ls",
        "hopvine run -w a --serial 0% -- ls",
        "hopvine run -w a --serial 2.5 -- ls",
        "hopvine queue --timeline - operations",
        "hopvine run -w a -b --json -- ls",
        "hopvine fly",
    ] {
        assert!(matches!(parsed(line), Parsed::Wrong(_)), "{line}");
    }
}
