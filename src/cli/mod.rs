//! What was typed, as types: no environment, no I/O. The help texts are the reference.

mod options;
mod programs;
mod reference;
mod sessions;
mod watch;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
pub use options::{
    Agent, Around, Code, Color, Fleet, Guest, Reach, Relaying, Rerun, Secret, Share, Sharing, Shown, Targets,
    Way, Work,
};
pub use programs::{Api, Py};
pub use reference::{Completions, Man, pages};
pub use sessions::{Down, Fakessh, Ps, Session, Ssh, Through, Up};
use std::ffi::OsString;
use std::path::PathBuf;
pub use watch::Watch;

/// Runs Python functions and commands on machines that have nothing installed but a way in and some Python.
#[derive(Debug, Parser)]
#[command(name = "hopvine", version, propagate_version = true, after_help = EXIT_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_HELP: &str = "\
Targets: HOST or ssh:[USER@]HOST[?user=&port=&python=&opt=], local:[NAME], exec:NAME (a command line
of hopvine.toml), sudo: su: doas:[USER], docker: podman: kubectl: lxc: lxd: incus: machinectl: jail:NAME,
nsenter:PID; docs/GUIDE.md has their options. Lists and ranges: web[1-20],db[01-04/2]; `hopvine hosts --help` has
the whole algebra. Odd characters are written as %XX.

Exit status, one host: the remote status (call: 0 or 1), 255 no connection, or lost, 124 timed out.
Many hosts: 0 all well, 4 some unreachable, else 3 some timed out, else 5 some failed (-S: the largest status).
Always: 2 wrong usage, 130 interrupted.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command on each host, as ssh would
    Run(Run),
    /// Call a Python function on each host and print what it returns
    Call(Call),
    /// Call a Python function on each host and print its messages as they come, as lines of JSON
    #[command(after_help = watch::HELP)]
    Watch(Watch),
    /// Print the hosts where a Python function returns something true, folded: made for $(...)
    #[command(after_help = FILTER_HELP)]
    Filter(Filter),
    /// Run a whole Python script on each host, as its __main__, without a file there
    Script(Script),
    /// Send a file, or a tree, to each host: whole and compared before it takes its place
    #[command(after_help = PUT_HELP)]
    Put(Put),
    /// Bring a file, or a tree, from each host; what is here stays until all has come
    #[command(after_help = FETCH_HELP)]
    Fetch(Fetch),
    /// Do many things on many hosts, from lines of JSON: each host at its own pace, results as they come
    #[command(after_help = QUEUE_HELP)]
    Queue(Queue),
    /// Run a Python script that has `import hopvine`: tunnels, groups, queues, channels
    Py(Py),
    /// Run a program that calls ssh, rsync or git say, with its ssh going through open tunnels
    #[command(after_help = sessions::FAKESSH_HELP)]
    Fakessh(Fakessh),
    /// As ssh(1), with its arguments and exit statuses, over what is open: rsync -e 'hopvine ssh'
    #[command(disable_help_flag = true)]
    Ssh(Ssh),
    /// Keep hosts open in the background, for all commands that follow
    #[command(after_help = sessions::UP_HELP)]
    Up(Up),
    /// Close what is kept open, or only some hosts
    Down(Down),
    /// What is kept open: the tree of contexts, what runs there, what waits
    #[command(after_help = sessions::PS_HELP)]
    Ps(Ps),
    /// What is there: system, kernel, user, addresses, Python
    #[command(after_help = FACTS_HELP)]
    Facts(Facts),
    /// Why a host does not connect: each step, what it brought, what to try
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Doctor),
    /// The names that an expression stands for: one on each line, folded, counted
    #[command(after_help = HOSTS_HELP)]
    Hosts(Hosts),
    /// This program as a hop on the way: `install` puts it there; else what a controller starts
    #[command(args_conflicts_with_subcommands = true)]
    Relay(Relay),
    /// What a Python process that has imported hopvine starts
    #[command(hide = true)]
    Api(Api),
    /// What `up` leaves behind
    #[command(hide = true)]
    Session(Session),
    /// What leads through a session
    #[command(hide = true)]
    Through(Through),
    /// What goes over the wire to start an agent
    #[command(subcommand)]
    Bootstrap(Bootstrap),
    /// Print what a shell reads to complete these commands
    #[command(after_help = reference::COMPLETIONS_HELP)]
    Completions(Completions),
    /// Print the manual page of the program, or of one of its commands
    #[command(after_help = reference::MAN_HELP)]
    Man(Man),
}

