//! What a command line of ssh's means.

use super::directive::Directive;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than any session.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    Run(Box<Invocation>),
    /// `-V`
    Version,
    /// `-Q`: of what.
    Query(String),
    /// `-G`
    Configuration(Box<Invocation>),
    /// `-O`
    Control(Control, Box<Invocation>),
}

/// What is asked of a connection that is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Check,
    Exit,
    Stop,
}

/// Whether the other side gives the command a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terminal {
    /// Where there is no command and our input is a terminal.
    #[default]
    Auto,
    Never,
    /// Where our input is a terminal.
    Wanted,
    Forced,
}

/// What runs on the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Session {
    /// The command; a login shell where there is none.
    #[default]
    Command,
    /// The command is the name of a subsystem.
    Subsystem,
    /// Nothing: `-N`, `-W`.
    Nothing,
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Quiet,
    Fatal,
    Error,
    #[default]
    Info,
    Verbose,
    Debug1,
    Debug2,
    Debug3,
}

/// One command line. What no option says has ssh's default, whatever a configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// How to connect: values for `ssh -o`, in order; of one keyword the first counts.
    pub options: Vec<String>,
    /// The files of `-i`, which are in `options` too. ssh warns of one that is not there, and goes
    /// without: [`Self::forget_identity`].
    pub identities: Vec<String>,
    /// ssh's configuration (`-F`).
    pub config: Option<PathBuf>,
    pub terminal: Terminal,
    pub session: Session,
    /// Standard input is the null device.
    pub no_input: bool,
    /// Goes to the background as soon as it is connected.
    pub background: bool,
    pub level: Level,
    pub log_file: Option<PathBuf>,
    /// Standard input and output go to this host and port, seen from the other side.
    pub stdio_to: Option<(String, u16)>,
    /// What the command finds in its environment beside the rest.
    pub environment: Vec<(String, String)>,
    /// Patterns of names in our environment that the command finds in its own.
    pub send_environment: Vec<String>,
    /// Begins an order to the client at the start of a line; `None`: none does.
    pub escape: Option<u8>,
    /// For the user's shell on the other side, or the name of a subsystem.
    pub command: Option<Vec<u8>>,
    /// What was taken and changes nothing: values for `ssh -o`, and flags.
    pub accepted: Vec<String>,
}

impl Invocation {
    /// How long a connection that is shared stays after its last use, where the options ask for one that is:
    /// ControlMaster, ControlPath and ControlPersist.
    pub fn persists(&self) -> Option<Duration> {
        let value = |keyword: &str| {
            let lines = self.accepted.iter().filter_map(|line| Directive::of(line).ok().flatten());
            let mut values =
                lines.filter(|line| line.keyword == keyword).map(|line| line.line().to_ascii_lowercase());
            values.next()
        };
        let is_on = |value: &String| !matches!(value.as_str(), "no" | "false" | "none");
        value("controlmaster").filter(is_on)?;
        value("controlpath").filter(is_on)?;
        match value("controlpersist").filter(is_on)?.as_str() {
            "yes" | "true" => Some(FOR_EVER),
            time => match super::value::seconds(time) {
                Some(0) => Some(FOR_EVER),
                Some(seconds) => Some(Duration::from_secs(u64::try_from(seconds).ok()?)),
                None => None,
            },
        }
    }

    /// A file of `-i` is not there.
    pub fn forget_identity(&mut self, file: &str) {
        let line = super::directive::line("IdentityFile", file);
        self.options.retain(|option| *option != line);
        self.identities.retain(|identity| identity != file);
    }
}

impl Terminal {
    /// Its name among the values of RequestTTY.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Never => "false",
            Self::Wanted => "true",
            Self::Forced => "force",
        }
    }

    /// By its name in lower case.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "true" | "yes" => Self::Wanted,
            "false" | "no" => Self::Never,
            "force" => Self::Forced,
            _ => Self::Auto,
        }
    }
}

impl Session {
    /// Its name among the values of SessionType.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Command => "default",
            Self::Subsystem => "subsystem",
            Self::Nothing => "none",
        }
    }

    /// By its name in lower case.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "subsystem" => Self::Subsystem,
            "none" => Self::Nothing,
            _ => Self::Command,
        }
    }
}

impl Level {
    const NAMES: [(&str, Self); 10] = [
        ("QUIET", Self::Quiet),
        // Debian's.
        ("SILENT", Self::Quiet),
        ("FATAL", Self::Fatal),
        ("ERROR", Self::Error),
        ("INFO", Self::Info),
        ("VERBOSE", Self::Verbose),
        ("DEBUG", Self::Debug1),
        ("DEBUG1", Self::Debug1),
        ("DEBUG2", Self::Debug2),
        ("DEBUG3", Self::Debug3),
    ];

    /// Its name among the values of LogLevel.
    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, level)| *level == self).map_or("INFO", |(name, _)| name)
    }

    /// By its name, in whatever case.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, level)| *level)
    }

    /// The next one, up to the last.
    pub(super) fn louder(self) -> Self {
        Self::NAMES.iter().map(|(_, level)| *level).find(|level| *level > self).unwrap_or(self)
    }
}
