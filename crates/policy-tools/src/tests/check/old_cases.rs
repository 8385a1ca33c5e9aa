//! Test cases of an older release, which lack members that policies read today.

use std::path::Path;

use cedargate_core::Severity;
use cedargate_policy::{Bundle, Sources, cases};
use serde_json::json;

use crate::check::old_cases::notes;
use crate::tests::case;

#[test]
fn cases_of_an_older_release_yield_one_note_for_each_file() {
    let mut old = case();
    let context = &mut old["request"]["context"];
    context["factors"].as_object_mut().unwrap().remove("reset");
    let session = context["session"].as_object_mut().unwrap();
    session.remove("trusted");
    session.remove("authenticatorAge");
    let text = json!([case(), old.clone(), old]).to_string();
    let cases = cases::read("t.json", &text, Path::new(".")).unwrap();
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let prepared = cases
        .iter()
        .map(|case| case.prepare_request(&bundle).unwrap());
    let prepared: Vec<_> = prepared.collect();
    let assumed = prepared.iter().map(|one| one.assumed());
    let notes = notes(cases.iter().zip(assumed));
    assert_eq!(notes.len(), 1);
    assert_eq!(
        notes[0].message,
        "2 cases of this file lack context.factors.reset, \
         context.session.authenticatorAge, context.session.trusted: the weakest values are assumed"
    );
    assert_eq!(
        (notes[0].file.as_str(), notes[0].severity),
        ("t.json", Severity::Note)
    );
}
