//! Standard input, copied to every command: at the pace of the slowest, or, while hosts still wait
//! for their turn, kept in a file without a name until all have read it.

use super::operation::OperationId;
use crate::proto::message::INPUT_BYTES;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How far the fastest reader may be ahead of the slowest.
const WINDOW_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub struct Feed {
    store: Store,
    /// How many bytes have come, and whether more will.
    length: u64,
    ended: bool,
    /// Up to where each has read; who has been told the end is none any more.
    readers: HashMap<OperationId, u64>,
    /// The same, the slowest first: no turn costs a look at all of them.
    order: BTreeSet<(u64, OperationId)>,
}

#[derive(Debug)]
enum Store {
    /// What the slowest reader has not had; its first byte stands at `start`.
    Window {
        start: u64,
        bytes: VecDeque<u8>,
    },
    Spool(File),
}

impl Feed {
    /// For readers that are all there from the start.
    pub fn shared() -> Self {
        Self::new(Store::Window { start: 0, bytes: VecDeque::new() })
    }

    /// For readers that come one after another.
    ///
    /// # Errors
    ///
    /// When no temporary file can be made.
    pub fn spooled() -> io::Result<Self> {
        Ok(Self::new(Store::Spool(tempfile::tempfile()?)))
    }

    fn new(store: Store) -> Self {
        Self { store, length: 0, ended: false, readers: HashMap::new(), order: BTreeSet::new() }
    }

    pub fn add_reader(&mut self, operation: OperationId) {
        self.readers.insert(operation, 0);
        self.order.insert((0, operation));
    }

    pub fn remove_reader(&mut self, operation: OperationId) {
        if let Some(at) = self.readers.remove(&operation) {
            self.order.remove(&(at, operation));
            self.forget_used();
        }
    }

    /// Removes the readers that are not wanted any more.
    pub fn retain_readers(&mut self, wanted: impl Fn(OperationId) -> bool) {
        self.readers.retain(|operation, _| wanted(*operation));
        self.order.retain(|(_, operation)| wanted(*operation));
        self.forget_used();
    }

    /// Who has not been given all that there is, the slowest first.
    pub fn hungry(&self) -> Vec<OperationId> {
        let behind = |(at, _): &&(u64, OperationId)| self.ended || *at < self.length;
        self.order.iter().take_while(behind).map(|(_, operation)| *operation).collect()
    }

    /// Whether more is to be read now.
    pub fn wants_more(&self) -> bool {
        !self.ended
            && match &self.store {
                Store::Window { bytes, .. } => bytes.len() < WINDOW_BYTES && !self.readers.is_empty(),
                Store::Spool(_) => {
                    self.order.last().is_some_and(|(at, _)| self.length - at < WINDOW_BYTES as u64)
                }
            }
    }

