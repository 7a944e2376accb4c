//! What each host did when, as a picture (SVG 1.1): a row for each host, a bar for each job, time to the right.

use crate::controller::queue::{Span, Way};
use crate::error::Outcome;
use crate::report::terminal;
use console::{measure_text_width, truncate_str};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// More bars than this nobody sees, and no viewer draws soon.
const MAX_BARS: usize = 50_000;
const MAX_NAME_COLUMNS: usize = 40;
const WIDTH: f64 = 960.0;
const ROW: f64 = 24.0;
const BAR: f64 = 18.0;
const MARGIN: f64 = 16.0;
/// Of a character, about.
const COLUMN: f64 = 7.0;
const HEAD: f64 = 44.0;
const MIN_BAR: f64 = 1.5;
const MAX_TICKS: f64 = 10.0;
/// Of what has no length.
const MARK: f64 = 8.0;

/// What is drawn of a job.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The number of its host.
    pub host: usize,
    pub label: String,
    pub span: Span,
    pub outcome: Outcome,
}

/// What a bar shows: its class in the picture, and what that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Way,
    Well,
    Failed,
    Late,
    Stopped,
    Lost,
    /// No bar: a mark.
    Never,
}

impl Look {
    const ALL: [Self; 7] =
        [Self::Way, Self::Well, Self::Failed, Self::Late, Self::Stopped, Self::Lost, Self::Never];

    fn of(bar: &Bar) -> Self {
        let nothing = bar.span.way != Way::Closed && bar.span.since == bar.span.until;
        match bar.outcome {
            Outcome::Done(0) => Self::Well,
            Outcome::Done(_) | Outcome::Failed => Self::Failed,
            Outcome::TimedOut => Self::Late,
            Outcome::Unreachable | Outcome::Stopped if nothing => Self::Never,
            Outcome::Unreachable if bar.span.way == Way::Closed => Self::Lost,
            Outcome::Unreachable => Self::Failed,
            Outcome::Stopped => Self::Stopped,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Way => "way",
            Self::Well => "well",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
            Self::Never => "never",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Way => "connecting",
            Self::Well => "done",
            Self::Failed => "failed",
            Self::Late => "timed out",
            Self::Stopped => "interrupted",
            Self::Lost => "not reached",
            Self::Never => "not started",
        }
    }
}

#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    /// By host.
    names: BTreeMap<usize, String>,
    bars: Vec<Bar>,
    left_out: usize,
}

impl Timeline {
    pub fn new(start: Instant) -> Self {
        Self { start, names: BTreeMap::new(), bars: Vec::new(), left_out: 0 }
    }

    pub fn push(&mut self, name: &str, bar: Bar) {
        if self.bars.len() >= MAX_BARS {
            self.left_out += 1;
            return;
        }
        self.names.entry(bar.host).or_insert_with(|| terminal::one_line(name));
        self.bars.push(bar);
    }

