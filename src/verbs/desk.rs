//! Where the user is asked what only the user knows, one question at a time, while all else goes on.
//! Nobody else reads the terminal: as standard input it is no input for commands.

use crate::controller::Controller;
use crate::controller::secrets::{OpenQuestion, Secret};
use crate::mux::Mux;
use crate::proto::ids::ContextId;
use crate::report::terminal::one_line;
use crate::sys::clock;
use crate::sys::poll::Interest;
use crate::sys::tty::{Inquiry, Progress};

/// By which the mux knows the terminal.
const NUMBER: usize = 0;
/// More of a question than this is no question.
const MAX_SHOWN_CHARS: usize = 300;

#[derive(Default)]
pub(super) struct Desk {
    asked: Option<(ContextId, Inquiry)>,
}

impl Desk {
    /// Shows the next question, and takes back one that nobody asks any more.
    pub(super) fn ask(&mut self, controller: &mut Controller, mux: &mut Mux) {
        let open = controller.open_question();
        if let Some((context, _)) = &self.asked {
            if open.is_some_and(|open| open.context == *context) {
                return;
            }
            self.clear(mux);
        }
        let Some(open) = controller.open_question() else { return };
        let context = open.context;
        let inquiry = Inquiry::open(&shown(open), open.echo);
        let readable = Interest { readable: true, writable: false };
        match inquiry.and_then(|inquiry| mux.heed(inquiry.fd(), NUMBER, readable).map(|()| inquiry)) {
            Ok(inquiry) => self.asked = Some((context, inquiry)),
            Err(_) => controller.answer(None, clock::now()),
        }
    }

    /// Whether a question is on the terminal.
    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Something has been typed.
    pub(super) fn listen(&mut self, controller: &mut Controller, mux: &mut Mux) {
        let Some((_, inquiry)) = &mut self.asked else { return };
        let answer = match inquiry.read() {
            Progress::Waiting => return,
            Progress::Answered(line) => Some(Secret::new(line)),
            Progress::Declined => None,
        };
        self.clear(mux);
        controller.answer(answer, clock::now());
    }

    fn clear(&mut self, mux: &mut Mux) {
        if let Some((_, inquiry)) = self.asked.take() {
            mux.ignore(inquiry.fd());
        }
    }
}

/// The host, then what it asks: a stranger's words, so they come last and on one line.
fn shown(question: &OpenQuestion) -> String {
    let text: String = one_line(&question.text).chars().take(MAX_SHOWN_CHARS).collect();
    format!("{}: {text} ", one_line(&question.target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tty::Echo;

    #[test]
    fn a_question_is_shown_with_its_host_and_without_control_characters() {
        let text = format!("(me@web1) Code\u{1b}[2J:\nweb2: {}", "x".repeat(1000));
        let shown =
            shown(&OpenQuestion { context: ContextId(1), target: "web1".into(), text, echo: Echo::Hidden });
        assert!(shown.starts_with("web1: (me@web1) Code^[[2J:\\nweb2: xxx"), "{shown}");
        assert!(shown.len() < MAX_SHOWN_CHARS + 10);
    }
}
