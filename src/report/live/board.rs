//! What the lines tell: of transfers one for each host that runs, as far as there is room, above one for
//! all; of everything else one line.

use super::gauge::{Gauge, Look};
use crate::controller::fleet::Place;
use crate::report::terminal;
use crate::transfers::{Moved, Passing};
use console::{measure_text_width, truncate_str};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// More lines are no overview.
const MAX_HOST_LINES: usize = 10;
/// What stays of the terminal beside the lines.
const SPARE_ROWS: usize = 3;
const MAX_NAME_COLUMNS: usize = 32;
/// How many of the slowest hosts are named.
const MAX_SLOWEST: usize = 3;
const CUT: &str = "...";

/// How it stands with those that run.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Since when, in the order of the list.
    pub running: Vec<(Place, Instant)>,
    /// How many are to be started, and how many to be tried again.
    pub waiting: usize,
    pub again: usize,
    /// Of those that run; empty where nothing is moved.
    pub moved: BTreeMap<Place, Moved>,
}

#[derive(Debug)]
pub(crate) struct Board {
    names: Vec<String>,
    /// How much there is to be done.
    total: usize,
    done: usize,
    failed: usize,
    transfers: Option<Transfers>,
}

#[derive(Debug)]
struct Transfers {
    passing: Passing,
    /// Of those that are done.
    ended: Moved,
    hosts: BTreeMap<Place, Gauge>,
    all: Gauge,
}

impl Board {
    /// `names` are the targets by place.
    pub(in crate::report) fn new(names: &[String]) -> Self {
        let total = names.len();
        let names = names.iter().map(|name| terminal::one_line(name)).collect();
        Self { names, total, done: 0, failed: 0, transfers: None }
    }

    /// One more target.
    pub(in crate::report) fn add(&mut self, name: &str) {
        self.names.push(terminal::one_line(name));
    }

    /// So much more is to be done.
    pub(in crate::report) fn expect(&mut self, more: usize) {
        self.total += more;
    }

    pub(in crate::report) fn of_files(names: &[String], passing: Passing) -> Self {
        let ended = Moved::default();
        let transfers = Transfers { passing, ended, hosts: BTreeMap::new(), all: Gauge::new(0) };
        Self { transfers: Some(transfers), ..Self::new(names) }
    }

    /// A target's work is over; `moved` is what has come of a transfer.
    pub(in crate::report) fn done(&mut self, well: bool, moved: Moved) {
        self.done += 1;
        self.failed += usize::from(!well);
        if let Some(transfers) = &mut self.transfers {
            transfers.ended.bytes += moved.bytes;
            transfers.ended.files += moved.files;
        }
    }

    pub(super) fn lines(&mut self, view: &View, rows: usize, columns: usize, now: Instant) -> Vec<String> {
        // The last column stays free: some terminals wrap there.
        let columns = columns.saturating_sub(1);
        let lines = match self.transfers.take() {
            Some(mut transfers) => {
                let lines = transfers.lines(self, view, rows, columns);
                self.transfers = Some(transfers);
                lines
            }
            None => vec![self.status(view, columns, now)],
        };
        lines.iter().map(|line| truncate_str(line, columns, "").into_owned()).collect()
    }

    /// As many of the numbers, the gravest first, and of the slowest hosts as there is room for.
    fn status(&self, view: &View, columns: usize, now: Instant) -> String {
        let mut line = self.counts();
        let numbers =
            [(view.running.len(), "running"), (view.waiting, "to start"), (view.again, "to try again")];
        for (count, what) in numbers.iter().filter(|(count, _)| *count > 0) {
            let more = format!(", {count} {what}");
            if measure_text_width(&line) + more.len() <= columns {
                line += &more;
            }
        }
        let mut slowest = view.running.clone();
        slowest.sort_by_key(|(place, since)| (*since, *place));
        for (at, (place, since)) in slowest.iter().take(MAX_SLOWEST).enumerate() {
            let took = humantime::format_duration(Duration::from_secs(now.duration_since(*since).as_secs()));
            let lead = if at == 0 { "; slowest: " } else { ", " };
            let more = format!("{lead}{} {took}", truncate_str(&self.names[*place], MAX_NAME_COLUMNS, CUT));
            if measure_text_width(&line) + measure_text_width(&more) > columns {
                break;
            }
            line += &more;
        }
        line
    }

    fn counts(&self) -> String {
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        format!("{}/{} done{failed}", self.done, self.total)
    }
}

