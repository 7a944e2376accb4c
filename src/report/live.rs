//! Lines at the lower end of the terminal that tell how it goes: taken away before anything else is
//! printed, drawn again behind it, and only as fast as the terminal takes them.

mod board;
mod gauge;

pub(super) use board::Board;
pub use board::View;

use std::time::{Duration, Instant};

/// What is over sooner needs no word.
const FIRST_AFTER: Duration = Duration::from_millis(500);
const FRAME: Duration = Duration::from_millis(100);
/// Behind what has been printed they come back sooner, though not behind each line.
const BACK_AFTER: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Live {
    board: Board,
    lines: Vec<String>,
    /// How many of them are on the terminal.
    drawn: usize,
    /// Whether others should be there.
    stale: bool,
    first: Instant,
    last: Instant,
    next: Instant,
}

impl Live {
    pub(super) fn new(board: Board, now: Instant) -> Self {
        Self {
            board,
            lines: Vec::new(),
            drawn: 0,
            stale: false,
            first: now + FIRST_AFTER,
            last: now,
            next: now,
        }
    }

    pub(super) fn board(&mut self) -> &mut Board {
        &mut self.board
    }

    /// Whether there is news by now, for [`Self::update`].
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next <= now
    }

    /// When something is to be done.
    pub(super) fn poll_timeout(&self) -> Instant {
        if self.stale { self.next.min(self.can_draw()) } else { self.next }
    }

    /// Takes what there is to tell; `area` is rows and columns, `None` where the terminal is not ours now:
    /// what is there is left alone.
    pub(super) fn update(&mut self, view: &View, area: Option<(usize, usize)>, now: Instant) {
        self.next = now + FRAME;
        match area {
            Some((rows, columns)) => {
                self.lines = self.board.lines(view, rows, columns, now);
                self.stale = true;
            }
            None => {
                self.lines.clear();
                self.stale = false;
                self.leave();
            }
        }
    }

    /// What brings the lines to the terminal, in the place of what is there; `None` if nothing is due.
    pub(super) fn frame(&mut self, now: Instant) -> Option<String> {
        if !self.stale || now < self.can_draw() {
            return None;
        }
        let lines: String = self.lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
        let text = format!("{}{lines}\x1b[J", up(self.drawn));
        (self.drawn, self.stale, self.last) = (self.lines.len(), false, now);
        Some(text)
    }

    /// What takes them off the terminal, before something else comes there.
    pub(super) fn erase(&mut self) -> Option<String> {
        let text = (self.drawn > 0).then(|| up(self.drawn) + "\x1b[J");
        self.stale |= self.drawn > 0;
        self.drawn = 0;
        text
    }

    /// What is there is not ours any more: nobody knows where it stands.
    pub(super) fn leave(&mut self) {
        self.drawn = 0;
    }

    /// Nothing is drawn before the next news.
    pub(super) fn pause(&mut self) {
        self.lines.clear();
        self.stale = false;
    }

    fn can_draw(&self) -> Instant {
        self.first.max(self.last + BACK_AFTER)
    }
}

/// To the beginning of the first of so many lines above.
fn up(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;
    use crate::transfers::Moved;

    const AREA: Option<(usize, usize)> = Some((24, 80));

    fn live() -> (Live, Instant) {
        let now = clock::now();
        (Live::new(Board::new(&["a".to_owned(), "b".to_owned()]), now), now)
    }

    #[test]
    fn what_is_over_soon_is_never_drawn() {
        let (mut live, start) = live();
        live.update(&View::default(), AREA, start);
        assert_eq!((live.frame(start), live.erase()), (None, None));
        assert_eq!(live.poll_timeout(), start + FRAME);
    }

    #[test]
    fn lines_are_replaced_and_taken_away_before_other_lines() {
        let (mut live, start) = live();
        let mut now = start + FIRST_AFTER;
        live.update(&View::default(), AREA, now);
        assert_eq!(live.frame(now).as_deref(), Some("0/2 done\x1b[K\n\x1b[J"));
        assert_eq!(live.frame(now), None, "it is there");
        now += FRAME;
        live.board().done(true, Moved::default());
        live.update(&View::default(), AREA, now);
        assert_eq!(live.frame(now).as_deref(), Some("\x1b[1A\r1/2 done\x1b[K\n\x1b[J"));
        assert_eq!(live.erase().as_deref(), Some("\x1b[1A\r\x1b[J"));
        assert_eq!(live.erase(), None, "it has gone");
        assert_eq!(live.frame(now), None, "and is not drawn behind each line");
        assert_eq!(live.poll_timeout(), now + BACK_AFTER);
        assert!(live.frame(now + BACK_AFTER).is_some());
    }

    #[test]
    fn what_others_wrote_below_the_lines_stays() {
        let (mut live, start) = live();
        let now = start + FIRST_AFTER;
        live.update(&View::default(), AREA, now);
        assert!(live.frame(now).is_some());
        live.leave();
        live.update(&View::default(), AREA, now + FRAME);
        assert_eq!(live.frame(now + FRAME).as_deref(), Some("0/2 done\x1b[K\n\x1b[J"));
    }

    #[test]
    fn a_terminal_that_is_not_ours_is_left_alone() {
        let (mut live, start) = live();
        let mut now = start + FIRST_AFTER;
        live.update(&View::default(), AREA, now);
        assert!(live.frame(now).is_some());
        now += FRAME;
        live.update(&View::default(), None, now);
        assert_eq!((live.frame(now), live.erase()), (None, None));
    }
}