    /// The whole picture.
    pub fn svg(&self) -> String {
        let end = self.bars.iter().map(|bar| bar.span.until).max().unwrap_or(self.start);
        let whole = end.duration_since(self.start).max(Duration::from_millis(1)).as_secs_f64();
        let shown = |name: &String| truncate_str(name, MAX_NAME_COLUMNS, "...").into_owned();
        let names: BTreeMap<_, _> = self.names.iter().map(|(host, name)| (*host, shown(name))).collect();
        let columns = names.values().map(|name| measure_text_width(name)).max().unwrap_or(0);
        let scale = Scale {
            start: self.start,
            left: MARGIN * 1.5 + COLUMN * columns as f64,
            per_second: (WIDTH - MARGIN * 2.5 - COLUMN * columns as f64) / whole,
        };
        let rows: BTreeMap<_, _> = names.keys().enumerate().map(|(row, host)| (*host, row)).collect();
        let bottom = HEAD + ROW * rows.len() as f64;
        let mut svg = head(bottom + MARGIN + ROW);
        let top = |host: &usize| HEAD + ROW * rows[host] as f64;
        // Where a lane is empty, its host has nothing to do.
        for (host, name) in &names {
            let (left, width, y) = (scale.left, whole * scale.per_second, top(host));
            put(
                &mut svg,
                format_args!(
                    "<path class=\"lane\" d=\"M{left:.1} {y:.1}h{width:.1}v{BAR}h-{width:.1}z\"/>\
                     <text class=\"name\" x=\"{MARGIN}\" y=\"{:.1}\">{}</text>\n",
                    y + BAR * 0.75,
                    escaped(name)
                ),
            );
        }
        if self.bars.is_empty() {
            put(
                &mut svg,
                format_args!("<text class=\"name\" x=\"{MARGIN}\" y=\"{HEAD}\">nothing was done</text>\n"),
            );
        } else {
            scale.draw_ticks(&mut svg, whole, bottom);
        }
        // By host and place: several at a time are one.
        let mut marks: BTreeMap<(usize, u64), Vec<&Bar>> = BTreeMap::new();
        for bar in &self.bars {
            if Look::of(bar) == Look::Never {
                let place = scale.x(bar.span.since) / (MARK * 3.0);
                marks.entry((bar.host, place as u64)).or_default().push(bar);
            } else {
                scale.draw(&mut svg, bar, &self.names[&bar.host], top(&bar.host));
            }
        }
        for ((host, _), bars) in marks {
            scale.draw_mark(&mut svg, &bars, &self.names[&host], top(&host));
        }
        legend(&mut svg, bottom + MARGIN + BAR * 0.75, self.left_out);
        svg + "</svg>\n"
    }
}

struct Scale {
    start: Instant,
    left: f64,
    per_second: f64,
}

impl Scale {
    fn x(&self, at: Instant) -> f64 {
        self.left + at.duration_since(self.start).as_secs_f64() * self.per_second
    }

    /// A line for each step: 1, 2 or 5 times a power of ten, or as clocks have them.
    fn draw_ticks(&self, svg: &mut String, whole: f64, bottom: f64) {
        let step = step(whole / MAX_TICKS);
        let mut tick = 0.0;
        while tick * step <= whole * 1.0001 {
            let (seconds, x) = (tick * step, self.left + tick * step * self.per_second);
            let time = clock_time(seconds, step);
            put(
                svg,
                format_args!(
                    "<line class=\"tick\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
                     <text class=\"time\" x=\"{x:.1}\" y=\"{:.1}\">{time}</text>\n",
                    HEAD - 6.0,
                    HEAD - 12.0
                ),
            );
            tick += 1.0;
        }
    }

    fn draw(&self, svg: &mut String, bar: &Bar, name: &str, y: f64) {
        let Span { since, way, until } = bar.span;
        let (from, to) = (self.x(since), self.x(until));
        let work = match way {
            Way::Open => from,
            Way::Opened(at) => self.x(at),
            Way::Closed => to,
        };
        let took = until.duration_since(since).as_secs_f64();
        let what = escaped(&terminal::one_line(&bar.label));
        let look = Look::of(bar);
        let how = if look == Look::Well { String::new() } else { format!(", {}", look.name()) };
        put(svg, format_args!("<g><title>{}: {what}{how}, {took:.3} s</title>", escaped(name)));
        let work = if look == Look::Lost { from } else { work };
        for (look, from, to) in [(Look::Way, from, work), (look, work, to)] {
            let (class, width) = (look.class(), (to - from).max(MIN_BAR));
            if look != Look::Way || matches!(way, Way::Opened(_)) {
                put(
                    svg,
                    format_args!(
                        "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\"/>"
                    ),
                );
            }
        }
        let columns = ((to - work) / COLUMN - 1.0).max(0.0) as usize;
        let label = terminal::one_line(&bar.label);
        if columns >= 3 {
            let (x, y) = (work + COLUMN * 0.5, y + BAR * 0.72);
            let label = escaped(&truncate_str(&label, columns, ".."));
            put(svg, format_args!("<text class=\"what\" x=\"{x:.1}\" y=\"{y:.1}\">{label}</text>"));
        }
        svg.push_str("</g>\n");
    }

