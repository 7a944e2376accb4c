//! The golden bytes of `fixtures/`: read here and by the agent under every Python. `make fixtures`
//! writes the hexadecimal columns again from this side; review the difference.

use super::frame::{Decoder, Frame, Kind, Priority};
use super::ids::{ContextId, StreamId};
use super::json;
use super::message::{ChildHello, Credit, ParentHello, Record, ResetReason, greeting};
use super::value::Value;
use std::fs;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}

/// The columns of each line that is not a comment.
fn rows(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path(name)).expect("a fixture");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(" | ").map(str::to_owned).collect()).collect()
}

fn frames() -> Vec<(&'static str, Frame)> {
    let (controller, agent) = (ContextId::CONTROLLER, ContextId(7));
    let down = |kind, stream, body| Frame::control(kind, controller, agent, StreamId(stream), body);
    let up = |kind, stream, body| Frame::control(kind, agent, controller, StreamId(stream), body);
    let hello =
        greeting(agent, &[ContextId(3), controller], *b"0123456789abcdef", 15_000, 0, "hopvine:me".into());
    let answer = ChildHello { version: super::VERSION, pid: 4242, python: 0x030b_07f0 };
    let data =
        |kind, priority, more, end| Frame { priority, more, end, ..down(kind, 2, b"\x01abc".to_vec()) };
    vec![
        ("parent's hello", down(Kind::Hello, 0, Record::encode(&hello))),
        ("child's hello", up(Kind::Hello, 0, Record::encode(&answer))),
        ("ping", down(Kind::Ping, 0, Vec::new())),
        ("pong", up(Kind::Pong, 0, b"as asked".to_vec())),
        ("bye", down(Kind::Bye, 0, Vec::new())),
        ("a call opens a stream", data(Kind::Open, Priority::Interactive, false, true)),
        ("the first of two frames", data(Kind::Open, Priority::Bulk, true, false)),
        ("data", data(Kind::Data, Priority::Interactive, false, false)),
        ("credit", up(Kind::Credit, 2, Record::encode(&Credit { bytes: 65_536 }))),
        ("reset", down(Kind::Reset, 2, ResetReason::Cancelled.encode())),
        ("a child's stream has an odd number", Frame { end: true, ..up(Kind::Open, 1, b"\x16m".to_vec()) }),
    ]
}

#[test]
fn fixtures_of_frames() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let head = "# what it is | kind flags to from stream | body | the whole frame\n";
        let lines = frames().into_iter().map(|(name, frame)| {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            let (kind, flags) = (bytes[8], bytes[9]);
            let Frame { to, from, stream, body, .. } = &frame;
            let ids = format!("{kind} {flags} {} {} {}", to.0, from.0, stream.0);
            format!("{name} | {ids} | {} | {}\n", hex(body), hex(&bytes))
        });
        fs::write(path("frames.txt"), head.to_owned() + &lines.collect::<String>()).expect("can be written");
    }
    let rows = rows("frames.txt");
    assert_eq!(rows.len(), frames().len());
    for ((name, frame), row) in frames().into_iter().zip(rows) {
        assert_eq!(row[0], name);
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(hex(&bytes), row[3], "{name}");
        let mut decoder = Decoder::default();
        assert_eq!(decoder.poll_frame(&mut &unhex(&row[3])[..]), Ok(Some(frame)), "{name}");
    }
}

#[test]
fn fixtures_of_hellos() {
    let rows = rows("frames.txt");
    let hello = <ParentHello as Record>::decode(&unhex(&rows[0][2])).expect("a hello");
    assert_eq!((hello.context, hello.ancestors, hello.title.as_str()), (7, vec![3, 0], "hopvine:me"));
    let hello = <ChildHello as Record>::decode(&unhex(&rows[1][2])).expect("a hello");
    assert_eq!((hello.pid, hello.python), (4242, 0x030b_07f0));
}

#[test]
fn fixtures_of_values() {
    for row in rows("values.txt") {
        let value = Value::decode(&unhex(&row[0])).unwrap_or_else(|error| panic!("{}: {error:?}", row[1]));
        assert_eq!(json::to_json(&value, 1000).as_deref(), Some(row[2].as_str()), "{}", row[1]);
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        assert_eq!(hex(&bytes), row[0], "{}", row[1]);
    }
}

#[test]
fn fixtures_of_what_is_no_value() {
    for row in rows("broken-values.txt") {
        let error = Value::decode(&unhex(&row[0])).expect_err(&row[1]);
        assert_eq!(format!("{error:?}"), row[1]);
    }
}
