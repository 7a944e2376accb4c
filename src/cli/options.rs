//! The options that verbs share: which hosts, how they are reached, what is shown.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Options of the verbs that ask the same of many hosts.
#[derive(Debug, Args)]
pub struct Fleet {
    #[command(flatten)]
    pub reach: Reach,
    #[command(flatten)]
    pub work: Work,
    /// So many at a time: the next are started when all of these are done. N, or N% of the hosts, at least one
    #[arg(long, value_name = "N|N%", value_parser = batch)]
    pub serial: Option<Share>,
    /// With more failures than this nothing more is started; what runs goes on. N, or N% of the hosts
    #[arg(long, value_name = "N|N%", value_parser = share)]
    pub max_failures: Option<Share>,
    /// Of the hosts only those where this verb, over several, did not end well when it was last used on them
    #[arg(long, value_name = "WHICH", value_enum)]
    pub rerun: Option<Rerun>,
    /// Only list the hosts, one a line; nobody is contacted
    #[arg(long, conflicts_with = "dry_run")]
    pub list_hosts: bool,
    #[command(flatten)]
    pub shown: Shown,
}

/// Options of all verbs that work on many hosts at once.
#[derive(Debug, Args)]
pub struct Work {
    /// How many hosts at once
    #[arg(short = 'f', long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub fanout: u32,
    /// Time for the work on a host, from its connection on: 10, 2s, 1m30s
    #[arg(short = 't', long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Try so often again to connect; not where anything can have been begun
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub retries: u32,
    /// The first failure stops everything, also what runs
    #[arg(long)]
    pub fail_fast: bool,
    /// Only tell what would be done, and where; nobody is contacted
    #[arg(long)]
    pub dry_run: bool,
    /// A folder whose modules remote code may import; may be repeated
    #[arg(long, value_name = "DIR")]
    pub path: Vec<PathBuf>,
    #[command(flatten)]
    pub code: Code,
    #[command(flatten)]
    pub sharing: Sharing,
}

/// What holds for code that runs on hosts.
#[derive(Debug, Args)]
pub struct Code {
    /// Records of Python's logging from this level on: debug, info, warning, error, critical, 1 to 255
    #[arg(long, value_name = "LEVEL", value_parser = log_level)]
    pub log_level: Option<u8>,
    /// How often code in a context may open the next: its own contexts are level 1, theirs 2
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub depth_limit: u32,
}

/// What is kept open in the background, and used where it is.
#[derive(Debug, Args)]
pub struct Sharing {
    /// Keep the hosts open in the background for so long after their last use: 60s, 10m; `hopvine up` has more
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub persist: Option<Duration>,
    /// Do not use what `hopvine up` and --persist keep open
    #[arg(long, conflicts_with = "persist")]
    pub no_session: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rerun {
    Failed,
}

/// How the results of many hosts are shown.
#[derive(Debug, Args)]
pub struct Shown {
    /// At the end, equal outputs once, under the names of all hosts that said so
    #[arg(short = 'b', long, conflicts_with = "json")]
    pub fold: bool,
    /// The same for standard error too
    #[arg(short = 'B', long, conflicts_with = "json")]
    pub fold_all: bool,
    /// At the end, how outputs differ from what most hosts said
    #[arg(long, conflicts_with = "json")]
    pub diff: bool,
    /// Write outputs to files in this folder too: HOST, and HOST.err
    #[arg(long, value_name = "DIR")]
    pub outdir: Option<PathBuf>,
    /// The exit status is the largest of all hosts
    #[arg(short = 'S', long)]
    pub largest_status: bool,
}

/// So many, or so many of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Count(usize),
    Percent(u8),
}

