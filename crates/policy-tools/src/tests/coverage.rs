//! Coverage of policies whose coverage is known by hand.

use serde_json::{Value, json};

use cedargate_policy::{Bundle, PreparedRequest, Sources};

use super::{case, load, load_files};
use crate::coverage::{Coverage, Share};

const POLICIES: &str = r#"@id("open") permit (principal, action in Gate::Action::"manageOwnMfa", resource);

@id("guarded")
@code("guarded")
forbid (principal, action == Gate::Action::"beginWebauthnRegistration", resource)
when { context.factors.count > 0 &&
  context.factors.count < 3 }
unless { principal in Gate::Issuer::"corp" || context.factors.count + 9223372036854775806 > 0 };

@id("never") forbid (principal, action == Gate::Action::"listMfaMethods", resource)
when { context.factors.count > 5 };
"#;

fn coverage(bundle: &Bundle, cases: &[Value]) -> Coverage {
    let prepared: Vec<_> = cases
        .iter()
        .map(|case| {
            let request = case["request"].as_object().unwrap();
            PreparedRequest::from_json(bundle, request, &case["entities"]).unwrap()
        })
        .collect();
    Coverage::measure(bundle, &prepared.iter().collect::<Vec<_>>()).unwrap()
}

fn with_factors(count: u32) -> Value {
    let mut case = case();
    case["request"]["context"]["factors"]["count"] = json!(count);
    case
}

/// A request of a user of another issuer, so that the first clause of the `unless` is false.
fn of_dev(count: u32) -> Value {
    let text = with_factors(count).to_string();
    let text = text.replace("corp|", "dev|").replace("\"corp\"", "\"dev\"");
    serde_json::from_str(&text).unwrap()
}

/// Returns how often each clause of a policy was true and false.
fn seen(coverage: &Coverage, id: &str) -> Vec<(usize, usize)> {
    let text = coverage.texts.iter().find(|text| text.id == id).unwrap();
    let clauses = text.clauses.iter();
    clauses.map(|one| (one.seen_true, one.seen_false)).collect()
}

#[test]
fn clauses_are_counted_up_to_the_first_one_that_fails() {
    let bundle = load(POLICIES).unwrap();
    let all = coverage(
        &bundle,
        &[
            with_factors(0), // > 0 fails
            with_factors(3), // < 3 fails
            with_factors(1), // the issuer of the unless holds
            of_dev(1),       // nothing but the sum holds
            of_dev(2),       // the sum is too large: an error
        ],
    );
    assert_eq!(seen(&all, "guarded"), [(4, 1), (3, 1), (1, 2), (1, 0)]);
    assert_eq!(seen(&all, "never"), [(0, 0)]);
    let determined: Vec<_> = all
        .policies
        .iter()
        .map(|one| (one.id.as_str(), one.determined))
        .collect();
    assert_eq!(determined, [("guarded", 0), ("never", 0), ("open", 5)]);
    assert_eq!(all.policies_covered(), Share { part: 1, whole: 3 });
    assert_eq!(all.clauses_covered(), Share { part: 3, whole: 5 });
    assert_eq!(all.clauses_covered().to_string(), "3/5 (60 %)");
    let lines: Vec<_> = all.texts.iter().map(|text| text.lines.clone()).collect();
    assert_eq!(lines, [1..2, 3..9, 10..12]);
    let guarded = &all.texts[1];
    let lines: Vec<_> = guarded
        .clauses
        .iter()
        .map(|one| one.lines.clone())
        .collect();
    assert_eq!(lines, [6..7, 7..8, 8..9, 8..9]);
}

#[test]
fn shares_are_rounded_down_and_a_part_of_nothing_is_100_percent() {
    let percent = |part, whole| Share { part, whole }.percent();
    assert_eq!(
        [percent(0, 0), percent(0, 3), percent(3, 3)],
        [100.0, 0.0, 100.0]
    );
    assert_eq!([percent(2, 3), percent(9999, 10000)], [66.6, 99.9]);
    let reaches = |part, whole, percent| Share { part, whole }.reaches(percent);
    assert!(reaches(2, 3, 66.66) && !reaches(2, 3, 66.67));
    assert!(reaches(0, 0, 100.0) && !reaches(9999, 10000, 100.0) && reaches(3, 3, 100.0));
}

#[test]
fn template_is_covered_by_all_its_links_together() {
    let template = "@id(\"t\") permit (principal in ?principal, action in Gate::Action::\"manageOwnMfa\", resource)
when { context.factors.count == 0 };";
    let link = |id: &str, issuer: &str| json!({"template_id": "t", "link_id": id, "args": {"?principal": format!("Gate::Issuer::\"{issuer}\"")}});
    let links = json!([link("l-corp", "corp"), link("l-dev", "dev")]).to_string();
    let bundle = load_files(&[("t.cedar", template), ("t.links.json", &links)]).unwrap();
    let covered = coverage(&bundle, &[with_factors(0), of_dev(1)]);
    let determined: Vec<_> = covered
        .policies
        .iter()
        .map(|one| (one.id.as_str(), one.determined))
        .collect();
    assert_eq!(determined, [("l-corp", 1), ("l-dev", 0)]);
    assert_eq!(seen(&covered, "t"), [(1, 1)]);
    assert_eq!((covered.texts.len(), covered.texts[0].determined), (1, 1));
    assert_eq!(covered.texts[0].file, "policies/t.cedar");
}

#[test]
fn is_in_is_one_clause_and_shadow_policies_are_left_out() {
    let bundle = load(
        "@id(\"open\") permit (principal, action in Gate::Action::\"manageOwnMfa\", resource)
         when { principal is Gate::User in Gate::Issuer::\"corp\" };
         @id(\"shadow\") @mode(\"shadow\") forbid (principal, action in Gate::Action::\"mfa\", resource);",
    )
    .unwrap();
    let covered = coverage(&bundle, &[with_factors(0), of_dev(0)]);
    assert_eq!(seen(&covered, "open"), [(1, 1)]);
    assert_eq!(covered.policies.len(), 1);
}

#[test]
fn nothing_is_covered_without_cases() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let covered = coverage(&bundle, &[]);
    assert_eq!(covered.policies_covered().part, 0);
    assert_eq!(covered.clauses_covered(), Share { part: 0, whole: 26 });
}
