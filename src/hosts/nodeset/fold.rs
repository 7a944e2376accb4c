//! Names as lists and ranges again: the inverse of [`super::expand`].

use std::collections::{BTreeSet, HashMap};

/// In the place of a width: a name without a number.
const PLAIN: usize = usize::MAX;

/// The shortest way to write names that differ in their last number; the others stay as they are.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut order = Vec::new();
    let mut families: HashMap<_, BTreeSet<u64>> = HashMap::new();
    for name in names {
        let (family, number) = family_of(name);
        let numbers = families.entry(family).or_default();
        if numbers.is_empty() {
            order.push(family);
        }
        numbers.extend(number);
    }
    let mut items = Vec::new();
    for family in order {
        let Some(numbers) = families.remove(&family) else { continue };
        let (before, after, width) = family;
        let number = |number: u64| format!("{number:0width$}");
        items.push(match (numbers.len(), numbers.first()) {
            (0, _) | (_, None) => before.to_owned(),
            (1, Some(only)) => format!("{before}{}{after}", number(*only)),
            _ => {
                let ranges: Vec<String> =
                    ranges(&numbers)
                        .into_iter()
                        .map(|(low, high)| {
                            if low == high {
                                number(low)
                            } else {
                                format!("{}-{}", number(low), number(high))
                            }
                        })
                        .collect();
                format!("{before}[{}]{after}", ranges.join(","))
            }
        });
    }
    items.join(",")
}

/// What stands before and after the last number, its width where it is padded, and the number.
fn family_of(name: &str) -> ((&str, &str, usize), Option<u64>) {
    let Some(end) = name.rfind(|c: char| c.is_ascii_digit()) else { return ((name, "", PLAIN), None) };
    let start = name[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
    let digits = &name[start..=end];
    let width = if digits.starts_with('0') && digits.len() > 1 { digits.len() } else { 0 };
    match digits.parse() {
        Ok(number) => ((&name[..start], &name[end + 1..], width), Some(number)),
        Err(_) => ((name, "", PLAIN), None),
    }
}

fn ranges(numbers: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(*number) => *high = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::super::expand;
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn names_fold_by_their_last_number() {
        let folded = |names: &str| fold(names.split(' '));
        assert_eq!(folded("web3 web1 db web2 web7"), "web[1-3,7],db");
        assert_eq!(folded("n08 n09 n010 n8 r1n2.lan"), "n[08-09],n010,n8,r1n2.lan");
        assert_eq!(folded("a/b1 é2 é3 9"), "a/b1,é[2-3],9");
        assert_eq!(folded("x99999999999999999999999"), "x99999999999999999999999");
    }

    proptest! {
        #[test]
        fn what_is_folded_expands_to_the_same_names(names in prop::collection::hash_set("[a-c]{0,2}[0-9]{0,3}[a-c.]{1,2}[0-9]{0,2}", 1..20)) {
            let names: Vec<String> = names.into_iter().collect();
            let again: HashSet<String> = expand(&fold(names.iter().map(String::as_str))).expect("a pattern").into_iter().collect();
            prop_assert_eq!(again, names.into_iter().collect::<HashSet<_>>());
        }
    }
}
