use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A few groups, files and known names.
#[derive(Default)]
struct Given {
    groups: BTreeMap<String, String>,
    known: String,
    input: String,
}

impl Given {
    fn text(place: &str, text: &str) -> Text {
        Text { place: place.to_owned(), text: text.to_owned(), ..Text::default() }
    }
}

impl Lookup for Given {
    fn group(&mut self, source: Option<&str>, name: &str) -> Result<Text, LookupError> {
        let key = source.map_or_else(|| name.to_owned(), |source| format!("{source}:{name}"));
        let known = || LookupError::Group { known: self.groups.keys().cloned().collect() };
        let text = self.groups.get(&key).ok_or_else(known)?;
        Ok(Self::text(&format!("group @{key}"), text))
    }

    fn all(&mut self, source: Option<&str>) -> Result<Vec<Text>, LookupError> {
        let prefix = source.map_or_else(String::new, |source| format!("{source}:"));
        let of_source = self
            .groups
            .iter()
            .filter(|(name, _)| name.strip_prefix(&prefix).is_some_and(|name| !name.contains(':')));
        Ok(of_source.map(|(name, text)| Self::text(name, text)).collect())
    }

    fn groups(&mut self, _source: Option<&str>) -> Result<Vec<String>, LookupError> {
        Ok(self.groups.keys().cloned().collect())
    }

    fn known(&mut self) -> Result<Vec<Text>, LookupError> {
        let groups = self.groups.iter().map(|(name, text)| Self::text(name, text));
        Ok([Self::text("known", &self.known)].into_iter().chain(groups).collect())
    }

    fn file(&mut self, path: &str, _folder: Option<&Path>) -> Result<Text, LookupError> {
        match path {
            "list" => Ok(Self::text("list", "# mine\nweb1, web2\n\nweb[4-5]!web4 db1  # and a comment\n")),
            "wrong" => Ok(Self::text("wrong", "web1\nweb[2\n")),
            "round" => Ok(Self::text("round", "^round")),
            _ => Err(LookupError::Failed { what: path.to_owned(), why: "no such file".to_owned() }),
        }
    }

    fn input(&mut self) -> Result<Text, LookupError> {
        Ok(Self::text("standard input", &self.input))
    }
}

fn parse(expression: &str) -> Result<Nodeset, Box<NodesetError>> {
    let groups = [
        ("web", "web[1-4]"),
        ("db", "db[1-2]"),
        ("all-but", "@web!web2,@db"),
        ("stars", "we*"),
        ("a", "@b"),
        ("b", "x,@c"),
        ("c", "@a"),
        ("io1", "n1"),
        ("io2", "n2"),
        ("lab:web", "lab[1-2]"),
        ("lab:both", "@web,other"),
    ];
    let groups = groups.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    Nodeset::parse(expression, &mut Given { groups, known: "web9,www,db3".into(), input: "a b\nc".into() })
}

fn names(expression: &str) -> String {
    parse(expression)
        .map_or_else(|error| format!("{error:?}"), |names| names.iter().collect::<Vec<_>>().join(" "))
}

fn wrong(expression: &str) -> (usize, Wrong) {
    let error = parse(expression).expect_err(expression);
    (error.column, error.wrong)
}

fn folded(expression: &str) -> String {
    fold(parse(expression).expect(expression).iter())
}

#[test]
fn ranges_expand_in_order_and_keep_their_padding() {
    assert_eq!(names("web[1-3,7],db"), "web1 web2 web3 web7 db");
    assert_eq!(names("n[08-11]"), "n08 n09 n10 n11");
    assert_eq!(names("n[01-10/3]"), "n01 n04 n07 n10");
    assert_eq!(names("n[7, 1 - 3,2]"), "n7 n1 n2 n3");
    assert_eq!(names("r[1-2]n[1-2].lan"), "r1n1.lan r1n2.lan r2n1.lan r2n2.lan");
    assert_eq!(names("n1[0-1]5"), "n105 n115");
    assert_eq!(names("local:c[1-2]"), "local:c1 local:c2");
}

