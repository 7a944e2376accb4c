//! One line for what is moved: a bar, bytes, rate and the time that is left, as indicatif has them.
//! It draws on a slate of ours, because a terminal may be slow and nothing waits for one.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use std::fmt::Write;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A narrower terminal has no room for a bar.
const BAR_COLUMNS: usize = 60;
const MAX_FRAMES_PER_SECOND: u8 = 255;

#[derive(Debug)]
pub(super) struct Gauge {
    bar: ProgressBar,
    /// The form that the line has, and where it is drawn.
    drawn: Option<(Look, Receiver<Stroke>)>,
    line: String,
}

/// What the form of a line depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) columns: usize,
    pub(super) name_columns: usize,
    /// Whether it is known how much there is.
    pub(super) bounded: bool,
}

#[derive(Debug)]
enum Stroke {
    /// All that was written is to be written anew.
    Anew,
    Text(String),
}

impl Gauge {
    /// Starts where a transfer is; what has been moved before does not count for its rate.
    pub(super) fn new(bytes: u64) -> Self {
        let bar = ProgressBar::hidden();
        bar.update(|state| state.set_pos(bytes));
        bar.reset_eta();
        Self { bar, drawn: None, line: String::new() }
    }

    /// The line for what has been moved now; `name` and `more` are text that a terminal may get.
    pub(super) fn line(&mut self, look: Look, name: &str, (bytes, total): (u64, u64), more: &str) -> &str {
        if self.drawn.as_ref().is_none_or(|(before, _)| *before != look) {
            let (strokes, drawn) = channel();
            let slate = Slate { strokes, columns: u16::try_from(look.columns).unwrap_or(u16::MAX) };
            self.bar.set_draw_target(ProgressDrawTarget::term_like_with_hz(
                Box::new(slate),
                MAX_FRAMES_PER_SECOND,
            ));
            self.bar.set_style(style(look));
            self.drawn = Some((look, drawn));
        }
        self.bar.set_prefix(name.to_owned());
        self.bar.set_message(more.to_owned());
        self.bar.update(|state| {
            state.set_len(total);
            state.set_pos(bytes);
        });
        for stroke in self.drawn.iter().flat_map(|(_, strokes)| strokes.try_iter()) {
            match stroke {
                Stroke::Anew => self.line.clear(),
                Stroke::Text(text) => self.line += &text,
            }
        }
        self.line.truncate(self.line.trim_end().len());
        &self.line
    }
}

fn style(look: Look) -> ProgressStyle {
    let name = format!("{{prefix:!{}}}", look.name_columns);
    let numbers = "{bytes:>10} {bytes_per_sec:>12}";
    let template = match (look.bounded, look.columns) {
        (true, BAR_COLUMNS..) => format!("{name} [{{wide_bar}}] {{percent:>3}}% {numbers} {{left:>9}}"),
        (true, _) => format!("{name} {{percent:>3}}% {{bytes_per_sec:>12}} {{left:>9}}"),
        (false, _) => format!("{name} {numbers} {{msg}}"),
    };
    // The templates above are whole.
    ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("left", |state: &ProgressState, text: &mut dyn Write| left(state, text).unwrap_or(()))
        .progress_chars("=> ")
}

/// At this rate; nothing where nothing moves.
fn left(state: &ProgressState, text: &mut dyn Write) -> std::fmt::Result {
    let seconds = state.eta().as_secs();
    match seconds {
        _ if state.len().is_none_or(|total| total <= state.pos()) => Ok(()),
        _ if state.per_sec() < 1.0 => text.write_str("eta -"),
        0..60 => write!(text, "eta {seconds}s"),
        60..3600 => write!(text, "eta {}m{:02}s", seconds / 60, seconds % 60),
        3600..360_000 => write!(text, "eta {}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => text.write_str("eta -"),
    }
}

/// A terminal as indicatif sees it. Whoever reads decides what becomes of it.
#[derive(Debug)]
struct Slate {
    strokes: Sender<Stroke>,
    columns: u16,
}

impl Slate {
    fn tell(&self, stroke: Stroke) -> io::Result<()> {
        // A gauge that has gone needs no line.
        self.strokes.send(stroke).ok();
        Ok(())
    }
}

impl TermLike for Slate {
    fn width(&self) -> u16 {
        self.columns
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        self.tell(Stroke::Anew)
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.tell(Stroke::Text(text.to_owned()))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.tell(Stroke::Text(text.to_owned()))
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
