//! The types that have a name on the wire.

/// Types that travel as a plain value with their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// ISO 8601 text, as of Python's `isoformat`.
    DateTime,
    Date,
    Time,
    /// Text: seconds, with decimals where there are some.
    TimeDelta,
    /// Text, as of `str`.
    Decimal,
    /// A named tuple or dataclass: a tuple of its name and a dict of its fields.
    Record,
}

impl Tag {
    const NAMES: [(Self, &'static str); 6] = [
        (Self::DateTime, "datetime"),
        (Self::Date, "date"),
        (Self::Time, "time"),
        (Self::TimeDelta, "timedelta"),
        (Self::Decimal, "decimal"),
        (Self::Record, "record"),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(tag, _)| *tag == self).map_or("", |(_, name)| name)
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(tag, _)| *tag)
    }
}
