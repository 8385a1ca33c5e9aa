//! Invalid policies and cases: each error has its place, and there is no panic.

use serde_json::{Value, json};

use super::{Ran, Site, none, two};

/// Checks that the output names the file and the line, on either stream.
#[track_caller]
fn said_at(ran: &Ran, place: &str, said: &str) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, 1, "{all}");
    assert!(!all.contains("panicked"), "{all}");
    assert!(all.contains(&format!("--> {place}:")), "{place}: {all}");
    assert!(all.contains(said), "{said}: {all}");
}

#[test]
fn malformed_case_is_reported_at_its_line() {
    let site = Site::few(&[]);
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
        (json!(7), "7", "a case must be a JSON object"),
    ] {
        site.cases(&[none(), case]);
        let text = std::fs::read_to_string(site.path("tests/policies/t.json")).unwrap();
        let second = text
            .rfind("\n  }")
            .map_or(0, |_| text.find("\n  },").unwrap() + 6);
        let lines_before = text[..second].matches('\n').count();
        let line = text[second..]
            .lines()
            .position(|line| line.trim_start().starts_with(at));
        let line = lines_before + line.unwrap() + 1;
        let place = format!("./tests/policies/t.json:{line}");
        said_at(&site.run(&[]), &place, said);
        let (code, report) = site.json(&[]);
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
fn file_that_is_no_list_of_cases_fails_the_run_and_not_other_files() {
    let site = Site::few(&[none()]);
    let cut = serde_json::to_string_pretty(&[two()]).unwrap();
    for (text, line) in [
        (&cut[..cut.len() / 2], None),
        ("", Some(1)),
        ("{}", Some(1)),
        ("[\n  {]", Some(2)),
    ] {
        site.write("tests/policies/cut.json", text);
        let line = line.unwrap_or(text.lines().count());
        let place = format!("./tests/policies/cut.json:{line}");
        let ran = site.run(&[]);
        said_at(&ran, &place, "not a list of cases");
        assert!(ran.stdout.contains("1 case: 1 passed"), "{}", ran.stdout);
    }
    std::fs::write(site.path("tests/policies/cut.json"), b"[\xff]").unwrap();
    let ran = site.run(&["--mutate"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("cut.json"), "{}", ran.stderr);
}

#[test]
fn policies_that_do_not_load_are_reported_as_text_and_as_json() {
    let site = Site::few(&[none()]);
    site.edit("policies/few.cedar", "context.factors", "context.factor");
    said_at(&site.run(&[]), "./policies/few.cedar:8", "did you mean");
    let (code, report) = site.json(&["--mutate"]);
    assert_eq!((code, &report["cases"]), (1, &json!(0)));
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["line"]),
        (&json!("validation"), &json!(8))
    );
}
