//! Whatever is wrong with policies or cases: it has its place, and is no panic.

use serde_json::{Value, json};

use super::{Home, Ran, none, two};

/// What is said must name the file and the line, on either stream.
#[track_caller]
fn said_at(ran: &Ran, place: &str, said: &str) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, 1, "{all}");
    assert!(!all.contains("panicked"), "{all}");
    assert!(all.contains(&format!("--> {place}:")), "{place}: {all}");
    assert!(all.contains(said), "{said}: {all}");
}

#[test]
fn a_case_that_cannot_be_asked_is_shown_where_it_is_wrong() {
    let home = Home::few(&[]);
    let with = |pointer: &str, value: Value| {
        let mut case = two();
        *case.pointer_mut(pointer).unwrap() = value;
        case
    };
    let without = |parent: &str, member: &str| {
        let mut case = two();
        let parent = case.pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().remove(member).unwrap();
        case
    };
    let stranger =
        json!([{"uid": {"type": "Gate::Robot", "id": "r2"}, "attrs": {}, "parents": []}]);
    for (case, at, said) in [
        (
            with(
                "/request/action",
                json!("Gate::Action::\"beginWebauthnRegistratio\""),
            ),
            "\"action\"",
            "did you mean Gate::Action::\"beginWebauthnRegistration\"?",
        ),
        (without("", "request"), "{", "\"request\" is missing"),
        (
            without("/request", "context"),
            "\"request\"",
            "\"context\" is missing",
        ),
        (without("", "num_errors"), "{", "\"num_errors\" is missing"),
        (with("/entities", stranger), "\"entities\"", "Gate::Robot"),
        (
            with("/request/context", json!({})),
            "\"context\"",
            "\"context\": ",
        ),
        (
            with("/decision", json!("perhaps")),
            "\"decision\"",
            "\"allow\" or \"deny\"",
        ),
        (json!(7), "7", "a case is a JSON object"),
    ] {
        home.cases(&[none(), case]);
        let text = std::fs::read_to_string(home.path("tests/policies/t.json")).unwrap();
        let second = text
            .rfind("\n  }")
            .map_or(0, |_| text.find("\n  },").unwrap() + 6);
        let lines_before = text[..second].matches('\n').count();
        let line = text[second..]
            .lines()
            .position(|line| line.trim_start().starts_with(at));
        let line = lines_before + line.unwrap() + 1;
        let place = format!("./tests/policies/t.json:{line}");
        said_at(&home.run(&[]), &place, said);
        let (code, report) = home.json(&[]);
        assert_eq!(
            (code, &report["passed"], &report["failed"]),
            (1, &json!(1), &json!(1))
        );
        let failure = &report["failures"][0];
        assert_eq!(
            (&failure["line"], &failure["actual"]),
            (&json!(line), &Value::Null)
        );
        assert!(
            failure["differences"][0].as_str().unwrap().contains(said),
            "{failure}"
        );
    }
}

#[test]
fn a_file_that_is_no_list_of_cases_fails_the_run_and_not_the_others() {
    let home = Home::few(&[none()]);
    let cut = serde_json::to_string_pretty(&[two()]).unwrap();
    for (text, line) in [
        (&cut[..cut.len() / 2], None),
        ("", Some(1)),
        ("{}", Some(1)),
        ("[\n  {]", Some(2)),
    ] {
        home.write("tests/policies/cut.json", text);
        let line = line.unwrap_or(text.lines().count());
        let place = format!("./tests/policies/cut.json:{line}");
        let ran = home.run(&[]);
        said_at(&ran, &place, "not a list of cases");
        assert!(ran.stdout.contains("1 case: 1 passed"), "{}", ran.stdout);
    }
    std::fs::write(home.path("tests/policies/cut.json"), b"[\xff]").unwrap();
    let ran = home.run(&["--mutate"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("cut.json"), "{}", ran.stderr);
}

#[test]
fn policies_that_do_not_load_are_shown_in_words_and_in_json() {
    let home = Home::few(&[none()]);
    home.edit("policies/few.cedar", "context.factors", "context.factor");
    said_at(&home.run(&[]), "./policies/few.cedar:8", "did you mean");
    let (code, report) = home.json(&["--mutate"]);
    assert_eq!((code, &report["cases"]), (1, &json!(0)));
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["line"]),
        (&json!("validation"), &json!(8))
    );
}
