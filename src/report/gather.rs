//! What many hosts have said, with what is equal kept once: chunks in a tree, in which equal beginnings
//! share their way from the root. Beyond a limit they are in a file without a name.

use super::Place;
use crate::sys::stdio::Stream;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::hash::BuildHasher;
use std::io;
use std::os::unix::fs::FileExt;

/// What is compared and shared at a time.
pub(super) const CHUNK_BYTES: usize = 16 * 1024;
/// All chunks together; more goes to the file.
const MAX_MEMORY_BYTES: usize = 32 * 1024 * 1024;

/// The way from the root to a chunk: all that was said up to there. `None` is nothing.
pub(super) type Node = Option<usize>;

#[derive(Debug)]
pub(super) struct Gather {
    max_memory: usize,
    chunks: Vec<Chunk>,
    /// By the node before it and a hash of its bytes.
    index: HashMap<(Node, u64), Vec<usize>>,
    hasher: RandomState,
    memory_bytes: usize,
    spill: Option<(File, u64)>,
    open: HashMap<(Place, Stream), Said>,
    groups: BTreeMap<(Stream, Node), Vec<Place>>,
}

/// What a host has said so far: a node, and what is no chunk yet.
#[derive(Debug, Default)]
struct Said {
    node: Node,
    rest: Vec<u8>,
}

#[derive(Debug)]
struct Chunk {
    before: Node,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Kept(Vec<u8>),
    Spilled { at: u64, count: usize },
}

impl Default for Gather {
    fn default() -> Self {
        Self {
            max_memory: MAX_MEMORY_BYTES,
            chunks: Vec::new(),
            index: HashMap::new(),
            hasher: RandomState::new(),
            memory_bytes: 0,
            spill: None,
            open: HashMap::new(),
            groups: BTreeMap::new(),
        }
    }
}

impl Gather {
    /// # Errors
    ///
    /// When the file cannot be had, or is full.
    pub(super) fn push(&mut self, place: Place, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut said = self.open.remove(&(place, stream)).unwrap_or_default();
        said.rest.extend_from_slice(bytes);
        let whole = said.rest.len() / CHUNK_BYTES * CHUNK_BYTES;
        for chunk in said.rest[..whole].chunks(CHUNK_BYTES) {
            said.node = self.add(said.node, chunk)?;
        }
        said.rest.drain(..whole);
        self.open.insert((place, stream), said);
        Ok(())
    }

    /// A host has said all; it is in the group of those that have said the same. A last line is one
    /// without its newline too.
    ///
    /// # Errors
    ///
    /// As for [`Self::push`].
    pub(super) fn end(&mut self, place: Place, stream: Stream) -> io::Result<()> {
        let mut said = self.open.remove(&(place, stream)).unwrap_or_default();
        let last = match (said.rest.last(), said.node) {
            (Some(last), _) => Some(*last),
            (None, Some(node)) => self.read(node)?.last().copied(),
            (None, None) => None,
        };
        if last.is_some_and(|last| last != b'\n') {
            said.rest.push(b'\n');
        }
        let node = if said.rest.is_empty() { said.node } else { self.add(said.node, &said.rest)? };
        self.groups.entry((stream, node)).or_default().push(place);
        Ok(())
    }

    pub(super) fn is_open(&self, place: Place, stream: Stream) -> bool {
        self.open.contains_key(&(place, stream))
    }

    /// Those that have not ended.
    pub(super) fn open(&self) -> Vec<(Place, Stream)> {
        let mut open: Vec<_> = self.open.keys().copied().collect();
        open.sort_unstable();
        open
    }

    /// Who has said the same, the largest group first.
    pub(super) fn groups(&self, stream: Stream) -> Vec<(Node, Vec<Place>)> {
        let of_stream = self.groups.iter().filter(|((of, _), _)| *of == stream);
        let mut groups: Vec<_> = of_stream
            .map(|((_, node), places)| {
                let mut places = places.clone();
                places.sort_unstable();
                (*node, places)
            })
            .collect();
        groups.sort_by_key(|(_, places)| (std::cmp::Reverse(places.len()), places.first().copied()));
        groups
    }

    /// The chunks of what was said, in order.
    pub(super) fn way(&self, mut node: Node) -> Vec<usize> {
        let mut way = Vec::new();
        while let Some(chunk) = node {
            way.push(chunk);
            node = self.chunks[chunk].before;
        }
        way.reverse();
        way
    }