const FILTER_HELP: &str = "\
One line: the hosts as one expression, as they were typed; none, and nothing is printed, which as -w is an error and never all:
hopvine run -w \"$(hopvine filter -w web[1-20] ./checks.py:needs_restart)\" -- systemctl restart app
Where the function raises, or a host cannot be reached, that is told, the exit status says so, and the host is in neither
list. --json prints what it returned as the `value` of each host's object.";

const PUT_HELP: &str = "\
One line for each host: REMOTE, its size and its SHA-1 sum; --json has them as the `value` of the host's object.
Without REMOTE it is a fresh temporary file. A REMOTE that ends in `/` is the folder it goes into; `~` is the home
there. With -r, REMOTE becomes as LOCAL is, and what else is in it stays.";

const FETCH_HELP: &str = "\
One line for each host: the local path, the remote one, the size and the SHA-1 sum. `{host}` in TEMPLATE is the
host's name, and has to make the paths of many hosts different; a TEMPLATE that is a folder, or ends in `/`, is
where the file goes into; `-` is standard output, for one host; without TEMPLATE it is a fresh temporary file.";

const QUEUE_HELP: &str = "\
One JSON object a line: `on`, the hosts, and one of
  {\"on\":\"web[1-3]\",\"call\":\"m:f\",\"args\":[],\"kw\":{}}     also \"own\":\"thread\"|\"process\"
  {\"on\":\"web1\",\"run\":\"COMMAND\"}                       for the shell there; a list: exactly these words
  {\"on\":\"web1\",\"put\":[\"LOCAL\",\"REMOTE\"]}             also \"mode\":\"0644\", and as for fetch
  {\"on\":\"web1\",\"fetch\":[\"REMOTE\",\"TEMPLATE\"]}        also \"recursive\" \"preserve\" \"compress\": true
  {\"on\":\"web1\",\"connect\":true}                        also where that has failed before
Each may have an `id`, which its results repeat, and come `after` one id, or a list of them: then it is done only where
these went well; on its own host, or, where they were not for that, on all of theirs. Otherwise a failure stops nothing.
A file is checked as a whole before anything is started; lines from a pipe are started as they arrive.

Results are lines of JSON, one for each host of each line: {\"line\",\"id\",\"target\",\"ok\",\"value\"|\"rc\",\"stdout\",\"stderr\",
\"error\",\"seconds\"}; before it a generator's, with \"item\". -t is the time for each line on a host. Exit status: 0 all
well, 4 some unreachable, else 3 some timed out, else 5 some failed; 2 a line was wrong; 130 interrupted.
Of a stream of more than 16 MiB the rest is dropped, which the result (`dropped_bytes`) and a line on standard error tell.";

const FACTS_HELP: &str = "\
One `key: value` line for each fact, a list as one line for each item, `-` for what is not known;
docs/GUIDE.md has the keys. --json prints them as the `value` of the host's object.";

const HOSTS_HELP: &str = "\
web[1-20,30] n[01-10/2] rack[1-2]n[1-4]   ranges; several numbers give all combinations
a,b a!b a&b a^b                           or, without, and, either: from left to right
@group @source:group @*                   groups; all names
web* db?                                  known names
^FILE -                                   the lines of a file, of standard input";

const DOCTOR_HELP: &str = "\
One line for each step: ok, warn or FAIL; beside the last two what was run, what came back, what it
means and what to try (-v: beside all). One target after the other, hop by hop, each until a step fails that the next
ones need. Beside -k and -K nothing is asked, and nothing is changed. --json prints one object for each step.

Exit status: 0 all well, 255 cannot connect; many hosts: 4 some cannot.";

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub fleet: Fleet,
    /// Run exactly these words: no shell, no expansion
    #[arg(long)]
    pub argv: bool,
    /// Do not copy standard input to the hosts
    #[arg(short = 'n')]
    pub no_input: bool,
    /// The command; words are joined by blanks and run by the remote user's shell
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Call {
    #[command(flatten)]
    pub fleet: Fleet,
    /// What to call: os:getpid, package.module:Class.method, ./tasks.py:restart
    #[arg(value_name = "MODULE:FUNCTION")]
    pub function: String,
    /// Arguments: JSON, else text
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub arguments: Vec<String>,
    /// A keyword argument; VALUE is JSON, else text
    #[arg(long = "kw", value_name = "NAME=VALUE")]
    pub keywords: Vec<String>,
    /// Give each call a thread or a process of its own, instead of its turn in the agent's main thread
    #[arg(long, value_name = "WHAT", value_enum)]
    pub own: Option<Own>,
    /// Accepted for symmetry with run: a call never reads standard input
    #[arg(short = 'n')]
    pub no_input: bool,
}

#[derive(Debug, Args)]
pub struct Filter {
    #[command(flatten)]
    pub call: Call,
    /// Print the others: those where it returns something that is not true
    #[arg(long)]
    pub exclude: bool,
}

#[derive(Debug, Args)]
pub struct Script {
    #[command(flatten)]
    pub fleet: Fleet,
    /// Do not copy standard input to the hosts
    #[arg(short = 'n')]
    pub no_input: bool,
    /// The script; its folder is a root of modules. `-` reads it from standard input
    #[arg(value_name = "FILE.py")]
    pub file: PathBuf,
    /// Its `sys.argv[1:]`
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    pub fleet: Fleet,
    /// Permissions of the file, octal [default: 0644; of a tree: as they are here, within the umask there]
    #[arg(long, value_name = "MODE", value_parser = mode, conflicts_with = "keep")]
    pub mode: Option<u32>,
    #[command(flatten)]
    pub how: Transfer,
    /// Take it from there: LOCAL is a path on this target, and what is in it goes no detour over this machine
    #[arg(long, value_name = "TARGET")]
    pub from: Option<String>,
    /// The file; `-` is standard input
    #[arg(value_name = "LOCAL")]
    pub local: PathBuf,
    /// Where it goes
    #[arg(value_name = "REMOTE")]
    pub remote: Option<OsString>,
}

#[derive(Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    pub fleet: Fleet,
    #[command(flatten)]
    pub how: Transfer,
    /// The file there
    #[arg(value_name = "REMOTE")]
    pub remote: OsString,
    /// Where it goes
    #[arg(value_name = "TEMPLATE")]
    pub template: Option<PathBuf>,
}

/// How files are moved.
#[derive(Clone, Copy, Debug, Args)]
pub struct Transfer {
    /// Modes and times stay as they are
    #[arg(short = 'p')]
    pub keep: bool,
    /// Folders too, with all that is in them
    #[arg(short = 'r')]
    pub tree: bool,
    /// Compress on the way
    #[arg(short = 'z')]
    pub packed: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("hosts", |hosts| hosts.required(false).help("The hosts of lines without `on`; may be repeated")))]
#[command(mut_arg("json", |json| json.help("Results are always JSON")))]
pub struct Queue {
    #[command(flatten)]
    pub reach: Reach,
    #[command(flatten)]
    pub work: Work,
    /// Draw what each host did when, as a picture in this file (SVG)
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(picture))]
    pub timeline: Option<PathBuf>,
    /// The operations; otherwise, and for `-`, standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Facts {
    #[command(flatten)]
    pub fleet: Fleet,
}

#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub reach: Reach,
}

#[derive(Debug, Args)]
pub struct Hosts {
    /// Expressions; otherwise, and for `-`, the lines of standard input
    #[arg(value_name = "SPEC")]
    pub spec: Vec<String>,
    /// One line: the shortest expression for the same names, sorted
    #[arg(short = 'f', long, group = "form")]
    pub fold: bool,
    /// Only how many they are
    #[arg(short = 'c', long, group = "form")]
    pub count: bool,
    /// Print the groups that there are instead
    #[arg(short = 'l', long, conflicts_with_all = ["spec", "excluded", "fold", "count"])]
    pub list_groups: bool,
    /// As one JSON list
    #[arg(long, group = "form")]
    pub json: bool,
    /// The inventory; otherwise hopvine.toml here or above, then the configuration folder's
    #[arg(short = 'i', long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Without these; may be repeated
    #[arg(short = 'x', value_name = "HOSTS")]
    pub excluded: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Relay {
    /// Only say whether this is that build
    #[arg(long, value_name = "BUILD", hide = true)]
    pub is: Option<String>,
    /// ... with this SHA-1
    #[arg(long, value_name = "SHA1", hide = true, requires = "is")]
    pub sum: Option<String>,
    /// Puts a copy of this program in that place
    #[arg(long, value_name = "FILE", hide = true)]
    pub place: Option<PathBuf>,
    /// Goes on in the place of an agent, which has asked on this stream
    #[arg(long, value_name = "STREAM", hide = true)]
    pub resumed: Option<u32>,
    #[command(subcommand)]
    pub verb: Option<RelayVerb>,
}

#[derive(Debug, Subcommand)]
pub enum RelayVerb {
    /// Put this program on each host, for good
    Install(Install),
}

#[derive(Debug, Args)]
pub struct Install {
    #[command(flatten)]
    pub fleet: Fleet,
    /// Where: a file or a folder; `~/` is the home there; otherwise /usr/local/bin for root, and ~/.local/bin
    #[arg(value_name = "PATH")]
    pub file: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Own {
    Thread,
    Process,
}

#[derive(Debug, Subcommand)]
pub enum Bootstrap {
    /// Print the size of all that is sent until the first result
    Sizes {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print what is sent: the command and the Python text, or one of its pieces
    Show {
        /// Only the remote command
        #[arg(long, group = "pieces")]
        command: bool,
        /// Only the bytes of standard input until the first result of `call time:time`
        #[arg(long, group = "pieces")]
        first_flight: bool,
        /// Only the core, as Python text
        #[arg(long, group = "pieces")]
        core: bool,
        /// Only one part, as Python text
        #[arg(long, group = "pieces", value_name = "NAME")]
        part: Option<String>,
    },
}

/// What [`parse`] makes of the arguments.
#[derive(Debug)]
pub enum Parsed {
    Command(Box<Command>),
    /// Help or version: print and succeed.
    Answer(String),
    /// Nothing but the program or a group of verbs: print what could follow, and fail.
    Bare(String),
    /// Wrong usage: print and fail.
    Wrong(String),
}

/// Reads the program's arguments, its own name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Parsed {
    match Cli::try_parse_from(args) {
        Ok(cli) => Parsed::Command(Box::new(cli.command)),
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Parsed::Bare(error.render().to_string())
        }
        Err(error) if error.use_stderr() => Parsed::Wrong(told(&error)),
        Err(error) => Parsed::Answer(error.render().to_string()),
    }
}

/// The words of clap; of our own where a command begins without the `--` that keeps its options from being ours.
fn told(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::StyledStr(text)) => Some(text.to_string()),
        _ => None,
    };
    let word = text(ContextKind::InvalidArg).filter(|word| !word.starts_with('-'));
    let (Some(word), Some(usage), ErrorKind::UnknownArgument) =
        (word, text(ContextKind::Usage), error.kind())
    else {
        return error.render().to_string();
    };
    let several = |one: &str, does: &str, tar: &str| {
        format!(
            "error: {one} is one file; -r {does} a folder with all that is in it, and tar several:\n  {tar}\n\n{usage}"
        )
    };
    if usage.contains("-- <COMMAND>") {
        format!("error: write -- before the command: -- {word} ...\n\n{usage}")
    } else if usage.contains("<LOCAL> [REMOTE]") {
        several("LOCAL", "sends", "tar c FILE... | hopvine run -w HOSTS -- tar x -C FOLDER")
    } else if usage.contains("<REMOTE> [TEMPLATE]") {
        several("REMOTE", "fetches", "hopvine run -w HOST -- tar c FILE... | tar x -C FOLDER")
    } else {
        error.render().to_string()
    }
}

impl Queue {
    /// Whether the operations come from standard input.
    pub fn reads_input(&self) -> bool {
        self.file.as_ref().is_none_or(|file| file.as_os_str() == "-")
    }
}

/// Results have standard output for themselves.
fn picture(typed: PathBuf) -> Result<PathBuf, &'static str> {
    if typed.as_os_str() == "-" {
        Err("standard output has the results; ./- is a file of that name")
    } else {
        Ok(typed)
    }
}

/// Permissions, as chmod(1) has them in digits.
///
/// # Errors
///
/// What they should look like.
pub fn mode(typed: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(typed, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "not an octal mode such as 0644".to_owned())
}

#[cfg(test)]
mod tests;