#[test]
fn operators_are_applied_from_left_to_right() {
    assert_eq!(names("a,b,a"), "a b");
    assert_eq!(names("web[1-5]!web[2-3]"), "web1 web4 web5");
    assert_eq!(names("web[1-5]&web[4-9],db"), "web4 web5 db");
    assert_eq!(names("a[1-3]^a[2-4]"), "a1 a4");
    assert_eq!(names("a[1-3]^a3^a3^a4^a4,a9^a5"), "a1 a2 a3 a9 a5");
    assert_eq!(names("a,b!a,a"), "b a");
    assert_eq!(names("a , b ! a & b"), "b");
    assert_eq!(names("a!a"), "");
    assert_eq!(names(" a  b\nc "), "a b c");
}

#[test]
fn groups_files_and_input_stand_for_what_they_hold() {
    assert_eq!(names("@web!web3"), "web1 web2 web4");
    assert_eq!(names("@all-but"), "web1 web3 web4 db1 db2");
    assert_eq!(names("@io[1-2]"), "n1 n2");
    assert_eq!(names("@lab:*"), "lab1 lab2 other");
    assert_eq!(names("@@"), "a all-but b c db io1 io2 lab:both lab:web stars web");
    assert_eq!(names("^list"), "web1 web2 web5 db1");
    assert_eq!(names("x,^list&@web"), "web1 web2");
    assert_eq!(names("x ^list"), "x web1 web2 web5 db1");
    assert_eq!(names("web1 ^ web[1-2]"), "web2");
    assert_eq!(names("web1^web[1-2]"), "web2");
    assert_eq!(names("-,x"), "a b c x");
    for input in ["^/dev/stdin", "^/dev/fd/0", "^/proc/self/fd/0"] {
        assert_eq!(names(input), "a b c");
        assert!(asks(input).input);
    }
}

#[test]
fn groups_of_a_source_name_others_of_it() {
    assert_eq!(names("@lab:both"), "lab1 lab2 other");
}

