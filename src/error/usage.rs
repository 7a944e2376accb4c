//! What is wrong with what was typed.

use super::inventory::NO_TRANSPORT;
use super::{MAX_NAME_BYTES, OperationError};
use crate::hosts::inventory::ResolveError;
use crate::hosts::nodeset::{self, LookupError, NodesetError};
use crate::hosts::target::TargetError;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What is wrong with what was typed.
#[derive(Debug)]
pub enum UsageError {
    /// An expression, of an option if it has a name.
    Nodeset {
        option: &'static str,
        error: Box<NodesetError>,
    },
    /// What an option leads through, which is no target.
    Target {
        option: &'static str,
        error: TargetError,
    },
    /// What `--become` names without its transport.
    Become {
        typed: String,
    },
    /// A name, by the inventory; of an option if it has a name.
    Resolve {
        option: &'static str,
        error: ResolveError,
    },
    /// Groups that cannot be listed.
    Groups {
        error: LookupError,
    },
    /// What was typed for `-w`, or `on`, is no host.
    NoHosts {
        option: &'static str,
        typed: String,
    },
    /// `-x` names all of them. There were some.
    AllExcluded,
    /// What `hosts` was given is no name.
    NoNames {
        typed: String,
    },
    /// `hosts` was given nothing.
    NoSpec,
    /// Names and something else.
    InputTwice,
    /// No interpreter of this machine runs.
    NoInterpreter {
        tried: String,
        error: io::Error,
    },
    /// Lines of a queue, by their file and number, and how many more are wrong.
    Operations {
        wrong: Vec<(String, OperationError)>,
        more: usize,
    },
    /// Neither a file nor a pipe.
    NoQueue {
        path: PathBuf,
    },
    /// `MODULE:FUNCTION` does not look so.
    Function {
        typed: String,
    },
    ScriptMissing {
        path: PathBuf,
    },
    Script {
        path: PathBuf,
        error: io::Error,
    },
    ModuleName {
        path: PathBuf,
    },
    Keyword {
        typed: String,
    },
    /// What ps shows has to fit where the arguments stood.
    Name {
        typed: String,
    },
    /// Standard input is a folder.
    InputFolder,
    /// A tree is to come by it.
    InputTree,
    /// A path that an option, or what is said about a target, names.
    Interpreter {
        by: String,
        path: String,
        odd: char,
    },
    Root {
        path: PathBuf,
        error: io::Error,
    },
    Inventory {
        path: PathBuf,
        message: String,
    },
    /// An inventory that was found, and that others may have written.
    Stranger {
        path: PathBuf,
        stranger: Stranger,
    },
    NoInventory {
        name: String,
    },
    ExecUnknown {
        name: String,
        known: Vec<String>,
        path: PathBuf,
    },
    ExecWords {
        name: String,
        line: String,
    },
    TooDeep {
        argument: String,
    },
    CommandNul,
    /// A file of this machine that cannot be sent.
    Local {
        path: PathBuf,
        wrong: String,
    },
    /// Two hosts would write to one path.
    NotUnique {
        path: PathBuf,
        hosts: (String, String),
    },
    /// The outputs of two hosts would go to one file.
    SameFile {
        path: PathBuf,
        hosts: (String, String),
    },
    /// What is in the way of an output's file.
    FolderThere {
        path: PathBuf,
        host: String,
    },
    /// No file can be called so.
    LongName {
        host: String,
    },
    /// Nobody knows what failed last.
    NoHistory {
        verb: &'static str,
        error: io::Error,
    },
    NoneFailed {
        verb: &'static str,
    },
    /// Standard output takes one file of one host.
    FetchOutput,
    /// What is shown of many hosts at their ends.
    FoldedMessages {
        option: &'static str,
    },
    /// More than one target to put from.
    Origin,
    /// A remote name that no system has.
    RemoteName,
    /// The same of what this program is to be called.
    InstallName,
    /// `~user`, which is known to shells.
    OtherHome {
        typed: OsString,
    },
    /// What stands in braces in a template, and for nothing.
    Placeholder {
        typed: OsString,
    },
    /// Standard input is to go into a folder.
    InputName,
    /// A password for hosts that are not known yet.
    SecretUnsaid,
    /// A password cannot be had.
    Secret {
        from: String,
        wrong: String,
    },
}