    /// For what was not even started.
    fn draw_mark(&self, svg: &mut String, bars: &[&Bar], name: &str, y: f64) {
        const MOST: usize = 20;
        let Some(first) = bars.first() else { return };
        let (class, how) = (Look::Never.class(), Look::Never.name());
        let all: Vec<_> = bars.iter().take(MOST).map(|bar| terminal::one_line(&bar.label)).collect();
        let more = if bars.len() > MOST { "; ..." } else { "" };
        let x = (self.x(first.span.since) + 2.0).min(WIDTH - MARGIN - MARK);
        put(
            svg,
            format_args!(
                "<g><title>{}: {}{more}, {how}</title>\
                 <rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{MARK}\" height=\"{MARK}\"/>",
                escaped(name),
                escaped(&all.join("; ")),
                y + (BAR - MARK) / 2.0
            ),
        );
        if bars.len() > 1 {
            let (x, y, anchor) = match x + MARK + 4.0 {
                right if right + COLUMN * 3.0 < WIDTH => (right, y + BAR * 0.72, "start"),
                _ => (x - 4.0, y + BAR * 0.72, "end"),
            };
            put(
                svg,
                format_args!(
                    "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
                    bars.len()
                ),
            );
        }
        svg.push_str("</g>\n");
    }
}

/// The smallest that is at least so many seconds.
fn step(least: f64) -> f64 {
    const LONG: [f64; 10] = [60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 43_200.0, 86_400.0];
    let power = 10f64.powf(least.log10().floor());
    let short = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= least);
    let long = LONG.into_iter().find(|step| *step >= least);
    short.filter(|step| *step <= 30.0).or(long).or(short).unwrap_or(least)
}

fn clock_time(seconds: f64, step: f64) -> String {
    if step < 60.0 {
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        return format!("{seconds:.decimals$} s");
    }
    let minutes = (seconds / 60.0).round() as u64;
    if step < 3600.0 { format!("{minutes} min") } else { format!("{}:{:02} h", minutes / 60, minutes % 60) }
}

fn head(height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"11\">\n\
         <style>.tick{{stroke:#ddd}}.time{{fill:#777;text-anchor:middle;font-size:10px}}.name{{fill:#222}}\
         .lane{{fill:#f4f6f8}}rect{{stroke:#fff;stroke-width:.6}}.way{{fill:#c3cad2}}.well{{fill:#3f83cc}}.failed{{fill:#d64545}}\
         .late{{fill:#c97a12}}.stopped{{fill:#8a6fb3}}.lost{{fill:#5f6b7a}}.never{{fill:#fff;stroke:#5f6b7a;stroke-width:1.5}}.what{{fill:#fff}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    )
}

