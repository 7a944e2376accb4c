//! What a session holds, as a table or as lines of JSON; and how its ways were opened.

use super::early::{bytes, complain};
use super::terminal::one_line;
use crate::proto::message::session::{Branch, Fault};
use serde_json::json;
use std::io;
use std::time::Duration;

const HEADS: [&str; 9] =
    ["CONTEXT", "STATE", "PYTHON", "RTT", "STREAMS", "QUEUED", "SENT", "RECEIVED", "RUNNING"];
/// Longer than that, a command is shown by its beginning.
const MAX_LABEL_CHARS: usize = 60;

/// A session and all its contexts.
#[derive(Debug)]
pub struct Census {
    pub pid: u32,
    pub up: Duration,
    pub clients: u32,
    pub branches: Vec<Branch>,
}

/// Prints what a session holds.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn census(census: &Census, json: bool) -> io::Result<()> {
    let text = if json { census.branches.iter().map(line).collect() } else { table(census) };
    bytes(text.as_bytes())
}

/// A host is open.
pub fn opened(name: &str, json: bool) {
    let line = if json {
        format!("{}\n", json!({"target": name, "ok": true}))
    } else {
        format!("{}: open\n", one_line(name))
    };
    bytes(line.as_bytes()).ok();
}

/// A host is not, or not any more.
pub fn fault(fault: &Fault, json: bool) {
    if json {
        let mut error = json!({"kind": fault.kind, "message": fault.text, "traceback": null});
        if !fault.lines.is_empty() {
            error["said"] = json!(fault.lines);
        }
        let line = format!("{}\n", json!({"target": fault.name, "ok": false, "error": error}));
        bytes(line.as_bytes()).ok();
        return;
    }
    let host = if fault.name.is_empty() { String::new() } else { format!("{}: ", fault.name) };
    let mut text = format!("{host}{}", fault.text.replace('\n', "\n    "));
    fault.lines.iter().for_each(|line| text += &format!("\n    | {line}"));
    if let Some(advice) = &fault.advice {
        text += &format!("\n    try: {advice}");
    }
    complain(&text);
}

fn line(branch: &Branch) -> String {
    let running: Vec<_> = branch
        .running
        .iter()
        .map(|(what, since)| json!({"what": what, "seconds": *since as f64 / 1000.0}))
        .collect();
    let object = json!({
        "context": branch.context,
        "target": branch.path,
        "hop": branch.hop,
        "depth": branch.depth,
        "state": branch.state,
        "held": branch.held,
        "closes_in": branch.closes_in_ms.map(|ms| ms as f64 / 1000.0),
        "python": python(branch.python),
        "rtt": branch.round_trip_us.map(|us| us as f64 / 1e6),
        "silent": branch.silent_ms.map(|ms| ms as f64 / 1000.0),
        "streams": branch.streams,
        "queued": branch.queued_bytes,
        "sent": branch.sent_bytes,
        "received": branch.received_bytes,
        "running": running,
    });
    format!("{object}\n")
}

fn python(version: u32) -> Option<String> {
    (version > 0).then(|| format!("{}.{}.{}", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff))
}

fn table(census: &Census) -> String {
    let mut rows: Vec<[String; 9]> = vec![HEADS.map(str::to_owned)];
    rows.extend(census.branches.iter().map(row));
    let mut widths = [0; 9];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let clients = match census.clients {
        1 => "1 client".to_owned(),
        count => format!("{count} clients"),
    };
    let up = humantime::format_duration(Duration::from_secs(census.up.as_secs()));
    let mut text = format!("session {}, up {up}, {clients}\n", census.pid);
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn row(branch: &Branch) -> [String; 9] {
    let closes = branch.closes_in_ms.map(|ms| format!(", {}s left", ms.div_ceil(1000))).unwrap_or_default();
    let running = branch.running.iter().map(|(what, since)| {
        let shown: String = one_line(what).chars().take(MAX_LABEL_CHARS).collect();
        format!("{shown} ({}s)", since / 1000)
    });
    let trip = match (branch.silent_ms, branch.round_trip_us) {
        (Some(silent @ 1000..), _) => format!("silent {}s", silent / 1000),
        (_, Some(trip)) => format!("{:.1}ms", trip as f64 / 1000.0),
        (_, None) => "-".to_owned(),
    };
    let runs = python(branch.python).unwrap_or_else(|| match branch.state.as_str() {
        "open" => "hopvine".to_owned(),
        _ => "-".to_owned(),
    });
    [
        format!(
            "{}{}",
            "  ".repeat(usize::try_from(branch.depth).unwrap_or_default()),
            one_line(&branch.hop)
        ),
        format!("{}{closes}", branch.state),
        runs,
        trip,
        branch.streams.to_string(),
        size(branch.queued_bytes),
        size(branch.sent_bytes),
        size(branch.received_bytes),
        running.collect::<Vec<_>>().join(", "),
    ]
}

/// As `ls -h` has it.
fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut units = ["", "K", "M", "G", "T"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while size >= 1024.0
        && let Some(next) = units.next()
    {
        size /= 1024.0;
        unit = next;
    }
    if unit.is_empty() || size >= 10.0 { format!("{size:.0}{unit}") } else { format!("{size:.1}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_the_tree_and_what_runs() {
        let branch = |depth, hop: &str| Branch {
            depth,
            hop: hop.into(),
            state: "open".into(),
            python: 0x030b_02f0,
            round_trip_us: Some(1250),
            sent_bytes: 1536,
            ..Branch::default()
        };
        let mut below = branch(1, "sudo:root");
        below.running = vec![("rsync --server\n".into(), 3200)];
        below.silent_ms = Some(7000);
        let census = Census {
            pid: 7,
            up: Duration::from_secs(61),
            clients: 1,
            branches: vec![branch(0, "ssh:web1"), below],
        };
        assert_eq!(
            table(&census),
            "session 7, up 1m 1s, 1 client\n\
             CONTEXT      STATE  PYTHON  RTT        STREAMS  QUEUED  SENT  RECEIVED  RUNNING\n\
             ssh:web1     open   3.11.2  1.2ms      0        0       1.5K  0\n\
             \u{20} sudo:root  open   3.11.2  silent 7s  0        0       1.5K  0         rsync --server\\n (3s)\n"
        );
    }

    #[test]
    fn sizes_are_short() {
        let shown = [0, 1023, 1024, 10_240, 5 << 20, 3 << 40].map(size);
        assert_eq!(shown, ["0", "1023", "1.0K", "10K", "5.0M", "3.0T"]);
    }
}
