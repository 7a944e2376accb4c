//! `*` and `?`, in names of hosts and in names of files.

/// Whether all of `name` is as `mask` says. Takes no longer than the product of both lengths.
pub fn matches(mask: &str, name: &str) -> bool {
    let (mask, name): (Vec<char>, Vec<char>) = (mask.chars().collect(), name.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // The last `*`, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match mask.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(char) if *char == '?' || *char == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                seen = taken + 1;
            }
        }
    }
    mask[at..].iter().all(|char| *char == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_mask_means_the_whole_name() {
        for (mask, name) in
            [("web*", "web1"), ("*", ""), ("w?b1", "web1"), ("*b*1", "abab11"), ("a*b*c", "aXbYbc")]
        {
            assert!(matches(mask, name), "{mask} {name}");
        }
        for (mask, name) in [("web", "web1"), ("?", ""), ("*b", "abc"), ("a*b*c", "acb"), ("", "a")] {
            assert!(!matches(mask, name), "{mask} {name}");
        }
    }
}
