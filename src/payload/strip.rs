//! Makes the agent's Python small without changing what it does: docstrings, comments, blank lines
//! and blanks beside operators go, indents shrink to one blank a level. Used by build.rs, tested here.
//!
//! The sources keep to a form that makes this safe: indents of four blanks, docstrings and
//! multi-line strings that start and end a logical line, no comment behind code, no escaped quotes.

/// Returns `source` stripped; always ends with a newline, as Python 2.4's compiler wants.
pub(crate) fn strip(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(docstring) = text.strip_prefix("\"\"\"") {
            if !docstring.contains("\"\"\"") {
                lines.by_ref().find(|line| line.trim_end().ends_with("\"\"\""));
            }
            continue;
        }
        out.extend(std::iter::repeat_n(' ', (line.len() - text.len()) / 4));
        tighten(text, &mut out);
        out.push('\n');
        if text.matches("'''").count() == 1 {
            for line in lines.by_ref() {
                out.push_str(line);
                out.push('\n');
                if line.contains("'''") {
                    break;
                }
            }
        }
    }
    out
}

/// Appends a line without the blanks that separate nothing: those that do not stand between two words.
fn tighten(line: &str, out: &mut String) {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut quote = None;
    let (mut before, mut chars) = (None, line.chars().peekable());
    while let Some(char) = chars.next() {
        match quote {
            Some(open) if char == open => quote = None,
            None if matches!(char, '\'' | '"') => quote = Some(char),
            None if char == ' ' && !(is_word(before) && is_word(chars.peek().copied())) => continue,
            Some(_) | None => {}
        }
        out.push(char);
        before = Some(char);
    }
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn docstrings_comments_and_blank_lines_go_and_indents_shrink() {
        let source = "\"\"\"Doc\nof two lines.\"\"\"\n\ndef f():\n    \"\"\"One line.\"\"\"\n    # why\n    if 1:\n        return 2\n";
        assert_eq!(strip(source), "def f():\n if 1:\n  return 2\n");
    }

    #[test]
    fn blanks_stay_between_words_and_in_strings() {
        let source = "x = [a - 1, 'b = c'] + y if not (p, q) in z else \"d, \" % e\n";
        assert_eq!(strip(source), "x=[a-1,'b = c']+y if not(p,q)in z else\"d, \"%e\n");
    }

    #[test]
    fn text_within_a_string_of_several_lines_stays() {
        let source = "    x = '''a\n    b\n\n# c''' % 1\ny = 2\n";
        assert_eq!(strip(source), " x='''a\n    b\n\n# c''' % 1\ny=2\n");
    }
}
