//! Compares overlaps that are found with candidates with those of all pairs of policies.

use proptest::prelude::*;

use cedargate_policy::analysis::{ExaminedSources, on_large_stack};
use cedargate_policy::{SITE_SCHEMA, Sources};

use super::*;

const PRINCIPALS: [&str; 5] = [
    "principal",
    "principal is Gate::User",
    "principal in Gate::Group::\"corp||a\"",
    "principal in Gate::Group::\"corp||b\"",
    "principal == Gate::User::\"corp||a\"",
];
const ACTIONS: [&str; 4] = [
    "action in Gate::Action::\"mfa\"",
    "action in Gate::Action::\"enroll\"",
    "action == Gate::Action::\"listMfaMethods\"",
    "action in [Gate::Action::\"enroll\", Gate::Action::\"stepUp\"]",
];
const CONDITIONS: [&str; 9] = [
    "",
    "when { true }",
    "when { false }",
    "when { context.factors.count == 1 }",
    "when { context.factors.count == 1 && context.session.acr == \"x\" }",
    "when { context.factors.count == 1 || context.session.acr == \"x\" }",
    "when { context.factors.count == 1 || true }",
    "unless { context.session.acr == \"x\" }",
    "when { context.factors.count + 1 == 1 }",
];

fn policy() -> impl Strategy<Value = String> {
    let select = |from: &'static [&'static str]| prop::sample::select(from);
    let head = (select(&PRINCIPALS), select(&ACTIONS), select(&CONDITIONS));
    (head, prop::bool::weighted(0.4), prop::bool::weighted(0.1)).prop_map(
        |((principal, action, condition), permits, shadow)| {
            let effect = if permits { "permit" } else { "forbid" };
            let mode = if shadow { "@mode(\"shadow\")" } else { "" };
            format!("{mode} {effect} ({principal}, {action}, resource) {condition};")
        },
    )
}

/// Returns the overlaps that are found with candidates, and those that are found by comparing each policy
/// with every other one.
fn overlaps(text: &str) -> [Vec<Option<Finding>>; 2] {
    let sources = Sources::of(&[("a.cedar", text)], SITE_SCHEMA);
    let texts = sources.texts();
    let mut findings = Vec::new();
    let examined = ExaminedSources::of(&texts, &mut findings);
    let schema = examined.schema.as_ref().unwrap();
    let (assembled, reach) = (&examined.assembled, Reach::default());
    let placed = assembled.entries.iter().zip(&assembled.places);
    let compared = placed
        .filter_map(|(entry, place)| ComparedPolicy::of(entry, place, assembled, (schema, &reach)));
    let compared: Vec<_> = compared.collect();
    let candidates = Candidates::of(&compared);
    let all = 0..compared.len();
    let every = |index: usize| {
        let one = &compared[index];
        let others = || all.clone().filter(move |other| *other != index);
        others()
            .find_map(|other| one.alike(&compared[other], other < index))
            .or_else(|| others().find_map(|other| one.useless(&compared[other], other < index)))
            .or_else(|| others().find_map(|other| one.narrows(&compared[other], other < index)))
    };
    [
        all.clone()
            .map(|index| overlap(index, &compared, &candidates))
            .collect(),
        all.clone().map(every).collect(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn candidates_are_enough_to_find_each_overlap(
        policies in prop::collection::vec(policy(), 2..9),
    ) {
        let policies = policies.iter().enumerate();
        let texts: Vec<_> = policies.map(|(at, text)| format!("@id(\"p{at}\") {text}")).collect();
        let [found, expected] = on_large_stack(|| overlaps(&texts.join("\n"))).unwrap();
        prop_assert_eq!(found, expected);
    }
}
