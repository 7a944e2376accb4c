//! getopt(3) as OpenSSH has it: no permutation, values attached or in the next word.

use super::refusal::Refusal;

/// ssh's letters; a colon follows those with a value.
const LETTERS: &[u8] = b"1246ab:c:e:fgi:kl:m:no:p:qstvxACD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYyB:";

#[derive(Debug)]
pub(super) struct Getopt<'a> {
    words: &'a [&'a [u8]],
    /// The word that is read next.
    at: usize,
    /// Letters of that word that are still to be read.
    letters: &'a [u8],
}

impl<'a> Getopt<'a> {
    pub(super) fn new(words: &'a [&'a [u8]]) -> Self {
        Self { words, at: 0, letters: b"" }
    }

    /// A letter and its value, empty for those without one; `None` at the first word that is no option.
    ///
    /// # Errors
    ///
    /// For a letter that nobody knows, and a value that is missing.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Refusal> {
        if self.letters.is_empty() {
            match self.words.get(self.at) {
                Some([b'-', b'-']) => {
                    self.at += 1;
                    return Ok(None);
                }
                Some([b'-', letters @ ..]) => self.letters = letters,
                _ => {}
            }
        }
        let Some((letter, letters)) = self.letters.split_first() else { return Ok(None) };
        if *letter == b'-' && letters.is_empty() {
            // `-a-`: OpenSSH then takes the whole word for one that is no option.
            self.letters = b"";
            return Ok(None);
        }
        if !takes_value(*letter)? {
            self.letters = letters;
            self.at += usize::from(letters.is_empty());
            return Ok(Some((*letter, b"")));
        }
        self.letters = b"";
        self.at += 1;
        if !letters.is_empty() {
            return Ok(Some((*letter, letters)));
        }
        let value = self.words.get(self.at).ok_or(Refusal::NoValue(*letter))?;
        self.at += 1;
        Ok(Some((*letter, value)))
    }

    /// What follows, and whether the word before it is `--`: be it an option's value, as for OpenSSH.
    pub(super) fn rest(&self) -> (&'a [&'a [u8]], bool) {
        let (read, rest) = self.words.split_at(self.at.min(self.words.len()));
        (rest, read.last() == Some(&&b"--"[..]))
    }
}

fn takes_value(letter: u8) -> Result<bool, Refusal> {
    let at = LETTERS.iter().position(|known| *known == letter && letter != b':');
    at.map(|at| LETTERS.get(at + 1) == Some(&b':')).ok_or(Refusal::UnknownFlag(letter))
}
