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
}
