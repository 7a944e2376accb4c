//! How one output differs from another, as diff -u tells it, in the bytes of both.

use imara_diff::sources::byte_lines;
use imara_diff::{Algorithm, Diff, Hunk, InternedInput};
use std::ops::Range;

/// Lines that are shown around what differs.
const CONTEXT: u32 = 3;

/// Both have a name. The last line is one without its newline too.
pub(super) fn unified(one: (&str, &[u8]), other: (&str, &[u8])) -> Vec<u8> {
    let input = InternedInput::new(byte_lines(one.1), byte_lines(other.1));
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let mut out = format!("--- {}\n+++ {}\n", one.0, other.0).into_bytes();
    let (before, after) = (input.before.len() as u32, input.after.len() as u32);
    let lines = |tokens: &[imara_diff::Token], range: Range<u32>, sign: u8, out: &mut Vec<u8>| {
        for token in &tokens[range.start as usize..range.end as usize] {
            let line = input.interner[*token];
            out.push(sign);
            out.extend(line.strip_suffix(b"\n").unwrap_or(line));
            out.push(b'\n');
        }
    };
    for group in groups(diff.hunks()) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let lead = first.before.start.min(CONTEXT);
        let tail = (before - last.before.end).min(CONTEXT);
        let old = first.before.start - lead..last.before.end + tail;
        let new = first.after.start - lead..(last.after.end + tail).min(after);
        out.extend(format!("@@ -{} +{} @@\n", told(&old), told(&new)).into_bytes());
        let mut at = old.start;
        for hunk in &group {
            lines(&input.before, at..hunk.before.start, b' ', &mut out);
            lines(&input.before, hunk.before.clone(), b'-', &mut out);
            lines(&input.after, hunk.after.clone(), b'+', &mut out);
            at = hunk.before.end;
        }
        lines(&input.before, at..old.end, b' ', &mut out);
    }
    out
}

/// Hunks whose context meets are shown together.
fn groups(hunks: impl Iterator<Item = Hunk>) -> Vec<Vec<Hunk>> {
    let mut groups: Vec<Vec<Hunk>> = Vec::new();
    for hunk in hunks {
        match groups.last_mut() {
            Some(group)
                if group.last().is_some_and(|last| hunk.before.start - last.before.end <= 2 * CONTEXT) =>
            {
                group.push(hunk);
            }
            _ => groups.push(vec![hunk]),
        }
    }
    groups
}

/// First line and count, as diff writes them: where there is none, the line before.
fn told(range: &Range<u32>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => (range.start + 1).to_string(),
        count => format!("{},{count}", range.start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(one: &str, other: &str) -> String {
        String::from_utf8_lossy(&unified(("a", one.as_bytes()), ("b", other.as_bytes()))).into_owned()
    }

    #[test]
    fn differences_have_their_context_and_meet_where_it_does() {
        let lines = |changed: &[usize]| -> String {
            (1..=20)
                .map(|at| if changed.contains(&at) { format!("x{at}\n") } else { format!("{at}\n") })
                .collect()
        };
        assert_eq!(
            shown(&lines(&[]), &lines(&[2, 19])),
            "--- a\n+++ b\n@@ -1,5 +1,5 @@\n 1\n-2\n+x2\n 3\n 4\n 5\n@@ -16,5 +16,5 @@\n 16\n 17\n 18\n-19\n+x19\n 20\n"
        );
        assert_eq!(shown(&lines(&[]), &lines(&[5, 12])).matches("@@ -2,14 +2,14 @@").count(), 1);
    }

    #[test]
    fn what_is_only_on_one_side_is_counted_as_diff_does() {
        assert_eq!(shown("", "a\nb"), "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(shown("a\n", ""), "--- a\n+++ b\n@@ -1 +0,0 @@\n-a\n");
        assert_eq!(unified(("a", b"\xff\n"), ("b", b"\xfe\n")), b"--- a\n+++ b\n@@ -1 +1 @@\n-\xff\n+\xfe\n");
    }
}
