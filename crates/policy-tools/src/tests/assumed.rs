//! Cases of an older release, which lack members that policies read today.

use std::path::Path;

use cedargate_core::Severity;
use cedargate_policy::{Bundle, Sources, cases};
use serde_json::json;

use super::case;
use crate::check::assumed::assumed_notes;

#[test]
fn cases_of_an_older_release_get_one_note_for_each_file() {
    let mut old = case();
    let context = &mut old["request"]["context"];
    context["factors"].as_object_mut().unwrap().remove("reset");
    let session = context["session"].as_object_mut().unwrap();
    session.remove("trusted");
    session.remove("authenticatorAge");
    let text = json!([case(), old.clone(), old]).to_string();
    let cases = cases::read("t.json", &text, Path::new(".")).unwrap();
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let inquiries = cases.iter().map(|case| case.inquiry(&bundle).unwrap());
    let inquiries: Vec<_> = inquiries.collect();
    let assumed = inquiries.iter().map(|one| one.assumed());
    let notes = assumed_notes(cases.iter().zip(assumed));
    assert_eq!(notes.len(), 1);
    assert_eq!(
        notes[0].message,
        "2 cases of this file do not say context.factors.reset, \
         context.session.authenticatorAge, context.session.trusted: the weakest values are taken"
    );
    assert_eq!(
        (notes[0].file.as_str(), notes[0].severity),
        ("t.json", Severity::Note)
    );
}
