use super::*;
use crate::proto::json;

#[test]
fn a_watched_function_is_named_to_the_agent_and_brings_its_own_imports() {
    let watch = Request::Watch { function: "a.b:C.f".to_owned(), arguments: no_arguments() };
    assert!(matches!(watch.imports(), Some(Imports::Module("a.b"))));
    let ToAgent::Call { function, arguments, own: Own::Nothing } = watch.message(None) else {
        panic!("is a call")
    };
    let told = |value: &Value| json::to_json(value, 100);
    assert_eq!(function, "hopvine_core:watch");
    assert_eq!(told(&arguments).as_deref(), Some(r#"[["a.b:C.f",[[],{}]],{}]"#));
    assert!(watch.parts().iter().all(|name| payload::part(name).is_some()));
}

#[test]
fn a_command_is_ordered_with_all_that_it_is_to_have() {
    let told = |run: Run| {
        let ToAgent::Run(order) = Request::Run(run).message(None) else { panic!("is a command") };
        json::to_json(&order, 1000).expect("short")
    };
    let plain = Run { words: vec![b"a".to_vec(), b"b".to_vec()], ..Run::default() };
    let terminal = Terminal { term: b"vt100".to_vec(), rows: 24, columns: 80 };
    let more = Run {
        interpreter: Words::Exact,
        stdin: Feed::Piped,
        environment: vec![(b"A".to_vec(), b"1".to_vec())],
        login: true,
        home: true,
        terminal: Some(terminal),
        ..plain.clone()
    };
    let nothing = r#""env":{},"login":false,"home":false,"terminal":null,"lanes":null}"#;
    let words = r#"{"words":[{"$bytes":"YSBi"}],"shell":true,"stdin":false,"#;
    assert_eq!(told(plain), format!("{words}{nothing}"));
    let full = concat!(
        r#"{"words":[{"$bytes":"YQ=="},{"$bytes":"Yg=="}],"shell":false,"stdin":true,"#,
        r#""env":{"$dict":[[{"$bytes":"QQ=="},{"$bytes":"MQ=="}]]},"login":true,"home":true,"#,
        r#""terminal":{"term":{"$bytes":"dnQxMDA="},"rows":24,"columns":80},"lanes":null}"#
    );
    assert_eq!(told(more.clone()), full);
    let parts = Request::Run(more.clone());
    assert!(parts.parts().iter().all(|name| payload::part(name).is_some()));
    // Sizes follow also where nothing is typed.
    let silent = Request::Run(Run { stdin: Feed::Nothing, ..more });
    assert!(silent.takes_input() && !silent.reads_input());
}

#[test]
fn a_connection_is_ordered_by_name_and_port() {
    let request = Request::Dial(Dial { host: "h".to_owned(), port: 22 });
    let ToAgent::Dial(order) = request.message(None) else { panic!("is a connection") };
    assert_eq!(json::to_json(&order, 100).as_deref(), Some(r#"{"host":"h","port":22}"#));
    assert!(request.parts().iter().all(|name| payload::part(name).is_some()));
    assert!(request.takes_input() && request.imports().is_none());
}

#[test]
fn an_end_by_a_signal_is_no_status_but_shown_as_a_shell_does() {
    assert_eq!(ended(7 << 8), Answer::Exit(7));
    assert_eq!(ended(9), Answer::Killed(9));
    assert_eq!(ended(0x80 | 11), Answer::Killed(11));
    assert_eq!([ended(137 << 8), ended(9)].map(|end| end.status()), [Some(137); 2]);
    assert_ne!(ended(137 << 8), ended(9));
}
