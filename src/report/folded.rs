//! What hosts have said, told at the end: equal outputs once, under the names of all that said so, or
//! what differs from what most have said.

use super::Color;
use super::gather::{Gather, Node};
use super::{Place, difference, terminal};
use crate::hosts::nodeset;
use crate::sys::stdio::Stream;
use std::collections::VecDeque;
use std::io;

/// As dshbak draws it.
const RULE: &str = "----------------";
/// Longer outputs are not compared line by line.
const MAX_COMPARED_BYTES: usize = 16 * 1024 * 1024;

/// What is gathered instead of shown as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    Nothing,
    Output,
    /// Standard error too.
    Both,
}

impl Fold {
    pub(super) fn takes(self, stream: Stream) -> bool {
        match self {
            Self::Nothing => false,
            Self::Output => stream == Stream::Out,
            Self::Both => true,
        }
    }
}

/// A piece of the end.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// Text of ours.
    Text(Stream, String),
    /// What hosts have said.
    Chunk(Stream, usize),
    /// What differs between two groups.
    Diff(Stream, [(Node, String); 2]),
}

/// Read piece by piece, as fast as it is printed.
#[derive(Debug, Default)]
pub(super) struct Finale {
    pieces: VecDeque<Piece>,
}

/// What is to be printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Ours(Stream, String),
    Theirs(Stream, Vec<u8>),
}

impl Finale {
    /// Of all that has been gathered; `names` by place.
    pub(super) fn of(gather: &Gather, names: &[String], fold: Fold, diff: bool, colors: [Color; 2]) -> Self {
        let mut pieces = VecDeque::new();
        for (stream, color) in [Stream::Out, Stream::Err].into_iter().zip(colors) {
            if !fold.takes(stream) {
                continue;
            }
            let groups = gather.groups(stream);
            let groups: Vec<_> =
                groups.into_iter().map(|(node, places)| (node, folded(names, &places))).collect();
            if diff {
                pieces.extend(compared(stream, groups));
            } else {
                pieces.extend(groups.into_iter().flat_map(|group| told(gather, stream, color, group)));
            }
        }
        Self { pieces }
    }

    /// Lines of ours behind all of it.
    pub(super) fn close(&mut self, lines: Vec<String>) {
        let lines = lines.into_iter().map(|line| Piece::Text(Stream::Err, format!("hopvine: {line}\n")));
        self.pieces.extend(lines);
    }

    /// Where the next part goes.
    pub(super) fn stream(&self) -> Option<Stream> {
        self.pieces.front().map(|piece| match piece {
            Piece::Text(stream, _) | Piece::Chunk(stream, _) | Piece::Diff(stream, _) => *stream,
        })
    }

    /// # Errors
    ///
    /// When what has been gathered cannot be read.
    pub(super) fn next(&mut self, gather: &Gather) -> io::Result<Option<Part>> {
        let Some(piece) = self.pieces.pop_front() else { return Ok(None) };
        Ok(Some(match piece {
            Piece::Text(stream, text) => Part::Ours(stream, text),
            Piece::Chunk(stream, chunk) => Part::Theirs(stream, gather.read(chunk)?),
            Piece::Diff(stream, [(one, names), (other, others)]) => {
                let sizes = [one, other].map(|node| gather.way(node).len());
                let limit = MAX_COMPARED_BYTES / super::gather::CHUNK_BYTES;
                if sizes.iter().any(|size| *size > limit) {
                    return Ok(Some(Part::Ours(
                        stream,
                        format!(
                            "--- {names}\n+++ {others}\nBoth differ, and are too large to be compared.\n"
                        ),
                    )));
                }
                let (one, other) = (whole(gather, one)?, whole(gather, other)?);
                Part::Theirs(stream, difference::unified((&names, &one), (&others, &other)))
            }
        }))
    }
}

fn folded(names: &[String], places: &[Place]) -> String {
    terminal::one_line(&nodeset::fold(places.iter().map(|place| names[*place].as_str())))
}

