//! What ssh says of a command line that it refuses: its own words, wherever it has some.

use std::fmt;

/// A command line that is refused. Its text goes to standard error as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Only how ssh is called.
    Usage,
    UnknownFlag(u8),
    /// Of a flag.
    NoValue(u8),
    NoSubsystem,
    Port(String),
    Escape(String),
    StdioForward(String),
    /// What needs no other words.
    Said(&'static str),
    UnknownKeyword(String),
    /// `Host`, `Match` and `Include` stand in files.
    OnlyInFiles(&'static str),
    /// What is wrong with a value of `-o`.
    Line(Line),
    /// What this ssh cannot do, as it was asked for.
    Impossible(String),
    /// Where ssh is told to be quiet, it is.
    Quiet,
}

/// What is wrong with a value of `-o`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    NoArgument(String),
    Quotes,
    Missing,
    NoTime,
    Time,
    Number(&'static str),
    Unsupported(String),
    Port(String),
    Escape,
    LogLevel(String),
    Jump(String),
    EmptyArgument(&'static str),
    NoneAlone(&'static str),
    NoneGiven(&'static str),
    EnvironmentName,
    SetEnv,
    Extra(&'static str),
}

pub(super) const PROTOCOL_ONE: Refusal = Refusal::Said("SSH protocol v.1 is no longer supported");
pub(super) const HOST: Refusal = Refusal::Said("hostname contains invalid characters");
pub(super) const USER: Refusal = Refusal::Said("remote username contains invalid characters");
pub(super) const NO_HOST: Refusal =
    Refusal::Said("ssh: Could not resolve hostname : Name or service not known");
pub(super) const JUMP: Refusal = Refusal::Said("Invalid -J argument");
pub(super) const SECOND_JUMP: Refusal =
    Refusal::Said("Only a single -J option is permitted (use commas to separate multiple jump hops)");
pub(super) const JUMP_AND_PROXY: Refusal = Refusal::Said("Cannot specify -J with ProxyCommand");
pub(super) const CONTROL: Refusal = Refusal::Said("Invalid multiplex command.");
pub(super) const SECOND_CONTROL: Refusal = Refusal::Said("Multiplexing command already specified");
pub(super) const CONTROL_AND_STDIO: Refusal = Refusal::Said("Cannot specify multiplexing command with -W");
pub(super) const STDIO_AND_CONTROL: Refusal = Refusal::Said("Cannot specify stdio forward with -O");
pub(super) const SECOND_STDIO: Refusal = Refusal::Said("stdio forward already specified");
pub(super) const NOTHING_AND_SESSION: Refusal = Refusal::Said("Cannot specify -N with -s/SessionType");
pub(super) const SUBSYSTEM_AND_SESSION: Refusal = Refusal::Said("Cannot specify -s with -N/SessionType");
pub(super) const TWO_LOGS: Refusal = Refusal::Said("Can't specify both -y and -E");
pub(super) const TWO_COMMANDS: Refusal = Refusal::Said("Cannot execute command-line and remote command.");
pub(super) const NO_COMMAND: Refusal =
    Refusal::Said("Cannot fork into background without a command to execute.");
/// Where OpenSSH would go on; we pass names and options on as text.
pub(super) const NOT_TEXT: Refusal = Refusal::Said("an option is not UTF-8: write it so, or use ssh itself");

const USAGE: &str = "\
usage: hopvine ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B bind_interface] [-b bind_address]
           [-c cipher_spec] [-E log_file] [-e escape_char] [-F configfile]
           [-I pkcs11] [-i identity_file] [-J destination] [-l login_name]
           [-m mac_spec] [-O check|exit|stop] [-o option] [-P tag] [-p port]
           [-S ctl_path] [-W host:port] destination [command [argument ...]]
       hopvine ssh [-Q query_option]
";

impl Refusal {
    /// The exit status of each.
    pub const STATUS: i32 = 255;
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letter = [0; 4];
        let flag = match self {
            Self::UnknownFlag(flag) | Self::NoValue(flag) => &*char::from(*flag).encode_utf8(&mut letter),
            _ => "",
        };
        let (before, named, after) = match self {
            Self::Usage => ("", "", ""),
            Self::UnknownFlag(_) => ("unknown option -- ", flag, "\n"),
            Self::NoValue(_) => ("option requires an argument -- ", flag, "\n"),
            Self::NoSubsystem => ("You must specify a subsystem to invoke.\n", "", ""),
            Self::Port(port) => ("Bad port '", port.as_str(), "'\n"),
            Self::Escape(key) => ("Bad escape character '", key.as_str(), "'.\n"),
            Self::StdioForward(place) => ("Bad stdio forwarding specification '", place.as_str(), "'\n"),
            Self::Said(text) => ("", *text, "\n"),
            Self::UnknownKeyword(word) => {
                ("command-line: line 0: Bad configuration option: ", word.as_str(), "\n")
            }
            Self::OnlyInFiles(word) => ("", *word, " directive not supported as a command-line option\n"),
            Self::Line(line) => {
                f.write_str("command-line line 0: ")?;
                line.parts()
            }
            Self::Impossible(what) => {
                ("", what.as_str(), " is nothing that hopvine ssh can do: leave it out, or use ssh itself\n")
            }
            Self::Quiet => ("", "", ""),
        };
        let is_told =
            matches!(self, Self::Usage | Self::UnknownFlag(_) | Self::NoValue(_) | Self::NoSubsystem);
        let usage = if is_told { USAGE } else { "" };
        [before, named, after, usage].into_iter().try_for_each(|part| f.write_str(part))
    }
}

impl Line {
    /// What is said before, of and after what it is about.
    fn parts(&self) -> (&str, &str, &str) {
        match self {
            Self::NoArgument(keyword) => ("no argument after keyword \"", keyword, "\"\n"),
            Self::Quotes => ("invalid quotes\n", "", ""),
            Self::Missing => ("Missing argument.\n", "", ""),
            Self::NoTime => ("missing time value.\n", "", ""),
            Self::Time => ("invalid time value.\n", "", ""),
            Self::Number(wrong) => ("integer value ", wrong, ".\n"),
            Self::Unsupported(value) => ("unsupported option \"", value, "\".\n"),
            Self::Port(port) => ("Bad port '", port, "'.\n"),
            Self::Escape => ("Bad escape character.\n", "", ""),
            Self::LogLevel(level) => ("unsupported log level '", level, "'\n"),
            Self::Jump(hosts) => ("Invalid ProxyJump \"", hosts, "\"\n"),
            Self::EmptyArgument(keyword) => ("keyword ", keyword, " empty argument\n"),
            Self::NoneAlone(keyword) => ("keyword ", keyword, " \"none\" argument must appear alone.\n"),
            Self::NoneGiven(keyword) => ("no ", keyword, " specified\n"),
            Self::EnvironmentName => ("Invalid environment name.\n", "", ""),
            Self::SetEnv => ("Invalid SetEnv.\n", "", ""),
            Self::Extra(keyword) => ("keyword ", keyword, " extra arguments at end of line\n"),
        }
    }
}

impl From<Line> for Refusal {
    fn from(line: Line) -> Self {
        Self::Line(line)
    }
}