    /// Takes what has been read.
    ///
    /// # Errors
    ///
    /// When the spool's disk is full.
    pub fn push(&mut self, data: &[u8]) -> io::Result<()> {
        match &mut self.store {
            Store::Window { bytes, .. } => bytes.extend(data),
            Store::Spool(file) => file.write_all_at(data, self.length)?,
        }
        self.length += data.len() as u64;
        Ok(())
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Nothing more will come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Returns the next piece for a reader and whether it is the last; `None` while there is none.
    ///
    /// # Errors
    ///
    /// When the spool cannot be read.
    pub fn next_chunk(&mut self, operation: OperationId) -> io::Result<Option<(Vec<u8>, bool)>> {
        let Some(at) = self.readers.get(&operation).copied() else { return Ok(None) };
        let count = usize::try_from(self.length - at).unwrap_or(INPUT_BYTES).min(INPUT_BYTES);
        let last = self.ended && self.length - at == count as u64;
        if count == 0 && !last {
            return Ok(None);
        }
        let chunk = match &self.store {
            Store::Window { start, bytes } => {
                let skip = usize::try_from(at - start).unwrap_or(0);
                let (first, second) = bytes.as_slices();
                let (first, skip) = match first.get(skip..) {
                    Some(rest) => (&rest[..count.min(rest.len())], 0),
                    None => (&[][..], skip - first.len()),
                };
                [first, &second[skip..skip + count - first.len()]].concat()
            }
            Store::Spool(file) => {
                let mut chunk = vec![0; count];
                file.read_exact_at(&mut chunk, at)?;
                chunk
            }
        };
        self.order.remove(&(at, operation));
        if last {
            self.readers.remove(&operation);
        } else {
            let next = at + count as u64;
            self.readers.insert(operation, next);
            self.order.insert((next, operation));
        }
        self.forget_used();
        Ok(Some((chunk, last)))
    }

    fn forget_used(&mut self) {
        let slowest = self.order.first().map_or(self.length, |(at, _)| *at);
        if let Store::Window { start, bytes } = &mut self.store {
            let used = usize::try_from(slowest - *start).unwrap_or(0);
            bytes.drain(..used);
            *start = slowest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(feed: &mut Feed, operation: OperationId) -> (Vec<u8>, bool) {
        let (mut all, mut ended) = (Vec::new(), false);
        while let Some((chunk, last)) = feed.next_chunk(operation).expect("readable") {
            all.extend(chunk);
            ended |= last;
        }
        (all, ended)
    }

    #[test]
    fn each_reader_gets_everything_and_one_end() {
        for mut feed in [Feed::shared(), Feed::spooled().expect("a temporary file")] {
            let readers = [OperationId(1), OperationId(2)];
            readers.into_iter().for_each(|reader| feed.add_reader(reader));
            feed.push(&[7; 100_000]).expect("room");
            assert_eq!(read_all(&mut feed, readers[0]), (vec![7; 100_000], false));
            feed.end();
            assert_eq!(read_all(&mut feed, readers[0]), (Vec::new(), true));
            assert_eq!(read_all(&mut feed, readers[1]), (vec![7; 100_000], true));
            assert_eq!(read_all(&mut feed, readers[1]), (Vec::new(), false));
        }
    }

    #[test]
    fn a_window_that_moves_on_keeps_every_byte_in_its_place() {
        let mut feed = Feed::shared();
        let readers = [OperationId(1), OperationId(2)];
        readers.into_iter().for_each(|reader| feed.add_reader(reader));
        let all: Vec<u8> =
            (0..2_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (mut rest, mut read) = (&all[..], [Vec::new(), Vec::new()]);
        while !rest.is_empty() {
            let part;
            (part, rest) = rest.split_at(rest.len().min(100_003));
            feed.push(part).expect("room");
            read[0].extend(read_all(&mut feed, readers[0]).0);
            // The other is always some pieces behind.
            read[1].extend(
                feed.next_chunk(readers[1]).expect("readable").map_or(Vec::new(), |(chunk, _)| chunk),
            );
        }
        read[1].extend(read_all(&mut feed, readers[1]).0);
        assert!(read == [all.clone(), all]);
    }

    #[test]
    fn the_slowest_reader_stops_the_source() {
        let mut feed = Feed::shared();
        feed.add_reader(OperationId(1));
        feed.add_reader(OperationId(2));
        feed.push(&[0; WINDOW_BYTES]).expect("room");
        read_all(&mut feed, OperationId(1));
        assert!(!feed.wants_more());
        feed.remove_reader(OperationId(2));
        assert!(feed.wants_more());
    }

    #[test]
    fn only_who_has_not_had_all_is_hungry() {
        let mut feed = Feed::shared();
        let [one, other] = [OperationId(1), OperationId(2)];
        [one, other].into_iter().for_each(|reader| feed.add_reader(reader));
        assert!(feed.hungry().is_empty());
        feed.push(b"more").expect("room");
        read_all(&mut feed, other);
        assert_eq!(feed.hungry(), [one]);
        feed.end();
        assert_eq!(feed.hungry(), [one, other]);
        [one, other].into_iter().for_each(|reader| drop(read_all(&mut feed, reader)));
        assert!(feed.hungry().is_empty());
    }

    #[test]
    fn a_late_reader_of_a_spool_misses_nothing() {
        let mut feed = Feed::spooled().expect("a temporary file");
        feed.push(b"early").expect("room");
        feed.end();
        feed.add_reader(OperationId(3));
        assert_eq!(read_all(&mut feed, OperationId(3)), (b"early".to_vec(), true));
    }
}
