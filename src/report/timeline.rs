//! What each host did when, as a picture (SVG 1.1): a row for each host, a bar for each job, time to the right.

use crate::controller::queue::{Span, Way};
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

/// What is drawn of a job.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The number of its host.
    pub host: usize,
    pub label: String,
    pub span: Span,
    pub well: bool,
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
        scale.draw_ticks(&mut svg, whole, bottom);
        for (host, name) in &names {
            let y = HEAD + ROW * rows[host] as f64 + BAR * 0.75;
            put(
                &mut svg,
                format_args!("<text class=\"name\" x=\"{MARGIN}\" y=\"{y:.1}\">{}</text>\n", escaped(name)),
            );
        }
        for bar in &self.bars {
            scale.draw(&mut svg, bar, &self.names[&bar.host], HEAD + ROW * rows[&bar.host] as f64);
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
        put(svg, format_args!("<g><title>{}: {what}, {took:.3} s</title>", escaped(name)));
        let class = if bar.well { "well" } else { "failed" };
        for (class, from, to) in [("way", from, work), (class, work, to)] {
            let width = (to - from).max(MIN_BAR);
            if class != "way" || way != Way::Open {
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
         .way,.well,.failed{{stroke:#fff;stroke-width:.6}}.way{{fill:#cbd2d9}}.well{{fill:#4a90d9}}.failed{{fill:#d64545}}.what{{fill:#fff}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    )
}

fn legend(svg: &mut String, y: f64, left_out: usize) {
    let mut x = MARGIN;
    for (class, what) in [("way", "connecting"), ("well", "done"), ("failed", "failed")] {
        put(
            svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\"/>\
                 <text class=\"name\" x=\"{:.1}\" y=\"{y:.1}\">{what}</text>\n",
                y - 10.0,
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
        Bar { host, label: "sleep 1".into(), span, well: true }
    }

    #[test]
    fn each_host_is_a_row_and_each_job_a_bar() {
        let start = clock::now();
        let mut timeline = Timeline::new(start);
        timeline.push("web1", bar(start, 0, 0, 3));
        let mut late = bar(start, 1, 0, 2);
        late.span.way = Way::Opened(start + Duration::from_secs(1));
        timeline.push("web2", late);
        timeline.push("web2", Bar { well: false, ..bar(start, 1, 2, 4) });
        let svg = timeline.svg();
        let count = |text: &str| svg.matches(text).count();
        assert_eq!((count("<g>"), count("class=\"name\" x=\"16\"")), (3, 2));
        assert_eq!(
            (count("<rect class=\"way\""), count("<rect class=\"failed\"")),
            (2, 2),
            "and the legend: {svg}"
        );
        assert!(svg.contains("<title>web2: sleep 1, 2.000 s</title>"), "{svg}");
        assert!(svg.contains(">4.0 s</text>"), "{svg}");
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
        assert!(Timeline::new(clock::now()).svg().ends_with("</svg>\n"));
    }
}