impl Transfers {
    fn lines(&mut self, board: &Board, view: &View, rows: usize, columns: usize) -> Vec<String> {
        let room = rows.saturating_sub(SPARE_ROWS).clamp(1, MAX_HOST_LINES);
        self.hosts.retain(|place, _| view.moved.contains_key(place));
        while self.hosts.len() > room {
            self.hosts.pop_last();
        }
        for (place, moved) in &view.moved {
            if self.hosts.len() >= room {
                break;
            }
            self.hosts.entry(*place).or_insert_with(|| Gauge::new(moved.bytes));
        }
        let total_name = board.counts();
        let names = self.hosts.keys().map(|place| board.names[*place].as_str()).chain([total_name.as_str()]);
        let name_columns = names.map(measure_text_width).max().unwrap_or(0);
        let name_columns = name_columns.min(MAX_NAME_COLUMNS).min(columns / 3).max(1);
        let many = board.names.len() > 1;
        let files =
            |moved: Moved| if self.passing.tree { format!("{} files", moved.files) } else { String::new() };
        let look = |total: Option<u64>| Look { columns, name_columns, bounded: total.is_some() };
        let mut lines = Vec::new();
        for (place, gauge) in &mut self.hosts {
            let Some(moved) = view.moved.get(place) else { continue };
            let name = truncate_str(&board.names[*place], name_columns, CUT);
            let bytes = (moved.bytes, moved.total_bytes.unwrap_or(moved.bytes));
            lines.push(gauge.line(look(moved.total_bytes), &name, bytes, &files(*moved)).to_owned());
        }
        if many {
            let all = self.all_moved(board, view);
            let bytes = (all.bytes, all.total_bytes.unwrap_or(all.bytes));
            lines.push(self.all.line(look(all.total_bytes), &total_name, bytes, &files(all)).to_owned());
        }
        lines
    }

    /// What has been moved, and how much there is for all that have not failed.
    fn all_moved(&self, board: &Board, view: &View) -> Moved {
        let running = view.moved.values();
        let bytes = self.ended.bytes + running.clone().map(|moved| moved.bytes).sum::<u64>();
        let files = self.ended.files + running.clone().map(|moved| moved.files).sum::<u64>();
        let told = running.map(|moved| moved.total_bytes).sum::<Option<u64>>();
        let total_bytes = match self.passing.each {
            Some(each) => Some(each.saturating_mul((board.names.len() - board.failed) as u64)),
            // Nobody knows of those that have not been asked.
            None if board.done + view.moved.len() < board.names.len() => None,
            None => told.map(|told| told + self.ended.bytes),
        };
        Moved { bytes, total_bytes, files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("web{number}")).collect()
    }

    fn view(running: &[(Place, u64)], now: Instant) -> View {
        let running = running.iter().map(|(place, age)| (*place, now - Duration::from_secs(*age))).collect();
        View { running, waiting: 6, ..View::default() }
    }

    #[test]
    fn the_status_names_the_slowest_as_far_as_there_is_room() {
        let now = clock::now() + Duration::from_secs(1000);
        let mut board = Board::new(&names(20));
        (0..10).for_each(|at| board.done(at != 0, Moved::default()));
        let view = view(&[(12, 3), (13, 64), (14, 5), (15, 4)], now);
        let line = |board: &mut Board, columns| board.lines(&view, 24, columns, now).join("\n");
        assert_eq!(
            line(&mut board, 100),
            "10/20 done, 1 failed, 4 running, 6 to start; slowest: web14 1m 4s, web15 5s, web16 4s"
        );
        assert_eq!(line(&mut board, 64), "10/20 done, 1 failed, 4 running, 6 to start");
        assert_eq!(line(&mut board, 30), "10/20 done, 1 failed");
        assert_eq!(line(&mut board, 12), "10/20 done,");
    }

    #[test]
    fn a_name_cannot_act_on_the_terminal() {
        let now = clock::now() + Duration::from_secs(10);
        let mut board = Board::new(&["web\x1b[2J\n".to_owned(), "db".to_owned()]);
        let view = View { running: vec![(0, now)], ..View::default() };
        assert_eq!(board.lines(&view, 24, 80, now), ["0/2 done, 1 running; slowest: web^[[2J\\n 0s"]);
    }

    #[test]
    fn transfers_have_a_line_for_each_host_above_one_for_all() {
        let now = clock::now();
        let mut board = Board::of_files(&names(30), Passing { each: Some(1 << 20), tree: false });
        let moved = |bytes| Moved { bytes, total_bytes: Some(1 << 20), files: 1 };
        let view = View { moved: (0..20).map(|place| (place, moved(1 << 19))).collect(), ..View::default() };
        let lines = board.lines(&view, 24, 80, now);
        assert_eq!(lines.len(), MAX_HOST_LINES + 1);
        assert!(lines[0].starts_with("web1 ") && lines[0].contains(" 50%"), "{}", lines[0]);
        assert!(lines[10].starts_with("0/30 done") && lines[10].contains("10.00 MiB"), "{}", lines[10]);
        assert!(lines.iter().all(|line| measure_text_width(line) < 80), "{lines:#?}");
        assert_eq!(board.lines(&view, 5, 80, now).len(), 3, "a low terminal has room for few");
        for columns in [10, 40, 59, 60, 200] {
            let lines = board.lines(&view, 24, columns, now);
            assert!(lines.iter().all(|line| measure_text_width(line) < columns), "{lines:#?}");
        }
    }

    #[test]
    fn how_much_is_left_is_told_where_it_is_known() {
        let now = clock::now();
        let mut board = Board::of_files(&names(2), Passing { each: None, tree: true });
        let moved = |total| Moved { bytes: 100, total_bytes: total, files: 7 };
        let mut view = View { moved: BTreeMap::from([(0, moved(Some(200)))]), ..View::default() };
        let lines = board.lines(&view, 24, 80, now);
        assert!(lines[0].contains("50%") && lines[1].ends_with("7 files"), "{lines:#?}");
        view.moved.insert(1, moved(Some(300)));
        assert!(board.lines(&view, 24, 80, now)[2].contains("40%"));
    }
}