fn legend(svg: &mut String, y: f64, left_out: usize) {
    let mut x = MARGIN;
    for look in Look::ALL {
        let (class, what, top) = (look.class(), look.name(), y - 10.0);
        put(
            svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"12\" height=\"12\"/>\
                 <text class=\"name\" x=\"{:.1}\" y=\"{y:.1}\">{what}</text>\n",
                x + 18.0
            ),
        );
        x += 18.0 + COLUMN * (what.len() + 3) as f64;
    }
    if left_out > 0 {
        put(
            svg,
            format_args!(
                "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\">{left_out} later ones are not drawn</text>\n"
            ),
        );
    }
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).unwrap_or_else(|_| unreachable!("a String takes all that is written"));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    fn bar(start: Instant, host: usize, from: u64, to: u64) -> Bar {
        let at = |seconds| start + Duration::from_secs(seconds);
        let span = Span { since: at(from), way: Way::Open, until: at(to) };
        Bar { host, label: "sleep 1".into(), span, outcome: Outcome::Done(0) }
    }

    #[test]
    fn each_host_is_a_row_and_each_job_a_bar() {
        let start = clock::now();
        let mut timeline = Timeline::new(start);
        timeline.push("web1", bar(start, 0, 0, 3));
        let mut late = bar(start, 1, 0, 2);
        late.span.way = Way::Opened(start + Duration::from_secs(1));
        timeline.push("web2", late);
        timeline.push("web2", Bar { outcome: Outcome::Done(3), ..bar(start, 1, 2, 4) });
        let svg = timeline.svg();
        let count = |text: &str| svg.matches(text).count();
        assert_eq!((count("<g>"), count("class=\"name\" x=\"16\"")), (3, 2));
        assert_eq!(
            (count("<rect class=\"way\""), count("<rect class=\"failed\"")),
            (2, 2),
            "and the legend: {svg}"
        );
        assert!(svg.contains("<title>web2: sleep 1, 2.000 s</title>"), "{svg}");
        assert!(svg.contains("<title>web2: sleep 1, failed, 2.000 s</title>"), "{svg}");
        assert!(svg.contains(">4.0 s</text>"), "{svg}");
    }

    #[test]
    fn who_did_nothing_has_a_row_and_a_mark() {
        let start = clock::now();
        let mut timeline = Timeline::new(start);
        timeline.push("web1", bar(start, 0, 0, 3));
        for (host, name, outcome) in [
            (1, "web2", Outcome::Stopped),
            (1, "web2", Outcome::Stopped),
            (2, "web3", Outcome::Unreachable),
            (3, "web4", Outcome::TimedOut),
        ] {
            timeline.push(name, Bar { outcome, ..bar(start, host, 1, 1) });
        }
        let mut lost = Bar { outcome: Outcome::Unreachable, ..bar(start, 4, 0, 2) };
        lost.span.way = Way::Closed;
        timeline.push("web5", lost);
        let svg = timeline.svg();
        let count = |text: &str| svg.matches(text).count();
        let counts = ["lane", "never", "late", "lost"].map(|class| count(&format!("class=\"{class}\"")));
        assert_eq!(counts, [5, 2 + 1, 1 + 1, 1 + 1], "and the legend: {svg}");
        assert!(svg.contains("<title>web2: sleep 1; sleep 1, not started</title>"), "{svg}");
        assert!(svg.contains("<title>web5: sleep 1, not reached, 2.000 s</title>"), "{svg}");
    }

    #[test]
    fn time_is_told_in_steps_that_people_read() {
        for (whole, told) in
            [(0.01, "0.001 s"), (1.9, "0.2 s"), (55.0, "10 s"), (500.0, "1 min"), (40_000.0, "2:00 h")]
        {
            let step = step(whole / MAX_TICKS);
            assert_eq!(clock_time(step, step), told, "{whole}");
        }
    }

    #[test]
    fn what_others_named_stays_text() {
        let start = clock::now();
        let mut timeline = Timeline::new(start);
        let label = "echo '<script>' && \"x\"\x1b".to_owned();
        timeline.push("a<b", Bar { label, ..bar(start, 0, 0, 1) });
        let svg = timeline.svg();
        assert!(!svg.contains("<script>") && !svg.contains('\x1b'), "{svg}");
        assert!(svg.contains("a&lt;b: echo '&lt;script&gt;' &amp;&amp; &quot;x&quot;^["), "{svg}");
    }

    #[test]
    fn an_empty_one_is_a_picture_too() {
        let svg = Timeline::new(clock::now()).svg();
        assert!(
            svg.ends_with("</svg>\n") && svg.contains("nothing was done") && !svg.contains(" s</text>"),
            "{svg}"
        );
    }
}
