//! What stands in brackets: `1-20,30`, `01-10/2`.

use super::MAX_NAMES;
use std::fmt::Write;

/// Longer numbers are not counted.
pub(super) const MAX_DIGITS: usize = 18;

/// Why something is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeFault {
    Empty,
    /// Something else than digits.
    Digits,
    /// More than `MAX_DIGITS`.
    Long,
    /// From high to low.
    Backwards,
    /// A step of 0, or of a single number.
    Step,
    /// One end begins with 0, and the other one is not as long.
    Padding,
}

/// Numbers, each `step` after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    first: u64,
    last: u64,
    step: u64,
    /// Zeros fill up to so many digits.
    width: usize,
}

impl Range {
    fn written(&self, number: u64) -> String {
        let (mut text, width) = (String::with_capacity(self.width.max(4)), self.width);
        write!(text, "{number:0width$}").unwrap_or_else(|_| unreachable!("a text takes everything"));
        text
    }
}

/// What is wrong with a part of the text, which begins at this byte.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) text: String,
    pub(super) fault: RangeFault,
}

/// Reads the text between two brackets.
pub(super) fn parse(text: &str) -> Result<Vec<Range>, Fault> {
    let mut at = 0;
    let mut ranges = Vec::new();
    for part in text.split(',') {
        let begins = at + part.len() - part.trim_start().len();
        let fault = |fault| Fault { at: begins, text: part.trim().to_owned(), fault };
        ranges.push(range(part.trim()).map_err(fault)?);
        at += part.len() + 1;
    }
    Ok(ranges)
}

fn range(text: &str) -> Result<Range, RangeFault> {
    if text.is_empty() {
        return Err(RangeFault::Empty);
    }
    let (span, step) = text.split_once('/').map_or((text, None), |(span, step)| (span, Some(step)));
    let (first, last) = span.split_once('-').map_or((span, None), |(first, last)| (first, Some(last)));
    let first = first.trim();
    let last = last.map_or(first, str::trim);
    let (low, high, step) = (number(first)?, number(last)?, step.map_or(Ok(1), number)?);
    let is_padded = |digits: &str| digits.len() > 1 && digits.starts_with('0');
    if (is_padded(first) || is_padded(last)) && first.len() != last.len() {
        return Err(RangeFault::Padding);
    }
    if low > high {
        return Err(RangeFault::Backwards);
    }
    if step == 0 || (step > 1 && !span.contains('-')) {
        return Err(RangeFault::Step);
    }
    Ok(Range { first: low, last: high, step, width: if is_padded(first) { first.len() } else { 1 } })
}

fn number(digits: &str) -> Result<u64, RangeFault> {
    match digits.trim() {
        digits if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(RangeFault::Digits)
        }
        digits if digits.len() > MAX_DIGITS => Err(RangeFault::Long),
        digits => digits.parse().map_err(|_| RangeFault::Long),
    }
}

/// How many numbers these are, or `None` for more than [`MAX_NAMES`].
pub(super) fn count(ranges: &[Range]) -> Option<usize> {
    ranges.iter().try_fold(0_usize, |sum, range| {
        let count = usize::try_from((range.last - range.first) / range.step).ok()?.checked_add(1)?;
        sum.checked_add(count).filter(|sum| *sum <= MAX_NAMES)
    })
}

/// The digits of the longest number, or more.
pub(super) fn widest(ranges: &[Range]) -> usize {
    ranges.iter().map(|range| range.written(range.last).len()).max().unwrap_or_default()
}

/// The first number, as it stands in names.
pub(super) fn first(ranges: &[Range]) -> String {
    ranges.first().map_or_else(String::new, |range| range.written(range.first))
}

/// Whether one of the numbers is written so.
pub(super) fn hold(ranges: &[Range], digits: &str) -> bool {
    let padded = digits.len() > 1 && digits.starts_with('0');
    let Ok(number) = digits.parse() else { return false };
    ranges.iter().any(|range| {
        let is_written_so = digits.len() == range.width || (digits.len() > range.width && !padded);
        is_written_so
            && (range.first..=range.last).contains(&number)
            && (number - range.first) % range.step == 0
    })
}

/// The numbers, as they stand in names.
pub(super) fn numbers(ranges: &[Range]) -> Vec<String> {
    let mut numbers = Vec::new();
    for range in ranges {
        let mut number = range.first;
        while number <= range.last {
            numbers.push(range.written(number));
            number += range.step;
        }
    }
    numbers
}
