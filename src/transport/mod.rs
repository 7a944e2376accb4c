//! How a hop is started, as data: a command line, how its questions are heard, and what its failures
//! mean. Nothing spawns here.

pub mod diagnosis;
pub mod doas;
pub mod exec;
pub mod inside;
pub mod local;
pub mod ssh;
pub mod su;
pub mod sudo;

/// What has to run before the script of sudo, su and doas, in the same POSIX shell. These are started with
/// `LANGUAGE=C`, so that their failures are known by their words, and with the user's own choice beside
/// it; what they lead to gets that back, unless a login has made another.
pub const OWN_LANGUAGE: &str =
    "case $LANGUAGE in C)LANGUAGE=$LC_HOPVINE;[ \"$LANGUAGE\" ]||unset LANGUAGE;esac;unset LC_HOPVINE;";

/// What to run for one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub argv: Vec<String>,
    pub terminal: Terminal,
}

/// How questions of a hop's program are heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// It asks nothing.
    None,
    /// A terminal of ours is its controlling one, and it asks there; the link is its standard input
    /// and output.
    Beside { prompt: Prompt },
    /// It asks on standard input only, so that and its output are the terminal, and the link, a
    /// socket, is descriptor 3.
    Input { prompt: Prompt },
}

/// What a question for the password looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A line that holds this text, which nobody else knows.
    Token(String),
    /// The first question that is asked with echo off.
    Hidden,
    /// As `Token`, where ssh is new enough to ask through this binary; else as `Hidden`.
    Helper(String),
}

/// What a hop's program may ask, and how to know it by.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// A random word of letters and digits, for programs that can be told what to ask with.
    pub token: &'a str,
    pub ssh: Questions,
}

/// Whether ssh may ask: many hosts at once cannot be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    Refused,
    /// For a password or a key's phrase, once.
    Password,
    /// Whatever it wants to know, as often as it does: the user answers.
    User,
}
