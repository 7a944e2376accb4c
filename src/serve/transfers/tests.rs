use super::*;
use crate::proto::entry::{Entry, EntryKind, MAX_HOLE_BYTES};
use crate::proto::frame::Priority;
use crate::proto::ids::ContextId;
use crate::proto::stream::StreamEvent;
use sha1::{Digest, Sha1};
use std::fs;
use std::os::unix::net::UnixStream;

const ABOVE: ContextId = ContextId(0);
const HERE: ContextId = ContextId(1);

/// Who asks, and who serves; frames are exchanged at once, work is done turn by turn.
struct Pair {
    above: Streams,
    here: Streams,
    transfers: Transfers,
    watched: Watched,
    /// What has been told to whoever asks.
    told: Vec<FromAgent>,
    _watchdog: UnixStream,
}

impl Pair {
    fn new() -> Self {
        let (watchdog, orders) = UnixStream::pair().expect("a pair");
        Self {
            above: Streams::new(ABOVE),
            here: Streams::new(HERE),
            transfers: Transfers::default(),
            watched: Watched::Ours { orders },
            told: Vec::new(),
            _watchdog: watchdog,
        }
    }

    fn open(&mut self, message: &ToAgent, end: bool) -> StreamKey {
        let key = self.above.open(HERE, Priority::Bulk, message.encode(), end);
        self.exchange();
        key
    }

    fn send(&mut self, key: StreamKey, piece: Piece, end: bool) {
        self.above.send(key, ToAgent::File(piece).encode(), end);
        self.exchange();
    }

    /// As the relay does.
    fn exchange(&mut self) {
        loop {
            while let Some(frame) = self.above.poll_frame() {
                self.here.handle_frame(frame, clock::now());
            }
            while let Some(event) = self.here.poll_event() {
                self.handle(event);
            }
            let Some(frame) = self.here.poll_frame() else { break };
            self.above.handle_frame(frame, clock::now());
            while let Some(event) = self.above.poll_event() {
                if let StreamEvent::Message { message, .. } = event {
                    self.told.push(FromAgent::decode(&message).expect("a message"));
                }
            }
        }
    }

    fn handle(&mut self, event: StreamEvent) {
        let streams = &mut self.here;
        match event {
            StreamEvent::Message { key, message, opens: true, .. } => match ToAgent::decode(&message) {
                Ok(ToAgent::Put(order)) => self.transfers.put(key, &order, streams, &self.watched),
                Ok(ToAgent::Fetch(order)) => self.transfers.fetch(key, &order, streams),
                other => panic!("{other:?}"),
            },
            StreamEvent::Message { key, message, end, owed_bytes, .. } => {
                self.transfers.take(key, &message, owed_bytes, end, streams);
            }
            StreamEvent::Reset { key, .. } => drop(self.transfers.cancel(key, streams)),
            StreamEvent::Settled { .. } => {}
        }
    }

    fn turn(&mut self) -> bool {
        let busy = self.transfers.turn(&mut self.here);
        self.exchange();
        busy
    }
}

fn put(path: &Path, packed: bool) -> ToAgent {
    let order = [
        ("path", path_node(path)),
        ("mode", Node::Int(0o640)),
        ("keep", Node::Bool(false)),
        ("tree", Node::Bool(false)),
        ("packed", Node::Bool(packed)),
    ];
    ToAgent::Put(Builder::default().dict(order))
}

fn fetch(path: &Path) -> ToAgent {
    ToAgent::Fetch(Builder::default().dict([("path", path_node(path)), ("tree", Node::Bool(true))]))
}

fn file(size: u64) -> Piece {
    let kind = EntryKind::File { size: Some(size) };
    Piece::Entry(Entry { name: Vec::new(), mode: 0o644, mtime_ns: 0, kind })
}

fn trouble(pair: &Pair) -> String {
    match &pair.told[..] {
        [FromAgent::Trouble(why)] => String::from_utf8_lossy(why).into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_put_can_be_fetched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let contents: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(97) >> 7) as u8).collect();
    let mut pair = Pair::new();
    let key = pair.open(&put(&path, false), false);
    pair.send(key, file(contents.len() as u64), false);
    for piece in contents.chunks(61_440) {
        pair.send(key, Piece::Content(piece.to_vec()), false);
        pair.turn();
    }
    pair.send(key, Piece::Sum(Sha1::digest(&contents).into()), false);
    pair.send(key, Piece::Content(Vec::new()), true);
    assert!(!pair.turn());
    let Some(FromAgent::Result(total)) = pair.told.pop() else { panic!("no result") };
    assert_eq!(total.get("size").map(|id| total.node(id).clone()), Some(Node::Int(3_000_000)));
    assert_eq!(fs::read(&path).expect("there"), contents);

    pair.open(&fetch(&path), true);
    while !pair.transfers.running.is_empty() {
        pair.turn();
    }
    let Some(FromAgent::Result(again)) = pair.told.pop() else { panic!("no result") };
    assert_eq!(again.get("files").map(|id| again.node(id).clone()), Some(Node::Int(1)));
    let fetched = pair.told.iter().filter_map(|message| match message {
        FromAgent::File(Piece::Content(bytes)) => Some(bytes.clone()),
        _ => None,
    });
    assert!(fetched.flatten().eq(contents));
}

