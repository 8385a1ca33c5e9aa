//! An explanation says what decides, and nothing else.

use super::*;
use crate::explanation::Explanation;
use cedargate_core::{CodeKind, CodeSetId, CodeUse, Confirmation};

fn explain(drawn: &Drawn, bundle: &Bundle) -> Explanation {
    bundle.explain(&Inquiry::of(bundle, &drawn.question()).unwrap())
}

#[test]
fn an_explanation_is_of_the_decision_and_a_policy_applies_if_all_its_clauses_hold() {
    let with_clauses = AtomicUsize::new(0);
    runner(48)
        .run(&policies(), |(drawn, texts)| {
            let mut bundle = bundle(&texts);
            let decided = drawn.decide(&bundle);
            let explanation = explain(&drawn, &bundle);
            let said = explanation.policies.iter();
            let determined: Vec<_> = said
                .filter(|one| one.determined)
                .map(|one| &one.id)
                .collect();
            prop_assert_eq!(determined, decided.policies.iter().collect::<Vec<_>>());
            prop_assert_eq!(&explanation.verdict.reason, &decided.policies);
            prop_assert_eq!(&explanation.verdict.errors, &decided.errors);
            let allows = decided.effect == Effect::Allow;
            prop_assert_eq!(explanation.verdict.decision == "allow", allows);
            for policy in &explanation.policies {
                let alone = alone(&drawn, &mut bundle, std::slice::from_ref(&policy.id));
                let holds = !policy.clauses.iter().any(|clause| clause.fails);
                prop_assert_eq!(policy.applies, policy.head.is_empty() && holds);
                prop_assert_eq!(policy.applies, !alone.policies.is_empty(), "{:?}", policy);
                with_clauses.fetch_add(policy.clauses.len(), Ordering::Relaxed);
            }
            // What is left out does not match by its head.
            for at in 0..texts.len() {
                let id = format!("p{at}");
                if !explanation.policies.iter().any(|one| one.id == id) {
                    let alone = alone(&drawn, &mut bundle, &[id]);
                    prop_assert!(alone.policies.is_empty() && alone.errors.is_empty());
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(with_clauses.into_inner() >= 48);
}

#[test]
fn what_would_permit_does_when_it_is_done() {
    let tried = AtomicUsize::new(0);
    // At least two policies, so that heads and conditions come in many pairs.
    runner(150)
        .run(&policies(), |(drawn, texts)| {
            let bundle = bundle(&texts);
            for change in explain(&drawn, &bundle).would_permit {
                let mut again = drawn.clone();
                match change.change {
                    "method_type" => again.method_type = change.value.parse().unwrap(),
                    "tenant" => again.header = change.value.parse().unwrap(),
                    "step_up" => {
                        let age = i64::try_from(change.max_age.unwrap()).unwrap();
                        again.user.session.acr = change.value;
                        again.user.session.strong_at =
                            Some(Timestamp::from_millis(1_768_467_600_000 - age * 1000));
                        again.user.session.confirmation = Confirmation::SignIn;
                        again.user.session.code = None;
                    }
                    "backup_code" => {
                        again.user.session.acr = String::new();
                        again.user.session.strong_at = None;
                        again.user.session.confirmation = Confirmation::Nothing;
                        again.user.session.code = Some(CodeUse {
                            at: Timestamp::from_millis(1_768_467_600_000),
                            set: CodeSetId::named(""),
                            kind: CodeKind::Backup,
                        });
                    }
                    "factor" => {
                        again.factors.count += 1;
                        again
                            .factors
                            .method_types
                            .push(change.value.parse().unwrap());
                    }
                    other => panic!("{other}"),
                }
                prop_assert_ne!(&drawn.decide(&bundle).effect, &Effect::Allow);
                prop_assert_eq!(again.decide(&bundle).effect, Effect::Allow);
                tried.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })
        .unwrap();
    let tried = tried.into_inner();
    assert!(tried >= 1, "no change in 150 requests");
}
