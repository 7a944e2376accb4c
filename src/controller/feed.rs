//! Standard input, copied to every command. What not all have read is kept: as much as they keep pace in
//! memory, and where one stays behind, or is still to come, in a file without a name.

use super::operation::OperationId;
use crate::error::InputError;
use crate::proto::message::INPUT_BYTES;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is read before anybody has room for it.
const AHEAD_BYTES: usize = 256 * 1024;
/// How far the slowest may be behind without a file.
const WINDOW_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub struct Feed {
    store: Store,
    /// What is kept stands from here on.
    start: u64,
    /// How many bytes have come, and whether more will.
    length: u64,
    ended: bool,
    /// Whether somebody may come yet, who reads from the first byte on.
    is_open: bool,
    /// Up to where each has read; who has been told the end is none any more.
    readers: HashMap<OperationId, u64>,
    /// The same, the slowest first: no turn costs a look at all of them.
    order: BTreeSet<(u64, OperationId)>,
    /// Nobody is given anything more: not even an end, which would look like that of the whole.
    failed: bool,
    /// Why, until that is told.
    trouble: Option<InputError>,
}

#[derive(Debug)]
enum Store {
    Window(VecDeque<u8>),
    Spool(File),
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            store: Store::Window(VecDeque::new()),
            start: 0,
            length: 0,
            ended: false,
            is_open: true,
            readers: HashMap::new(),
            order: BTreeSet::new(),
            failed: false,
            trouble: None,
        }
    }
}

impl Feed {
    /// Somebody who reads from the first byte on; nobody any more after [`Self::close`].
    pub fn add_reader(&mut self, operation: OperationId) {
        self.readers.insert(operation, 0);
        self.order.insert((0, operation));
    }

    /// Nobody else will come: what all have read is forgotten from now on.
    pub fn close(&mut self) {
        if std::mem::replace(&mut self.is_open, false) {
            self.forget_used();
        }
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
        let behind = |(at, _): &&(u64, OperationId)| !self.failed && (self.ended || *at < self.length);
        self.order.iter().take_while(behind).map(|(_, operation)| *operation).collect()
    }

    /// Whether more is to be read now: the fastest decides.
    pub fn wants_more(&self) -> bool {
        let fastest = self.order.last().filter(|_| !self.ended && !self.failed);
        fastest.is_some_and(|(at, _)| self.length - at < AHEAD_BYTES as u64)
    }

    /// Takes what has been read.
    pub fn push(&mut self, data: &[u8]) {
        let kept = match &mut self.store {
            _ if self.failed => return,
            Store::Window(bytes) => {
                bytes.extend(data);
                if bytes.len() <= WINDOW_BYTES { Ok(()) } else { self.spill() }
            }
            Store::Spool(file) => file.write_all_at(data, self.length - self.start),
        };
        self.length += data.len() as u64;
        kept.unwrap_or_else(|error| self.fail(InputError::Unkept { folder: std::env::temp_dir(), error }));
    }

    /// From now on what not all have read is in a file.
    fn spill(&mut self) -> io::Result<()> {
        let Store::Window(bytes) = &self.store else { return Ok(()) };
        let file = tempfile::tempfile()?;
        let (first, second) = bytes.as_slices();
        file.write_all_at(first, 0)?;
        file.write_all_at(second, first.len() as u64)?;
        self.store = Store::Spool(file);
        Ok(())
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Nothing more will come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// What is to come is lost: nobody is given anything more.
    pub fn fail(&mut self, why: InputError) {
        self.failed = true;
        self.trouble = Some(why);
    }

    /// Why nobody is given anything more; once.
    pub fn take_trouble(&mut self) -> Option<InputError> {
        self.trouble.take()
    }

    /// Returns the next piece for a reader and whether it is the last; `None` while there is none.
    pub fn next_chunk(&mut self, operation: OperationId) -> Option<(Vec<u8>, bool)> {
        let at = self.readers.get(&operation).copied().filter(|_| !self.failed)?;
        let count = usize::try_from(self.length - at).unwrap_or(INPUT_BYTES).min(INPUT_BYTES);
        let last = self.ended && self.length - at == count as u64;
        if count == 0 && !last {
            return None;
        }
        let chunk = self
            .read(at, count)
            .map_err(|error| self.fail(InputError::Unkept { folder: std::env::temp_dir(), error }))
            .ok()?;
        self.order.remove(&(at, operation));
        if last {
            self.readers.remove(&operation);
        } else {
            let next = at + count as u64;
            self.readers.insert(operation, next);
            self.order.insert((next, operation));
        }
        self.forget_used();
        Some((chunk, last))
    }

    fn read(&self, at: u64, count: usize) -> io::Result<Vec<u8>> {
        let skip = at - self.start;
        match &self.store {
            Store::Window(bytes) => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                let (first, second) = bytes.as_slices();
                let (first, skip) = match first.get(skip..) {
                    Some(rest) => (&rest[..count.min(rest.len())], 0),
                    None => (&[][..], skip - first.len()),
                };
                Ok([first, &second[skip..skip + count - first.len()]].concat())
            }
            Store::Spool(file) => {
                let mut chunk = vec![0; count];
                file.read_exact_at(&mut chunk, skip)?;
                Ok(chunk)
            }
        }
    }