/// Who has said nothing has no header.
fn told(gather: &Gather, stream: Stream, color: Color, (node, names): (Node, String)) -> Vec<Piece> {
    if node.is_none() {
        return Vec::new();
    }
    let style = match color {
        Color::Always => anstyle::AnsiColor::Cyan.on_default(),
        Color::Never => anstyle::Style::new(),
    };
    let header = Piece::Text(stream, format!("{style}{RULE}\n{names}\n{RULE}{style:#}\n"));
    let chunks = gather.way(node).into_iter().map(|chunk| Piece::Chunk(stream, chunk));
    std::iter::once(header).chain(chunks).collect()
}

/// Each group against the largest, which comes first.
fn compared(stream: Stream, groups: Vec<(Node, String)>) -> Vec<Piece> {
    let mut groups = groups.into_iter();
    let Some(largest) = groups.next() else { return Vec::new() };
    let pieces: Vec<_> = groups.map(|group| Piece::Diff(stream, [largest.clone(), group])).collect();
    if pieces.is_empty() && stream == Stream::Out {
        // Where all have failed that is no agreement.
        let what = if largest.0.is_none() { "nothing to compare, no output" } else { "no difference" };
        return vec![Piece::Text(Stream::Err, format!("hopvine: {what}: {}\n", largest.1))];
    }
    pieces
}

fn whole(gather: &Gather, node: Node) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for chunk in gather.way(node) {
        bytes.extend(gather.read(chunk)?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::gather::CHUNK_BYTES;
    use super::*;

    fn gathered(outputs: &[&[u8]]) -> (Gather, Vec<String>) {
        let mut gather = Gather::default();
        for (place, output) in outputs.iter().enumerate() {
            gather.push(place, Stream::Out, output).expect("kept");
            gather.end(place, Stream::Out).expect("kept");
        }
        (gather, (1..=outputs.len()).map(|number| format!("web{number}")).collect())
    }

    fn printed(outputs: &[&[u8]], diff: bool) -> (Vec<u8>, Vec<u8>) {
        let (gather, names) = gathered(outputs);
        let mut finale = Finale::of(&gather, &names, Fold::Both, diff, [Color::Never; 2]);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(part) = finale.next(&gather).expect("readable") {
            let (stream, bytes) = match part {
                Part::Ours(stream, text) => (stream, text.into_bytes()),
                Part::Theirs(stream, bytes) => (stream, bytes),
            };
            if stream == Stream::Out { out.extend(bytes) } else { err.extend(bytes) }
        }
        (out, err)
    }

    #[test]
    fn equal_outputs_have_one_header() {
        let (out, err) = printed(&[b"b\n", b"a\n\xff", b"", b"a\n\xff"], false);
        let wanted = b"----------------\nweb[2,4]\n----------------\na\n\xff\n----------------\nweb1\n----------------\nb\n";
        assert_eq!((out, err), (wanted.to_vec(), Vec::new()));
    }

    #[test]
    fn each_group_is_compared_with_the_largest() {
        let (out, err) = printed(&[b"a\nx\xff\n", b"a\nb\n", b"a\nb\n", b""], true);
        let wanted: &[u8] = b"--- web[2-3]\n+++ web1\n@@ -1,2 +1,2 @@\n a\n-b\n+x\xff\n--- web[2-3]\n+++ web4\n@@ -1,2 +0,0 @@\n-a\n-b\n";
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(wanted));
        assert_eq!((out, err), (wanted.to_vec(), Vec::new()));
        let (out, err) = printed(&[b"a", b"a\n"], true);
        assert_eq!((out, err), (Vec::new(), b"hopvine: no difference: web[1-2]\n".to_vec()));
        let (out, err) = printed(&[b"", b""], true);
        assert_eq!((out, err), (Vec::new(), b"hopvine: nothing to compare, no output: web[1-2]\n".to_vec()));
    }

    #[test]
    fn a_line_without_end_is_told_as_far_as_it_has_come() {
        let (gather, names) = gathered(&[&vec![b'x'; 4 * CHUNK_BYTES]]);
        let mut finale = Finale::of(&gather, &names, Fold::Output, false, [Color::Never; 2]);
        let mut sizes = Vec::new();
        while let Some(part) = finale.next(&gather).expect("readable") {
            sizes.extend(if let Part::Theirs(_, bytes) = part { Some(bytes.len()) } else { None });
        }
        assert_eq!(sizes, [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, 1]);
    }
}