#[test]
fn a_turn_is_about_a_megabyte_and_nothing_is_read_ahead_of_its_reader() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, vec![7; 20 << 20]).expect("written");
    let mut pair = Pair::new();
    pair.above.open(HERE, Priority::Bulk, fetch(&path).encode(), true);
    while let Some(frame) = pair.above.poll_frame() {
        pair.here.handle_frame(frame, clock::now());
    }
    while let Some(event) = pair.here.poll_event() {
        pair.handle(event);
    }
    let mut turns = 0;
    while pair.transfers.turn(&mut pair.here) {
        turns += 1;
    }
    let waits: usize = std::iter::from_fn(|| pair.here.poll_frame()).map(|frame| frame.body.len()).sum();
    assert!(turns <= 1 && waits <= 65_536, "{turns} turns, {waits} bytes");
    let unsent: Vec<usize> = pair.transfers.running.keys().map(|key| pair.here.unsent_bytes(*key)).collect();
    assert!(matches!(unsent[..], [bytes] if (MAX_UNSENT_BYTES..MAX_UNSENT_BYTES + 65_536).contains(&bytes)));

    let mut pair = Pair::new();
    let key = pair.open(&put(&folder.path().join("new"), false), false);
    pair.send(key, file(100 << 20), false);
    for _ in 0..2 * PIECES_OF_A_TURN {
        pair.send(key, Piece::Hole(65_536), false);
    }
    assert_eq!([pair.turn(), pair.turn(), pair.turn()], [true, true, false]);
    for _ in 0..2 {
        pair.send(key, Piece::Hole(MAX_HOLE_BYTES), false);
    }
    assert_eq!([pair.turn(), pair.turn()], [true, false]);
}

#[test]
fn credit_comes_with_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut pair = Pair::new();
    let key = pair.open(&put(&folder.path().join("file"), false), false);
    pair.send(key, file(1 << 30), false);
    for _ in 0..40 {
        pair.send(key, Piece::Content(vec![0; 50_000]), false);
    }
    let waits = pair.above.unsent_bytes(key);
    assert!(waits > 40 * 50_000 - 65_536, "{waits}");
    while pair.above.unsent_bytes(key) > 0 {
        let before = pair.above.unsent_bytes(key);
        pair.turn();
        assert!(pair.above.unsent_bytes(key) < before);
    }
}

#[test]
fn one_that_is_cancelled_or_wrong_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, "old").expect("written");
    let mut pair = Pair::new();
    let key = pair.open(&put(&path, false), false);
    pair.send(key, file(10), false);
    pair.send(key, Piece::Content(b"new".to_vec()), false);
    pair.turn();
    pair.above.reset(key, ResetReason::Cancelled);
    pair.exchange();
    assert!(pair.transfers.running.is_empty() && pair.told.is_empty());

    let wrong = [
        (vec![file(2), Piece::Content(b"new".to_vec())], false, "has become larger on the way"),
        (vec![file(3), Piece::Content(b"new".to_vec()), Piece::Sum([0; 20])], false, "another SHA-1 sum"),
        (vec![file(3), Piece::Content(b"new".to_vec()), Piece::Content(Vec::new())], false, "not come whole"),
        (vec![file(u64::MAX - 1), Piece::Content(b"no deflate".to_vec())], true, "does not inflate"),
        (vec![Piece::Content(b"new".to_vec())], false, "contents of no file"),
    ];
    for (pieces, packed, says) in wrong {
        let mut pair = Pair::new();
        let key = pair.open(&put(&path, packed), false);
        let count = pieces.len();
        for (at, piece) in pieces.into_iter().enumerate() {
            pair.send(key, piece, at + 1 == count);
        }
        pair.turn();
        assert!(trouble(&pair).contains(says), "{} for {says}", trouble(&pair));
        assert!(pair.transfers.running.is_empty());
    }
    assert_eq!(fs::read(&path).expect("there"), b"old");
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
}

#[test]
fn what_cannot_be_is_told_in_words_that_name_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none/file");
    for order in [put(&missing, false), fetch(&missing)] {
        let mut pair = Pair::new();
        pair.open(&order, true);
        pair.turn();
        assert_eq!(trouble(&pair), format!("{}: No such file or directory", missing.display()));
    }
    let mut pair = Pair::new();
    pair.open(&put(folder.path(), false), false);
    let key = StreamKey { peer: HERE, id: StreamId(2) };
    pair.send(key, file(0), false);
    pair.turn();
    assert!(
        trouble(&pair).ends_with("is a folder; name the file in it, or end the name with /"),
        "{}",
        trouble(&pair)
    );
}
