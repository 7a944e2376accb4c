//! What is to be shown of the work on several targets.

use super::operation::{Answer, OperationId, Record, Report, Source};
use crate::error::HostError;
use crate::proto::entry::Piece;
use crate::proto::value::Value;
use crate::sys::stdio::Stream;
use std::time::{Duration, Instant};

/// `place`: whose it is.
#[derive(Debug)]
pub enum News<Place> {
    Output {
        place: Place,
        source: Source,
        stream: Stream,
        bytes: Vec<u8>,
    },
    Item {
        place: Place,
        source: Source,
        value: Value,
    },
    Record {
        place: Place,
        source: Source,
        record: Record,
    },
    Piece {
        operation: OperationId,
        source: Source,
        piece: Piece,
    },
    /// To be asked again, by itself: see [`super::fleet::Fleet::alone`].
    LeftBehind {
        operation: OperationId,
        deadline: Option<Instant>,
    },
    /// It was not reached, and is tried again after this time.
    Again {
        place: Place,
        error: Box<HostError>,
        after: Duration,
    },
    Done {
        place: Place,
        outcome: Result<Answer, Box<HostError>>,
        took: Duration,
    },
}

impl<Place> News<Place> {
    /// What an operation that goes on has brought; of its end `None`.
    pub(super) fn of(report: Report, place: Place) -> Option<Self> {
        Some(match report {
            Report::Output { source, stream, bytes, .. } => Self::Output { place, source, stream, bytes },
            Report::Item { source, value, .. } => Self::Item { place, source, value },
            Report::Record { source, record, .. } => Self::Record { place, source, record },
            Report::Piece { operation, source, piece } => Self::Piece { operation, source, piece },
            Report::LeftBehind { operation, deadline } => Self::LeftBehind { operation, deadline },
            Report::Done { .. } => return None,
        })
    }
}
