//! Cuts a byte stream into lines; only complete ones are shown beside those of other hosts.

/// A longer line is shown in pieces.
const MAX_LINE_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Calls `show` with each line that is complete, without its newline.
    pub(super) fn push(&mut self, bytes: &[u8], mut show: impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if self.partial.ends_with(b"\n") {
                self.partial.pop();
                show(&self.partial);
                self.partial.clear();
            } else if self.partial.len() >= MAX_LINE_BYTES {
                show(&self.partial);
                self.partial.clear();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut shown) = (Lines::default(), Vec::new());
        chunks.iter().for_each(|chunk| lines.push(chunk, |line| shown.push(line.to_vec())));
        shown
    }

    #[test]
    fn lines_are_shown_when_they_are_complete() {
        assert_eq!(lines(&[b"a\nb", b"c\n\nd"]), [b"a".to_vec(), b"bc".to_vec(), Vec::new()]);
    }

    #[test]
    fn a_line_without_end_is_shown_in_pieces() {
        let chunk = vec![b'x'; 600_000];
        assert_eq!(lines(&[&chunk, &chunk, &chunk]).iter().map(Vec::len).collect::<Vec<_>>(), [1_200_000]);
    }
}
