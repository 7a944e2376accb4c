//! Sessions, and programs whose ssh goes through them.

use super::options::{Around, Sharing, Targets, Way, duration};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const UP_HELP: &str = "\
One line for each host that is open. All commands use what is kept open, where it is on their way (--no-session does
not); with --persist what is opened here stays for so long after its last use, otherwise until `hopvine down`.
--persist on any other command does the same for its hosts.";

pub(super) const PS_HELP: &str = "\
One line for each context, below the one that it is reached by. RTT: how long it took to answer last, or since when it has not;
QUEUED: what waits for its credit; RUNNING: what runs there, for how long. Nobody is waited for. --json: one object a line.

Exit status: 0, or 1 where no session runs.";

pub(super) const FAKESSH_HELP: &str = "\
  hopvine fakessh -- rsync -a app/ web1:app/            web1 is what hopvine.toml says, all its hops
  hopvine fakessh --to ssh:bastion/sudo:app -- git push x:repo.git main        whatever host git names
  hopvine fakessh -- ansible-playbook site.yml
COMMAND finds our ssh, scp and sftp first in PATH, and GIT_SSH_COMMAND, RSYNC_RSH and ANSIBLE_SSH_EXECUTABLE name it. Its exit
status is the program's own.";

#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub targets: Targets,
    #[command(flatten)]
    pub way: Way,
    /// Close them so long after their last use: 60s, 10m; otherwise `hopvine down` does
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub persist: Option<Duration>,
    /// One JSON object for each host
    #[arg(long)]
    pub json: bool,
    /// How many are opened at a time
    #[arg(short = 'f', long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub fanout: u32,
}

#[derive(Debug, Args)]
#[command(mut_arg("hosts", |hosts| hosts.required(false).help("Only these hosts; otherwise all, and the session ends")))]
#[command(mut_arg("excluded", |excluded| excluded.requires("hosts")))]
#[command(mut_arg("via", |via| via.requires("hosts")), mut_arg("become_other", |hop| hop.requires("hosts")))]
pub struct Down {
    #[command(flatten)]
    pub targets: Targets,
    /// The inventory; otherwise hopvine.toml here or above, then the configuration folder's
    #[arg(short = 'i', long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Ps {
    /// One JSON object for each context
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Fakessh {
    #[command(flatten)]
    pub around: Around,
    #[command(flatten)]
    pub way: Way,
    #[command(flatten)]
    pub sharing: Sharing,
    /// Where it goes, whatever host COMMAND names; otherwise that host, as hopvine.toml and ssh know it
    #[arg(long, value_name = "TARGET")]
    pub to: Option<String>,
    /// Where COMMAND runs; what it sends goes no detour over this machine
    #[arg(long, value_name = "TARGET")]
    pub on: Option<String>,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// For the list of verbs and for completions: what is typed is read as ssh reads it.
#[derive(Debug, Args)]
pub struct Ssh {
    /// What ssh takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// A session, whose socket is standard input.
#[derive(Debug, Args)]
pub struct Session {
    /// The socket's file
    pub path: PathBuf,
}

/// One hop through a session.
#[derive(Debug, Args)]
pub struct Through {
    /// The session's socket
    pub socket: PathBuf,
    /// What the way is shown as
    pub name: String,
    /// The way, as the session knows it
    pub way: String,
    /// What the session is to call it
    pub label: String,
    /// What runs there
    pub command: OsString,
}