    /// # Errors
    ///
    /// When the file cannot be read.
    pub(super) fn read(&self, chunk: usize) -> io::Result<Vec<u8>> {
        match &self.chunks[chunk].bytes {
            Bytes::Kept(bytes) => Ok(bytes.clone()),
            Bytes::Spilled { at, count } => {
                let mut bytes = vec![0; *count];
                if let Some((file, _)) = &self.spill {
                    file.read_exact_at(&mut bytes, *at)?;
                }
                Ok(bytes)
            }
        }
    }

    /// The node for these bytes behind that one.
    fn add(&mut self, before: Node, bytes: &[u8]) -> io::Result<Node> {
        let key = (before, self.hasher.hash_one(bytes));
        for chunk in self.index.get(&key).into_iter().flatten() {
            if self.read(*chunk)? == bytes {
                return Ok(Some(*chunk));
            }
        }
        let kept = if self.memory_bytes + bytes.len() <= self.max_memory {
            self.memory_bytes += bytes.len();
            Bytes::Kept(bytes.to_vec())
        } else {
            self.spilled(bytes)?
        };
        let chunk = self.chunks.len();
        self.chunks.push(Chunk { before, bytes: kept });
        self.index.entry(key).or_default().push(chunk);
        Ok(Some(chunk))
    }

    fn spilled(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        let (file, end) = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert((tempfile::tempfile()?, 0)),
        };
        file.write_all_at(bytes, *end)?;
        let at = *end;
        *end += bytes.len() as u64;
        Ok(Bytes::Spilled { at, count: bytes.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(gather: &Gather, node: Node) -> Vec<u8> {
        gather.way(node).into_iter().flat_map(|chunk| gather.read(chunk).expect("readable")).collect()
    }

    fn gathered(outputs: &[Vec<u8>], piece: usize, max_memory: usize) -> Gather {
        let mut gather = Gather { max_memory, ..Gather::default() };
        for (place, output) in outputs.iter().enumerate() {
            for bytes in output.chunks(piece) {
                gather.push(place, Stream::Out, bytes).expect("kept");
            }
            gather.end(place, Stream::Out).expect("kept");
        }
        gather
    }

    #[test]
    fn who_says_the_same_is_one_group_and_the_largest_comes_first() {
        let outputs = ["b\n", "a\n", "", "a", "a\n"].map(|text| text.as_bytes().to_vec());
        let gather = gathered(&outputs, 1, MAX_MEMORY_BYTES);
        let groups: Vec<_> = gather
            .groups(Stream::Out)
            .into_iter()
            .map(|(node, places)| (String::from_utf8_lossy(&said(&gather, node)).into_owned(), places))
            .collect();
        assert_eq!(
            groups,
            [("a\n".to_owned(), vec![1, 3, 4]), ("b\n".to_owned(), vec![0]), (String::new(), vec![2])]
        );
        assert!(gather.groups(Stream::Err).is_empty());
    }

    #[test]
    fn what_is_equal_is_kept_once_wherever_it_is_kept() {
        let output: Vec<u8> = (0..100_000u32).flat_map(u32::to_be_bytes).collect();
        let outputs = vec![output.clone(); 50];
        for limit in [MAX_MEMORY_BYTES, 100_000, 0] {
            let gather = gathered(&outputs, 5000, limit);
            let spilled =
                gather.spill.as_ref().map_or(0, |(_, end)| usize::try_from(*end).unwrap_or(usize::MAX));
            assert!(gather.memory_bytes <= limit);
            assert!((output.len()..output.len() + 2).contains(&(gather.memory_bytes + spilled)));
            let groups = gather.groups(Stream::Out);
            assert_eq!(groups.len(), 1);
            assert_eq!(said(&gather, groups[0].0)[..output.len()], output);
        }
    }

    proptest! {
        #[test]
        fn groups_are_those_of_equal_outputs(
            sizes in prop::collection::vec((0usize..3, 0usize..40_000), 1..8),
            piece in 1usize..20_000,
            limit in 0usize..60_000,
        ) {
            let outputs: Vec<Vec<u8>> = sizes.iter().map(|(byte, size)| vec![b'a' + *byte as u8; *size]).collect();
            let gather = gathered(&outputs, piece, limit);
            for (node, places) in gather.groups(Stream::Out) {
                let mut whole = said(&gather, node);
                whole.pop();
                prop_assert!(places.iter().all(|place| outputs[*place] == whole));
            }
            let distinct: std::collections::HashSet<_> = outputs.iter().collect();
            prop_assert_eq!(gather.groups(Stream::Out).len(), distinct.len());
        }
    }
}
