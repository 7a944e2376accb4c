//! Names back into one expression. Sorted; each run of digits is a dimension, and names whose other
//! texts are equal fold together.

use super::boxes;
use super::ranges::MAX_DIGITS;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Stands for a number in the text that names have in common; no name has it.
const PLACE: char = '\0';

/// A number as it is written: zeros before it count. Shorter ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    digits: u8,
    value: u64,
}

impl Number {
    fn is_padded(self) -> bool {
        self.digits > 1 && self.value < 10_u64.pow(u32::from(self.digits) - 1)
    }

    /// Whether a range that began with `first` and came to `self` goes on with `next`.
    fn goes_on(self, first: Self, next: Self) -> bool {
        let alike = if first.is_padded() { next.digits == first.digits } else { !next.is_padded() };
        alike && next.value == self.value + 1
    }
}

/// Returns the shortest expression found for `names`: empty if there are none.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut patterns: BTreeMap<String, Vec<Number>> = BTreeMap::new();
    let (mut pattern, mut numbers) = (String::new(), Vec::new());
    for name in names {
        pattern.clear();
        numbers.clear();
        take_apart(name, &mut pattern, &mut numbers);
        match patterns.get_mut(&pattern) {
            Some(all) => all.extend(&numbers),
            None => drop(patterns.insert(pattern.clone(), numbers.clone())),
        }
    }
    let mut folded = String::new();
    for (pattern, numbers) in patterns {
        fold_alike(&pattern, &numbers, &mut folded);
    }
    folded.pop();
    folded
}

/// The name without its numbers, and the numbers. The digits of `%XX` are none.
fn take_apart(name: &str, pattern: &mut String, numbers: &mut Vec<Number>) {
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit() || c == '%') {
        pattern.push_str(&rest[..at]);
        rest = &rest[at..];
        let escape = rest.get(1..3).filter(|_| rest.starts_with('%'));
        if rest.starts_with('%') {
            let length =
                if escape.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) { 3 } else { 1 };
            pattern.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        match (u8::try_from(length), rest[..length].parse()) {
            (Ok(digits), Ok(value)) if length <= MAX_DIGITS => {
                pattern.push(PLACE);
                numbers.push(Number { digits, value });
            }
            _ => pattern.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    pattern.push_str(rest);
}

/// Appends the names of one pattern, a comma after each term.
fn fold_alike(pattern: &str, numbers: &[Number], folded: &mut String) {
    let axes = pattern.matches(PLACE).count();
    if axes == 0 {
        folded.push_str(pattern);
        folded.push(',');
        return;
    }
    let known: Vec<Vec<Number>> = (0..axes)
        .map(|axis| {
            let mut known: Vec<Number> = numbers.iter().skip(axis).step_by(axes).copied().collect();
            known.sort_unstable();
            known.dedup();
            known
        })
        .collect();
    let place = |(at, number): (usize, &Number)| {
        let place = known[at % axes].binary_search(number);
        u32::try_from(place.unwrap_or_else(|_| unreachable!("all are known"))).unwrap_or(u32::MAX)
    };
    let points: Vec<u32> = numbers.iter().enumerate().map(place).collect();
    for sides in boxes::cover(&points, axes) {
        let mut sides = sides.iter().zip(&known);
        for part in pattern.split_inclusive(PLACE) {
            folded.push_str(part.trim_end_matches(PLACE));
            if let Some((side, known)) = sides.next().filter(|_| part.ends_with(PLACE)) {
                push_side(folded, side.iter().map(|place| known[*place as usize]));
            }
        }
        folded.push(',');
    }
}

/// Appends `1`, or `[1-3,7]`.
fn push_side(folded: &mut String, mut numbers: impl Iterator<Item = Number>) {
    let Some(first) = numbers.next() else { return };
    let mut ranges = vec![(first, first)];
    for number in numbers {
        match ranges.last_mut() {
            Some((first, last)) if last.goes_on(*first, number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let begins = folded.len();
    for (first, last) in &ranges {
        let (digits, value) = (usize::from(first.digits), first.value);
        let written = if first == last {
            write!(folded, ",{value:0digits$}")
        } else {
            let width = usize::from(last.digits);
            write!(folded, ",{value:0digits$}-{:0width$}", last.value)
        };
        written.unwrap_or_else(|_| unreachable!("a text takes everything"));
    }
    if let [(first, last)] = ranges[..]
        && first == last
    {
        folded.remove(begins);
    } else {
        folded.replace_range(begins..=begins, "[");
        folded.push(']');
    }
}