/// Options of the verbs that do something on hosts.
#[derive(Debug, Args)]
pub struct Reach {
    #[command(flatten)]
    pub targets: Targets,
    #[command(flatten)]
    pub way: Way,
    /// One JSON object for each result; of each stream of a host the first 16 MiB
    #[arg(long)]
    pub json: bool,
    /// Color the names of hosts
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// Which hosts.
#[derive(Debug, Args)]
pub struct Targets {
    /// The hosts: names, targets, web[1-20], @group, 'web*!web3', ^FILE, - for standard input; may be repeated
    #[arg(short = 'w', value_name = "HOSTS", required = true)]
    pub hosts: Vec<String>,
    /// Hosts to leave out, whatever -w says; may be repeated
    #[arg(short = 'x', value_name = "HOSTS")]
    pub excluded: Vec<String>,
    #[command(flatten)]
    pub around: Around,
}

/// What stands around each target.
#[derive(Debug, Args)]
pub struct Around {
    /// Hops before every target: ssh:bastion, ssh:bastion/sudo:root; '' for none, whatever the inventory says
    #[arg(long, value_name = "PATH")]
    pub via: Option<String>,
    /// A hop behind every target: sudo:root, su:app, doas:root; '' for none, whatever the inventory says
    #[arg(long = "become", value_name = "HOP")]
    pub become_other: Option<String>,
}

/// How hosts are reached, whichever they are.
#[derive(Debug, Args)]
pub struct Way {
    /// Ask once for the password that ssh is to give, and for what else it asks as that comes
    #[arg(short = 'k', long)]
    pub ask_login: bool,
    /// Ask once for the password that sudo, su and doas are to be given
    #[arg(short = 'K', long)]
    pub ask_become: bool,
    #[command(flatten)]
    pub secret: Secret,
    /// Time to connect, for each hop
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// The remote interpreter; otherwise the newest Python 3 there, else Python 2
    #[arg(long, value_name = "PATH")]
    pub python: Option<String>,
    /// The inventory; otherwise hopvine.toml here or above, then the configuration folder's
    #[arg(short = 'i', long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// A silent host is lost after three of these without a sign of life
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub keepalive: Duration,
    /// What serves a host: an agent in its Python, or this program where it is installed there
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Agent::Auto)]
    pub agent: Agent,
    /// What serves a hop on the way: this program where it is installed there, else Python
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Relaying::Auto)]
    pub relay: Relaying,
    /// How deep the tree of hops may be
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_hops: u32,
    /// What ps shows for the agents
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Tell what is done, for each hop
    #[arg(short = 'v', long)]
    pub verbose: bool,
}

/// Options where a program names the hosts.
#[derive(Debug, Args)]
pub struct Guest {
    #[command(flatten)]
    pub way: Way,
    /// A folder whose modules remote code may import, beside those of the script's own; may be repeated
    #[arg(long, value_name = "DIR")]
    pub path: Vec<PathBuf>,
    #[command(flatten)]
    pub code: Code,
    #[command(flatten)]
    pub sharing: Sharing,
}

/// Where a password comes from, if not from the terminal. Alone they serve sudo, su and doas where a
/// target has such a hop, else ssh.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Secret {
    /// The password is the line in this file
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// The password is what this command line prints
    #[arg(long, value_name = "COMMAND")]
    pub secret_command: Option<String>,
    /// The password is in this variable, which no child inherits
    #[arg(long, value_name = "NAME")]
    pub secret_env: Option<String>,
}

impl Secret {
    pub fn is_given(&self) -> bool {
        self.secret_file.is_some() || self.secret_command.is_some() || self.secret_env.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Agent {
    /// Python
    Auto,
    Python,
    /// This program, which must be installed there
    Native,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Relaying {
    /// This program where it is installed in this build, else Python
    Auto,
    /// This program, sent into memory where it is not installed; Python where it cannot run
    Native,
    Python,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

fn share(typed: &str) -> Result<Share, String> {
    let share = match typed.strip_suffix('%') {
        Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Share::Percent),
        None => typed.parse().ok().map(Share::Count),
    };
    share.ok_or_else(|| "not a number, nor a percentage such as 30%".to_owned())
}

fn batch(typed: &str) -> Result<Share, String> {
    let batch = share(typed).ok().filter(|batch| !matches!(batch, Share::Count(0) | Share::Percent(0)));
    batch.ok_or_else(|| "not a number from 1 on, nor a percentage such as 10%".to_owned())
}

/// A name or number of Python's `logging`.
fn log_level(typed: &str) -> Result<u8, String> {
    Ok(match typed.to_ascii_lowercase().as_str() {
        "debug" => 10,
        "info" => 20,
        "warning" | "warn" => 30,
        "error" => 40,
        "critical" | "fatal" => 50,
        other => other.parse().ok().filter(|level| *level > 0).ok_or("not a level of Python's logging")?,
    })
}

/// Longer than any work, and short enough for every clock.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A number of seconds, or with units.
pub(super) fn duration(typed: &str) -> Result<Duration, String> {
    let seconds = typed.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let parsed = seconds.or_else(|| humantime::parse_duration(typed).ok());
    parsed
        .filter(|duration| !duration.is_zero() && *duration <= MAX_DURATION)
        .ok_or_else(|| "not a duration, such as 10, 2s, 1m30s".to_owned())
}
