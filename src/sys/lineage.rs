//! Who descends from whom, by /proc, and the end of all of them.

use super::watchdog::pause;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// How often it looks for more to kill; what forks as fast as it can is still found.
const LOOKS: usize = 200;

/// Kills a process and all that descends from it.
pub(super) fn kill_tree(root: i32) {
    kill_all(|_| vec![root]);
}

/// Kills these, and all that descends from them. Who stops forks no more, and stays the parent of what it
/// has forked: so nothing gets lost before all is found.
pub(super) fn kill_all(roots: impl Fn(&[Process]) -> Vec<i32>) {
    let (mut stopped, mut calm) = (Vec::new(), false);
    for _ in 0..LOOKS {
        let all = processes();
        let line = lineage(&all, roots(&all));
        let fresh: Vec<i32> = line.iter().filter(|pid| !stopped.contains(*pid)).copied().collect();
        // The signal is not what stops it: until it has stopped, it may still fork.
        let runs = |process: &&Process| process.runs && line.contains(&process.pid);
        let was_calm = std::mem::replace(&mut calm, fresh.is_empty() && all.iter().find(runs).is_none());
        // What was forked with a small number, after the look had passed that, shows at the next one.
        if calm && was_calm {
            break;
        }
        if fresh.is_empty() && !calm {
            pause(Duration::from_millis(1));
        }
        send_each(&fresh, Signal::SIGSTOP);
        stopped.extend(fresh);
    }
    // The last ones first: whoever loses its parent may be woken, as one whom nobody else would wake.
    stopped.reverse();
    send_each(&stopped, Signal::SIGKILL);
}

/// The roots, then all that descends from them.
fn lineage(all: &[Process], roots: impl IntoIterator<Item = i32>) -> Vec<i32> {
    let mut line: Vec<i32> = roots.into_iter().collect();
    let mut at = 0;
    while let Some(parent) = line.get(at).copied() {
        line.extend(all.iter().filter(|process| process.parent == parent).map(|process| process.pid));
        at += 1;
    }
    line
}

pub(super) fn send_each(pids: &[i32], signal: Signal) {
    for pid in pids {
        kill(Pid::from_raw(*pid), signal).ok();
    }
}

/// A line of /proc.
#[derive(Clone, Copy)]
pub(super) struct Process {
    pub pid: i32,
    pub parent: i32,
    /// After the system's own start.
    pub started: Duration,
    /// Whether it is neither stopped nor traced.
    pub runs: bool,
}

/// When a process has started, after the system's own start; `None` where it has ended.
pub(super) fn started(pid: i32) -> Option<Duration> {
    process(pid).map(|process| process.started)
}

impl Process {
    /// Whether it is the same: a pid may be another's by now.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.pid, self.started) == (other.pid, other.started)
    }
}

/// All that runs and has not ended.
pub(super) fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

pub(super) fn process(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(19)?.parse().ok()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let started = Duration::from_millis(ticks * 1000 / u64::try_from(per_second).unwrap_or(100));
    let (state, parent) = (*fields.first()?, fields.get(1)?.parse().ok()?);
    let runs = !matches!(state, "T" | "t");
    (!matches!(state, "Z" | "X")).then_some(Process { pid, parent, started, runs })
}

#[cfg(test)]
mod tests {
    use super::super::clock;
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    /// `kill_tree`, while the tree forks as fast as it can.
    #[test]
    fn nothing_that_is_forked_meanwhile_survives() {
        for _ in 0..20 {
            let script = "while :; do sleep 20 & echo; [ $((n += 1)) -lt 200 ] || wait; done";
            let mut command = Command::new("sh");
            let mut bomb = command.args(["-c", script]).stdout(Stdio::piped()).spawn().expect("a shell");
            let mut output = bomb.stdout.take().expect("a pipe");
            output.read_exact(&mut [0; 8]).expect("it has begun");
            kill_tree(i32::try_from(bomb.id()).expect("a pid"));
            bomb.wait().expect("a status");
            let killed = clock::now();
            // All of them have it.
            output.read_to_end(&mut Vec::new()).expect("the end of all");
            assert!(killed.elapsed() < Duration::from_secs(10), "some have lived on");
        }
    }
}