/// Who may have written a file beside us and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stranger {
    Owner(String),
    Everybody { owner: String },
    Group { owner: String, group: u32 },
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "belongs to {owner}"),
            Self::Everybody { owner } => write!(f, "belongs to {owner}, but everybody may write it"),
            Self::Group { owner, group } => {
                write!(f, "belongs to {owner}, but group {group} may write it")
            }
        }
    }
}

impl UsageError {
    /// Each thing that is wrong.
    pub fn complaints(&self) -> Vec<String> {
        match self {
            Self::Operations { wrong, more } => {
                let lines = wrong.iter().map(|(place, error)| format!("{place}: {error}"));
                let more = (*more > 0).then(|| format!("{more} more lines are wrong"));
                lines.chain(more).collect()
            }
            one => vec![one.to_string()],
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodeset { option, error } if option.is_empty() || error.place.is_some() => error.fmt(f),
            Self::Nodeset { option, error } => write!(f, "{option} {error}"),
            Self::Target { option, error } => write!(f, "{option} {error}"),
            Self::Become { typed } => write!(f, "--become {typed:?}: {NO_TRANSPORT}"),
            Self::Resolve { option: "", error } => error.fmt(f),
            Self::Resolve { option, error } => write!(f, "{option} {error}"),
            Self::Groups { error } => error.fmt(f),
            Self::NoHosts { option, typed } if typed.trim().is_empty() => {
                write!(f, "{option} names no host: an empty list is never all hosts")
            }
            Self::NoHosts { option, typed } => {
                write!(f, "{option} {typed:?} names no host: an empty list is never all hosts")?;
                f.write_str(compared(typed))
            }
            Self::AllExcluded => f.write_str("-x leaves no host of those that are named"),
            Self::NoNames { typed } => write!(f, "{typed:?} is no name at all{}", compared(typed)),
            Self::NoSpec => {
                f.write_str("no SPEC, and no names on standard input; `hopvine hosts 'web[1-20]'`")
            }
            Self::InputTwice => {
                f.write_str(
                    "standard input (-) cannot be both the hosts and what is sent; name a file, or -n sends nothing",
                )
            }
            Self::Operations { .. } => f.write_str(&self.complaints().join("\n")),
            Self::NoInterpreter { tried, error } => {
                write!(f, "no Python of this machine runs ({tried}): {error}; --interpreter names another")
            }
            Self::NoQueue { path } => {
                write!(f, "{}: lines come from a file or a pipe, and this is neither", path.display())
            }
            Self::Function { typed } => {
                write!(f, "{typed:?} is not MODULE:FUNCTION, such as os:getpid or ./tasks.py:main")
            }
            Self::ScriptMissing { path } => write!(f, "{}: no such file", path.display()),
            Self::Script { path, error } => write!(f, "{}: {error}", path.display()),
            Self::ModuleName { path } => {
                write!(f, "{}: a file whose name cannot be a module's", path.display())
            }
            Self::Keyword { typed } => write!(f, "--kw {typed:?} is not NAME=VALUE"),
            Self::Name { typed } => {
                let start: String = typed.chars().take(30).collect();
                write!(f, "--name {start:?}: more than {MAX_NAME_BYTES} bytes, or not printable")
            }
            Self::InputTree => f.write_str("standard input (-) is one file; -r sends a folder that is named"),
            Self::InputFolder => f.write_str("standard input is a folder; -n does not read it"),
            Self::Interpreter { by, path, odd } => {
                write!(
                    f,
                    "{by} {path:?}: {odd:?} cannot be quoted for every login shell; use a link without it"
                )
            }
            Self::Root { path, error } => write!(f, "--path {}: {error}", path.display()),
            Self::Inventory { path, message } => write!(f, "{}: {}", path.display(), message.trim_end()),
            Self::Stranger { path, stranger } => {
                let path = path.display();
                write!(f, "{path}: {stranger}, and an inventory may run commands as you: -i {path} takes it")
            }
            Self::NoInventory { name } => {
                write!(
                    f,
                    "exec:{name} needs an inventory: no hopvine.toml here, above, or in the configuration folder (-i FILE names one)"
                )
            }
            Self::ExecUnknown { name, known, path } => {
                write!(f, "exec:{name}: {} has no such name under [exec]", path.display())?;
                if known.is_empty() { Ok(()) } else { write!(f, "; it has {}", known.join(", ")) }
            }
            Self::ExecWords { name, line } => write!(f, "exec:{name}: {line:?} cannot be split into words"),
            Self::TooDeep { argument } => write!(f, "argument {argument:?} is nested too deep"),
            Self::SecretUnsaid => f.write_str(
                "the hosts are not known yet: -k beside it gives the password to ssh, -K to sudo, su and doas",
            ),
            Self::Secret { from, wrong } => write!(f, "{from}: {wrong}"),
            Self::Local { path, wrong } => write!(f, "{}: {wrong}", path.display()),
            Self::NotUnique { path, hosts: (one, other) } => {
                write!(
                    f,
                    "{} would hold the files of {one} and of {other}: use {{host}} in the template",
                    path.display()
                )
            }
            Self::SameFile { path, hosts: (one, other) } => {
                write!(f, "--outdir: {} would hold outputs of {one} and of {other}", path.display())
            }
            Self::FolderThere { path, host } => {
                write!(f, "--outdir: {} is a folder, and is to hold an output of {host}", path.display())
            }
            Self::LongName { host } => write!(f, "--outdir: no file can have a name as long as {host}"),
            Self::NoHistory { verb, error } => {
                write!(f, "--rerun: no failure of `{verb}` over several hosts is remembered: {error}")
            }
            Self::NoneFailed { verb } => {
                write!(f, "--rerun: none of these hosts failed when `{verb}` was last used on it with others")
            }
            Self::FetchOutput => {
                f.write_str("standard output (-) takes one file of one host, without -r and --json")
            }
            Self::FoldedMessages { option } => {
                write!(f, "{option} tells what hosts have said when they have ended; watch tells it as it comes")
            }
            Self::Origin => f.write_str("--from takes one target; what is put comes from one place"),
            Self::RemoteName => f.write_str("a remote path cannot be empty, nor hold a NUL character"),
            Self::InstallName => f.write_str("a program's path cannot hold a line break, nor a NUL character"),
            Self::OtherHome { typed } => write!(
                f,
                "{}: of homes only your own is known (~/ ...); ./{0} is a name that begins so",
                typed.display()
            ),
            Self::Placeholder { typed } => {
                write!(f, "{}: a template knows {{host}} only, the target's name", typed.display())
            }
            Self::InputName => {
                f.write_str("standard input has no name: REMOTE must name the file, not only its folder")
            }
            Self::CommandNul => write!(f, "a command cannot hold a NUL character"),
        }
    }
}

/// Where wildcards look, if there are any, or how options are written.
fn compared(expression: &str) -> &'static str {
    let asks = nodeset::asks(expression);
    if asks.options {
        "; within the options of a target, a blank is %20, & is %26 and , is %2C"
    } else if asks.wildcards && expression.contains(":?") {
        "; options of a target are ?NAME=VALUE, as in sudo:?login=yes"
    } else if asks.wildcards {
        "; * and ? stand for names that are known: of hopvine.toml, of groups, of ~/.ssh/config"
    } else {
        ""
    }
}