#[test]
fn wildcards_find_known_names() {
    let without_circles = |expression: &str| {
        let groups = [("web", "web[1-4]"), ("stars", "we*"), ("both", "@stars,x")];
        let groups = groups.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let mut given = Given { groups, known: "web9,www,db3".into(), input: String::new() };
        let names = Nodeset::parse(expression, &mut given).expect(expression);
        names.iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(without_circles("w*!web[1-3]"), "web9 www web4");
    assert_eq!(without_circles("?b[2-3]"), "db3");
    assert_eq!(without_circles("@both"), "web9 web1 web2 web3 web4 x");
    assert_eq!(without_circles("nobody*"), "");
}

#[test]
fn targets_are_names() {
    assert_eq!(names("ssh:h?user=a&port=2,x"), "ssh:h?user=a&port=2 x");
    assert_eq!(names("ssh:w[1-2]?port=22/sudo:root"), "ssh:w1?port=22/sudo:root ssh:w2?port=22/sudo:root");
    assert_eq!(names("h?user=a&h?user=b"), "");
    assert_eq!(names("h?user=a&h?user=a"), "h?user=a");
    assert_eq!(names("local:a%2Cb!x"), "local:a%2Cb");
}

#[test]
fn patterns_tell_names_as_they_are_written() {
    let holds = |pattern: &str, name: &str| Pattern::parse(pattern).expect(pattern).holds(name);
    for (pattern, name) in [
        ("n[1-12][1-2]", "n111"),
        ("n[08-11]", "n08"),
        ("n[08-11]", "n11"),
        ("n[098-101]", "n101"),
        ("n[0-8/2]", "n6"),
        ("r[1-2]n[1-2].lan", "r2n1.lan"),
        ("n1[0-1]5", "n105"),
        ("a,b", "b"),
        ("n[0-1]", "n0"),
    ] {
        assert!(holds(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [
        ("n[1-12][1-2]", "n1"),
        ("n[08-11]", "n8"),
        ("n[8-11]", "n08"),
        ("n[0-8/2]", "n5"),
        ("n[1-9]", "n"),
        ("n[1-9]", "n1x"),
        ("n[1-9]!n5", "n5"),
        ("a!a", "a"),
        ("", ""),
    ] {
        assert!(!holds(pattern, name), "{pattern} {name}");
    }
    let wrong = |pattern: &str| Pattern::parse(pattern).expect_err(pattern).wrong;
    for (pattern, operand) in [("a,@web", "@web"), ("we*", "we*"), ("^list", "^list"), ("-", "-")] {
        let error = LookupError::NotHere;
        assert_eq!(wrong(pattern), Wrong::Lookup { operand: operand.into(), error });
    }
    assert_eq!(wrong("n[1-99999999]"), Wrong::TooMany);
}

#[test]
fn a_comment_in_a_group_begins_behind_a_blank() {
    let groups = [("g", "# all\na#1 b # c\n\t#d\ne")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let mut given = Given { groups: groups.into(), input: "a#1\nb".to_owned(), ..Given::default() };
    let mut names = |expression: &str| {
        let names = Nodeset::parse(expression, &mut given).expect(expression);
        names.iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("@g"), "a#1 b e");
    assert_eq!(names("-"), "a b");
}

#[test]
fn errors_name_the_place() {
    let range = |text: &str, fault| Wrong::Range { text: text.into(), fault };
    assert_eq!(wrong("web[1-"), (4, Wrong::Open));
    assert_eq!(wrong("a,web1]"), (7, Wrong::Close));
    assert_eq!(wrong("a[1[2]]"), (4, Wrong::Nested));
    assert_eq!(wrong("web[1,3-1]"), (7, range("3-1", RangeFault::Backwards)));
    assert_eq!(wrong("é[1,,2]"), (5, range("", RangeFault::Empty)));
    assert_eq!(wrong("n[01-100]"), (3, range("01-100", RangeFault::Padding)));
    assert_eq!(wrong("n[5/2]"), (3, range("5/2", RangeFault::Step)));
    assert_eq!(wrong("n[1-5/0]"), (3, range("1-5/0", RangeFault::Step)));
    assert_eq!(wrong("n[a-c]"), (3, range("a-c", RangeFault::Digits)));
    assert_eq!(wrong("n[1-9999999999999999999]").1, range("1-9999999999999999999", RangeFault::Long));
    assert_eq!(wrong("a,web[1-99999999]"), (6, Wrong::TooMany));
    assert_eq!(wrong("a[1-9999]b[1-9999]"), (11, Wrong::TooMany));
    let long = "x".repeat(1_000);
    assert_eq!(wrong(&format!("a,{long}[1-1000000]")), (1_003, Wrong::TooLong));
    assert_eq!(wrong(&format!("[1-1000]{long}[1-1000]")), (1_009, Wrong::TooLong));
    assert_eq!(wrong(&format!("n[1-1000000]{long}")), (2, Wrong::TooLong));
    assert_eq!(wrong("a,,b"), (3, Wrong::Missing(',')));
    assert_eq!(wrong("a!"), (2, Wrong::Missing('!')));
    assert_eq!(wrong("&a"), (1, Wrong::Missing('&')));
    assert_eq!(wrong("a,^"), (3, Wrong::NoName('^')));
    assert_eq!(wrong("a\u{1b}b"), (2, Wrong::Control('\u{1b}')));
    assert!(matches!(wrong("web1,@wen"), (6, Wrong::Lookup { operand, .. }) if operand == "@wen"));
    let circle = ["@a", "@b", "@c", "@a"].map(str::to_owned).to_vec();
    assert!(matches!(wrong("@a"), (_, Wrong::Circle(path)) if path == circle));
    assert!(matches!(wrong("^round"), (_, Wrong::Circle(_))));
    let within = parse("^wrong").expect_err("is wrong");
    assert_eq!((within.place.as_deref(), within.column), (Some("wrong:2"), 4));
}

#[test]
fn names_fold_sorted_and_short() {
    assert_eq!(folded("n[1-3],n5,b,a"), "a,b,n[1-3,5]");
    assert_eq!(folded("n[8-12],n[08-09]"), "n[8-9,08-12]");
    assert_eq!(folded("n[8-9,08-11]"), "n[8-9,08-11]");
    assert_eq!(folded("n[098-101]"), "n[098-101]");
    assert_eq!(folded("n7"), "n7");
    assert_eq!(folded("10.0.0.[1-9]"), "10.0.0.[1-9]");
    assert_eq!(folded("r1n[1-4],r2n[1-4],r3n[1-4]"), "r[1-3]n[1-4]");
    assert_eq!(folded("r1n[1-3],r2n[2-3],r[1-2]n9"), "r1n1,r[1-2]n[2-3,9]");
    assert_eq!(folded("r[1-4]c[1-8]n[01-32]b[0-1]"), "r[1-4]c[1-8]n[01-32]b[0-1]");
    assert_eq!(folded("h%20a1,h%20a2"), "h%20a[1-2]");
    assert_eq!(
        folded("a99999999999999999999,a99999999999999999998"),
        "a99999999999999999998,a99999999999999999999"
    );
    assert_eq!(folded("a!a"), "");
    assert_eq!(fold(["a", "a", "n1", "n1", "r1n1", "r1n1"]), "a,n1,r1n1");
}

fn term() -> impl Strategy<Value = String> {
    let side = prop_oneof![
        "[0-9]{1,3}".prop_map(|number| number),
        (0_u32..12, 0_u32..6, 1_u32..3).prop_map(|(low, more, step)| {
            if more == 0 { format!("[{low}]") } else { format!("[{low}-{}/{step}]", low + more) }
        }),
        (0_u32..9, 0_u32..9).prop_map(|(one, other)| format!("[{one:02},{other}]")),
    ];
    prop::collection::vec(("[a-c]{1,2}", side), 0..4).prop_map(|parts| {
        let parts: String = parts.into_iter().map(|(text, side)| text + &side).collect();
        format!("{parts}z")
    })
}

fn expression() -> impl Strategy<Value = String> {
    (term(), prop::collection::vec(("[,,,!&^]", term()), 0..6)).prop_map(|(first, more)| {
        more.into_iter().fold(first, |text, (operator, term)| text + &operator + &term)
    })
}

proptest! {
    #[test]
    fn any_text_is_names_or_an_error(expression in "[a-z0-9,\\[\\]/!&^@*?%= -]{0,24}") {
        drop(parse(&expression));
    }

    #[test]
    fn what_is_folded_expands_to_the_same(expression in expression()) {
        let names = parse(&expression).expect("is right");
        let folded = fold(names.iter());
        let again = parse(&folded).expect("is right");
        prop_assert_eq!(names.iter().collect::<BTreeSet<_>>(), again.iter().collect::<BTreeSet<_>>());
        prop_assert_eq!(fold(again.iter()), folded);
    }

    #[test]
    fn any_names_fold_and_expand(names in prop::collection::hash_set("[a-b][0-9]{1,2}[a-b%]?[0-9]{0,2}", 0..60)) {
        let folded = fold(names.iter().map(String::as_str));
        let again = parse(&folded).expect("is right");
        prop_assert_eq!(
            names.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            again.iter().collect::<BTreeSet<_>>()
        );
    }

    #[test]
    fn sets_obey_their_laws(one in expression(), other in expression()) {
        let groups: BTreeMap<String, String> = [("one".to_owned(), one), ("other".to_owned(), other)].into();
        let count = |expression: &str| {
            let mut given = Given { groups: groups.clone(), ..Given::default() };
            Nodeset::parse(expression, &mut given).expect("is right").len()
        };
        prop_assert_eq!(count("@one&@other") + count("@one!@other"), count("@one"));
        prop_assert_eq!(count("@one,@other"), count("@one") + count("@other") - count("@one&@other"));
        prop_assert_eq!(count("@one^@other"), count("@one,@other") - count("@one&@other"));
    }

    #[test]
    fn a_pattern_holds_what_its_expression_stands_for(expression in expression(), more in term()) {
        let names = parse(&expression).expect("is right");
        let pattern = Pattern::parse(&expression).expect("is right");
        let mut patterns = Patterns::default();
        patterns.add(pattern.clone(), 0);
        for name in parse(&format!("{},{more}", expression.replace(['!', '&', '^'], ","))).expect("is right").iter() {
            prop_assert_eq!(pattern.holds(name), names.contains(name), "{}", name);
            prop_assert_eq!(patterns.holding(name).len(), usize::from(names.contains(name)), "{}", name);
        }
    }

    #[test]
    fn operators_mean_the_same_for_names_and_for_groups(one in expression(), other in term()) {
        let groups: BTreeMap<String, String> = [("one".to_owned(), one), ("other".to_owned(), other.clone())].into();
        for operator in ["!", "&", "^", ","] {
            let of = |other: &str| {
                let mut given = Given { groups: groups.clone(), ..Given::default() };
                Nodeset::parse(&format!("@one{operator}{other}"), &mut given).expect("is right")
            };
            prop_assert_eq!(of("@other"), of(&other));
        }
    }
}