    fn forget_used(&mut self) {
        if self.is_open {
            return;
        }
        let slowest = self.order.first().map_or(self.length, |(at, _)| *at);
        match &mut self.store {
            Store::Window(bytes) => drop(bytes.drain(..usize::try_from(slowest - self.start).unwrap_or(0))),
            // All have caught up: the file goes.
            Store::Spool(_) if slowest == self.length => self.store = Store::Window(VecDeque::new()),
            Store::Spool(_) => return,
        }
        self.start = slowest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READERS: [OperationId; 2] = [OperationId(1), OperationId(2)];

    fn read_all(feed: &mut Feed, operation: OperationId) -> (Vec<u8>, bool) {
        let (mut all, mut ended) = (Vec::new(), false);
        while let Some((chunk, last)) = feed.next_chunk(operation) {
            all.extend(chunk);
            ended |= last;
        }
        (all, ended)
    }

    /// For both readers, and nobody else.
    fn closed() -> Feed {
        let mut feed = Feed::default();
        READERS.into_iter().for_each(|reader| feed.add_reader(reader));
        feed.close();
        feed
    }

    fn noise(count: u32) -> Vec<u8> {
        (0..count).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    fn is_spooled(feed: &Feed) -> bool {
        matches!(feed.store, Store::Spool(_))
    }

    #[test]
    fn each_reader_gets_everything_and_one_end() {
        for count in [100_000, 3 * WINDOW_BYTES] {
            let mut feed = closed();
            feed.push(&vec![7; count]);
            assert_eq!(read_all(&mut feed, READERS[0]), (vec![7; count], false));
            feed.end();
            assert_eq!(read_all(&mut feed, READERS[0]), (Vec::new(), true));
            assert_eq!(read_all(&mut feed, READERS[1]), (vec![7; count], true));
            assert_eq!(read_all(&mut feed, READERS[1]), (Vec::new(), false));
        }
    }

    #[test]
    fn what_is_kept_moves_on_and_every_byte_stays_in_its_place() {
        for pieces_behind in [1, 5, 15] {
            let mut feed = closed();
            let all = noise(6_000_000);
            let (mut rest, mut read) = (&all[..], [Vec::new(), Vec::new()]);
            let mut turns = 0..;
            while !rest.is_empty() {
                let part;
                (part, rest) = rest.split_at(rest.len().min(100_003));
                feed.push(part);
                read[0].extend(read_all(&mut feed, READERS[0]).0);
                // The other is some pieces behind, and catches up now and then.
                if turns.next().is_some_and(|turn| turn % 20 >= pieces_behind) {
                    read[1].extend(read_all(&mut feed, READERS[1]).0);
                }
            }
            read[1].extend(read_all(&mut feed, READERS[1]).0);
            assert!(read == [all.clone(), all]);
        }
    }

    #[test]
    fn the_fastest_reader_decides_and_the_slowest_costs_a_file_until_it_has_caught_up() {
        let mut feed = closed();
        while feed.wants_more() {
            feed.push(&[0; AHEAD_BYTES / 4]);
        }
        assert_eq!((feed.length, is_spooled(&feed)), (AHEAD_BYTES as u64, false));
        for _ in 0..20 {
            read_all(&mut feed, READERS[0]);
            assert!(feed.wants_more());
            feed.push(&[0; AHEAD_BYTES]);
        }
        assert!(is_spooled(&feed));
        READERS.into_iter().for_each(|reader| drop(read_all(&mut feed, reader)));
        assert!(!is_spooled(&feed) && feed.wants_more());
    }

    #[test]
    fn readers_that_keep_pace_need_no_file() {
        let mut feed = closed();
        for _ in 0..50 {
            feed.push(&[0; AHEAD_BYTES]);
            READERS.into_iter().for_each(|reader| drop(read_all(&mut feed, reader)));
            assert!(matches!(&feed.store, Store::Window(bytes) if bytes.is_empty()));
        }
    }

    #[test]
    fn only_who_has_not_had_all_is_hungry() {
        let mut feed = closed();
        let [one, other] = READERS;
        assert!(feed.hungry().is_empty());
        feed.push(b"more");
        read_all(&mut feed, other);
        assert_eq!(feed.hungry(), [one]);
        feed.end();
        assert_eq!(feed.hungry(), [one, other]);
        [one, other].into_iter().for_each(|reader| drop(read_all(&mut feed, reader)));
        assert!(feed.hungry().is_empty());
    }

    #[test]
    fn who_comes_late_misses_nothing() {
        for count in [5, 3_000_000] {
            let mut feed = Feed::default();
            let all = noise(count);
            feed.add_reader(READERS[0]);
            feed.push(&all);
            read_all(&mut feed, READERS[0]);
            feed.end();
            feed.add_reader(READERS[1]);
            feed.close();
            assert!(read_all(&mut feed, READERS[1]) == (all, true));
        }
    }

    #[test]
    fn what_is_lost_looks_like_no_end() {
        let mut feed = closed();
        feed.push(b"half of");
        feed.fail(InputError::Unread(io::ErrorKind::Other.into()));
        feed.end();
        assert!(feed.hungry().is_empty() && !feed.wants_more());
        assert_eq!(feed.next_chunk(READERS[0]), None);
        assert!(feed.take_trouble().is_some() && feed.take_trouble().is_none());
    }
}
