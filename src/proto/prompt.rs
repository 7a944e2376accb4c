//! Hears a question on a terminal: a line without an end, and no echo of what is typed.
//!
//! Programs switch echo off before or after they print their question, so the terminal is looked at
//! again for a while after each output. What looks like a question but echoes is none: a banner, a
//! start file that imitates one.

use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// With a token expected, so many looks at another question without more output make it one.
const LOOKS_AT_ANOTHER: u32 = 10;
/// So many looks, and echo stays on.
const MAX_LOOKS: u32 = 100;
const MAX_TEXT_BYTES: usize = 4096;
const YES_OR_NO: &[u8] = b"(yes/no";

/// What a program asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// It is for the password; else for something that only the user could know.
    pub password: bool,
    pub text: Vec<u8>,
}

/// Where a program shows its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Terminal = 0,
    /// Standard error, which is not the terminal.
    Errors = 1,
}

/// One terminal.
#[derive(Debug)]
pub struct Prompt {
    /// Only a line with this text asks for the password; empty: the first question does, and the same
    /// again.
    token: Vec<u8>,
    /// The first question for the password.
    first: Option<Vec<u8>>,
    /// By [`Place`]: a question in one is not ended by a line in the other.
    texts: [Vec<u8>; 2],
    looks: u32,
    due: Option<Instant>,
}

impl Prompt {
    pub fn new(token: Vec<u8>) -> Self {
        Self { token, first: None, texts: Default::default(), looks: 0, due: None }
    }

    pub fn handle_output(&mut self, place: Place, bytes: &[u8], now: Instant) {
        let text = &mut self.texts[place as usize];
        text.extend_from_slice(bytes);
        let surplus = text.len().saturating_sub(MAX_TEXT_BYTES);
        text.drain(..surplus);
        self.looks = 0;
        self.due = now.checked_add(LOOK);
    }

    /// When to look whether echo is off.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// `hidden`: echo is off. Returns a question once.
    pub fn handle_timeout(&mut self, hidden: bool, now: Instant) -> Option<Question> {
        if self.due.is_none_or(|due| now < due) {
            return None;
        }
        self.looks += 1;
        let last = |text: &Vec<u8>| {
            text.rsplit(|byte| *byte == b'\n').next().is_some_and(|line| !line.trim_ascii().is_empty())
        };
        let text = self.texts.iter().find(|text| last(text)).unwrap_or(&self.texts[0]);
        let mut lines = text.rsplit(|byte| *byte == b'\n');
        let line = lines.next().unwrap_or_default().trim_ascii();
        // Who is refused is told so before the next question; else that is another.
        let refused = lines.any(|line| !line.trim_ascii().is_empty());
        self.due = now.checked_add(LOOK).filter(|_| !line.is_empty() && self.looks < MAX_LOOKS);
        let token = &self.token;
        let known = token.is_empty() || line.windows(token.len()).any(|window| window == token);
        // ssh asks whether it may trust a host, with echo on.
        let about_a_key = line.windows(YES_OR_NO.len()).any(|window| window == YES_OR_NO);
        if line.is_empty() || !(hidden || about_a_key) || !(known || self.looks >= LOOKS_AT_ANOTHER) {
            return None;
        }
        let same = self.first.as_ref().is_none_or(|first| first == line);
        let password =
            known && !about_a_key && if token.is_empty() { same } else { refused || self.first.is_none() };
        if password {
            self.first.get_or_insert_with(|| line.to_vec());
        }
        let text = line.to_vec();
        self.texts = Default::default();
        self.due = None;
        Some(Question { password, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked within ten seconds after an output, and how many looks that took.
    fn hear(prompt: &mut Prompt, output: &str, hidden: impl Fn(u32) -> bool) -> Option<(bool, String, u32)> {
        let mut now = crate::sys::clock::now();
        prompt.handle_output(Place::Terminal, output.as_bytes(), now);
        for look in 1.. {
            now = prompt.poll_timeout()?;
            if let Some(question) = prompt.handle_timeout(hidden(look), now) {
                return Some((question.password, String::from_utf8_lossy(&question.text).into_owned(), look));
            }
        }
        None
    }

    #[test]
    fn only_the_token_asks_for_the_password() {
        let mut prompt = Prompt::new(b"[t0ken]".to_vec());
        assert_eq!(
            hear(&mut prompt, "lecture\r\n[t0ken] ", |_| true),
            Some((true, "[t0ken]".into(), 1)),
            "behind a lecture"
        );
        assert_eq!(
            hear(&mut prompt, "\r\nVerification code: ", |_| true),
            Some((false, "Verification code:".into(), LOOKS_AT_ANOTHER))
        );
    }

    #[test]
    fn a_second_question_is_for_the_password_where_the_first_answer_was_refused() {
        let mut prompt = Prompt::new(b"[t0ken]".to_vec());
        let mut password = |output| hear(&mut prompt, output, |_| true).map(|(password, ..)| password);
        assert_eq!(password("[t0ken] "), Some(true));
        assert_eq!(password("\r\nSorry, try again.\r\n[t0ken] "), Some(true));
        assert_eq!(password("\r\n[t0ken] "), Some(false), "a code, which sudo asks for with the same words");
    }

    #[test]
    fn a_line_on_standard_error_does_not_end_a_question_on_the_terminal() {
        let (mut prompt, now) = (Prompt::new(Vec::new()), crate::sys::clock::now());
        prompt.handle_output(Place::Errors, b"Current password: ", now);
        assert!(hear(&mut prompt, "Changing password for me.\r\n", |_| true).is_some());
    }

    #[test]
    fn a_question_about_a_host_s_key_is_told() {
        let asked = "Are you sure you want to continue connecting (yes/no/[fingerprint])? ";
        let heard = hear(&mut Prompt::new(Vec::new()), asked, |_| false);
        assert_eq!(heard.map(|(password, ..)| password), Some(false));
    }

    #[test]
    fn what_echoes_is_no_question() {
        let mut prompt = Prompt::new(Vec::new());
        assert_eq!(hear(&mut prompt, "Welcome! Your password: ", |_| false), None);
        assert_eq!(
            hear(&mut prompt, "Password: ", |look| look > 3).map(|(password, _, look)| (password, look)),
            Some((true, 4)),
            "a program that prints first and switches echo off then"
        );
    }

    #[test]
    fn an_answered_question_is_not_heard_again() {
        let mut prompt = Prompt::new(Vec::new());
        assert!(hear(&mut prompt, "Password: ", |_| true).is_some());
        assert_eq!(hear(&mut prompt, "\r\n", |_| true), None);
    }
}
