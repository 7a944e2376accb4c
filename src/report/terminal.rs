//! Makes what comes from elsewhere harmless on a terminal: control characters are shown, not obeyed.

use std::fmt::Write;

/// Text of ours that holds text of others; line breaks and tabs stay.
pub fn harmless_text(text: &str) -> String {
    String::from_utf8_lossy(&harmless(text.as_bytes())).into_owned()
}

/// The same on one line: text of others must not look like a line of ours.
pub fn one_line(text: &str) -> String {
    harmless_text(text).replace('\n', "\\n")
}

/// Bytes as a terminal may get them: C0 as `^X`, DEL as `^?`, C1 as `\x9b`; UTF-8, tabs and line breaks stay.
pub fn harmless(bytes: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\n' | '\t' => out.push(char),
                '\r' => {}
                '\x00'..='\x1f' => out.extend(['^', char::from(char as u8 | 0x40)]),
                '\x7f' => out.push_str("^?"),
                '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    escape(&mut out, char as u32);
                }
                char => out.push(char),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut out, u32::from(*byte)));
    }
    out.into_bytes()
}

/// A stream of bytes whose characters stay whole, wherever it is cut.
#[derive(Debug, Default)]
pub(super) struct Characters {
    /// The beginning of one, without its end.
    begun: Vec<u8>,
}

impl Characters {
    /// All that is whole by now.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = std::mem::take(&mut self.begun);
        whole.extend_from_slice(bytes);
        self.begun = whole.split_off(whole.len() - begun_bytes(&whole));
        whole
    }

    /// What has no end, because nothing more comes.
    pub(super) fn end(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.begun)
    }
}

/// How many of the last bytes may be the beginning of a character.
fn begun_bytes(bytes: &[u8]) -> usize {
    let is_begun = |count: &usize| {
        let tail = bytes.len().checked_sub(*count).map(|at| &bytes[at..]);
        tail.is_some_and(|tail| {
            std::str::from_utf8(tail)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
    };
    (1..=3).find(is_begun).unwrap_or(0)
}

fn escape(out: &mut String, code: u32) {
    write!(out, "\\x{code:02x}").unwrap_or_else(|_| unreachable!("a String takes all that is written"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_text_stays() {
        assert_eq!(harmless_text("a\x1b[2Jb\x07\tc\n\u{9b}é\u{202e}"), "a^[[2Jb^G\tc\n\\x9bé\\x202e");
        assert_eq!(harmless(b"\xff\r\n"), b"\\xff\n");
    }

    #[test]
    fn no_character_is_torn_wherever_the_stream_is_cut() {
        let text = "aé€\u{1f600}b\n".as_bytes();
        for piece in 1..text.len() {
            let mut characters = Characters::default();
            let whole: Vec<_> = text.chunks(piece).map(|bytes| characters.push(bytes)).collect();
            assert!(whole.iter().all(|bytes| std::str::from_utf8(bytes).is_ok()), "{piece}: {whole:?}");
            assert_eq!((whole.concat(), characters.end()), (text.to_vec(), Vec::new()));
        }
    }

    #[test]
    fn what_is_no_text_is_not_held_back() {
        let mut characters = Characters::default();
        assert_eq!(characters.push(b"a\xff\x80\x80"), b"a\xff\x80\x80");
        assert_eq!((characters.push(b"x\xe2\x82"), characters.push(b"")), (b"x".to_vec(), Vec::new()));
        assert_eq!((characters.push(b"y"), characters.push(b"\xc3")), (b"\xe2\x82y".to_vec(), Vec::new()));
        assert_eq!((characters.end(), characters.end()), (b"\xc3".to_vec(), Vec::new()));
    }
}
