use super::*;

fn conf(text: &str) -> Conf {
    let mut conf = Conf::default();
    conf.read(text).expect("is a configuration");
    conf
}

#[test]
fn sections_name_sources_and_how_they_are_asked() {
    let text = "# groups\n[Main]\ndefault: lab\nautodir = /a $CFGDIR/b\n\n[lab,Yard]\nmap: sed -n 's/^$GROUP:x/y/' f\n\
                all: cat \\\n  f\nLIST= ls\n";
    let conf = conf(text);
    assert_eq!((conf.main("default"), conf.main("autodir")), (Some("lab"), Some("/a $CFGDIR/b")));
    let sources = conf.sources().expect("all can be asked");
    let upcalls = Upcalls {
        map: Some("sed -n 's/^$GROUP:x/y/' f".into()),
        mapall: None,
        all: Some("cat \\\nf".into()),
        list: Some("ls".into()),
    };
    assert_eq!(sources, [("lab".to_owned(), upcalls.clone()), ("Yard".to_owned(), upcalls)]);
}

#[test]
fn later_files_win() {
    let mut both = conf("[Main]\ndefault: a\n[s]\nmap: one\nlist: l\n");
    both.read("[s]\nmap: two\n").expect("is a configuration");
    let sources = both.sources().expect("all can be asked");
    assert_eq!((sources[0].1.map.as_deref(), sources[0].1.list.as_deref()), (Some("two"), Some("l")));
    assert_eq!(both.main("default"), Some("a"));
}

#[test]
fn what_is_no_configuration_is_told_by_line() {
    let wrong = |text: &str| Conf::default().read(text).expect_err(text);
    assert_eq!(wrong("map: x\n"), ClustershellError::Section { line: 1 });
    assert_eq!(wrong("[a]\nmap x\n"), ClustershellError::Option { line: 2 });
    assert_eq!(conf("[a]\nall: x\n").sources(), Err(ClustershellError::NoMap { section: "a".into() }));
}

#[test]
fn lists_hold_a_group_on_each_line() {
    let groups = list("# mine\nweb: web[1-2]\nall: @web,db\n\nweb: web9 # more\n").expect("is a list");
    assert_eq!(groups["web"], "web[1-2]\nweb9\n");
    assert_eq!(groups["all"], "@web,db\n");
    assert_eq!(list("web: a\nweb\n"), Err(ClustershellError::Group { line: 2 }));
}

#[test]
fn names_are_filled_in_and_the_rest_stays() {
    let known = [("GROUP", "web"), ("CFGDIR", "/etc/c")];
    assert_eq!(
        substitute("$CFGDIR/x '$GROUP' ${GROUP}s $$f $f ${x $", &known),
        "/etc/c/x 'web' webs $f $f ${x $"
    );
    assert_eq!(substitute("$GROUPS", &known), "$GROUPS");
}

#[test]
fn yaml_has_sources_and_their_groups() {
    let text = "---\n# mine\nroles:\n    web: web[1-4],web9   # in front\n    'db': \"db[1-2]\"\n    all: '@web,@db'\n    none:\n\
                \"racks\":\n  r1:\n    - n[1-2]\n    - '@roles:db'\n  r2: [a, 'b[1-2]', c]\n  r3: [a, \"b\"]\nempty: {}\n";
    let sources = yaml(text).expect("is all that is needed");
    assert_eq!(sources["racks"]["r2"], "a\nb[1-2]\nc");
    assert_eq!(sources["roles"]["web"], "web[1-4],web9");
    assert_eq!(sources["roles"]["db"], "db[1-2]");
    assert_eq!(sources["roles"]["all"], "@web,@db");
    assert_eq!(sources["roles"]["none"], "");
    assert_eq!(sources["racks"]["r1"], "n[1-2]\n@roles:db\n");
    assert_eq!(sources["racks"]["r3"], "a\nb");
    assert_eq!(sources["empty"].len(), 0);
}

#[test]
fn more_of_yaml_is_an_error_with_its_line() {
    for (text, line) in [
        ("a:\n  b: &x n1\n", 2),
        ("a:\n  b: |\n    n1\n", 2),
        ("a:\n  b: n1\n    n2\n", 3),
        ("a:\n  b:\n    c: n1\n", 3),
        ("a:\n\tb: n1\n", 2),
        ("a: n1\n", 1),
        ("- a\n", 1),
        ("a: {b: n1}\n", 1),
        ("a:\n  b: @c\n", 2),
        ("a:\n  b: \"n\\x31\"\n", 2),
        ("<<: *x\n", 1),
        ("a:\n  b: - c\n", 2),
        ("a:\n  b: -\n", 2),
        ("a:\n  b:\n    - - c\n", 3),
    ] {
        assert_eq!(yaml(text), Err(ClustershellError::Yaml { line }), "{text}");
    }
}

#[test]
fn a_comment_begins_behind_a_blank() {
    let sources = yaml("s:\n  g: a#1  # b\n  h: [a#2, b]\n  i: #\n").expect("is all that is needed");
    assert_eq!((&*sources["s"]["g"], &*sources["s"]["h"], &*sources["s"]["i"]), ("a#1", "a#2\nb", ""));
    assert_eq!(list("g: a#1 # b\n").expect("is a list")["g"], "a#1\n");
}

#[test]
fn what_is_not_read_still_has_the_names_of_its_sources() {
    let text = "# mine\none:\n  g: >\n    a\n---\n'two': {}\n- odd\nthree: >\n";
    assert_eq!(yaml_sources(text), ["one", "two", "three"]);
    let mut conf = Conf::default();
    assert!(conf.read("[a, b]\nmap: x\n[Main]\n[c]\nodd\n").is_err());
    assert_eq!(conf.names(), ["a", "b", "c"]);
}

#[test]
fn control_characters_are_in_no_name() {
    let odd = |line| ClustershellError::Control { line };
    assert_eq!(list("a: n1\n\x1b[2J: n2\n"), Err(odd(2)));
    assert_eq!(yaml("racks:\n  \x1b[2J: n1\n"), Err(odd(2)));
    assert_eq!(Conf::default().read("[\x1b[2J]\nmap: x\n"), Err(odd(1)));
    assert!(list("a:\tn1\n").is_ok());
}

#[test]
fn quotes_keep_the_items_of_a_list_together() {
    let nodes = |list: &str| yaml(&format!("s:\n  g: {list}\n")).map(|sources| sources["s"]["g"].clone());
    for (list, expected) in [
        ("['n[1-4]', n5]", "n[1-4]\nn5"),
        ("['n5', 'n6,n7']", "n5\nn6,n7"),
        ("[ \"a]\" ,b, ] # more", "a]\nb"),
        ("[]", ""),
    ] {
        assert_eq!(nodes(list).as_deref(), Ok(expected), "{list}");
    }
    for list in ["[n[1-4], a]", "['a' b]", "['a", "[a", "[a] b", "[a # b]", "[[a], b]"] {
        assert_eq!(nodes(list), Err(ClustershellError::Yaml { line: 2 }), "{list}");
    }
}
