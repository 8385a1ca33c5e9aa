//! Properties of explanations for random policies and requests.

use std::sync::Arc;

use super::*;
use crate::explanation::Explanation;
use cedargate_core::*;
use cedargate_core::{CodeKind, CodeSetId, CodeUse, Confirmation};

fn explain(drawn: &Drawn, bundle: &Bundle) -> Explanation {
    bundle.explain(&PreparedRequest::new(bundle, &drawn.request()).unwrap())
}

#[test]
fn explanation_equals_the_decision_and_a_policy_applies_if_its_clauses_hold() {
    let needed = [("clauses", 48)];
    check(48, &policies(), &needed, |(drawn, texts), tally| {
        let mut bundle = bundle(&texts);
        let decision = drawn.decide(&bundle);
        let explanation = explain(&drawn, &bundle);
        let explained = explanation.policies.iter();
        let determined: Vec<_> = explained
            .filter(|one| one.determined)
            .map(|one| &one.id)
            .collect();
        prop_assert_eq!(determined, decision.policies.iter().collect::<Vec<_>>());
        prop_assert_eq!(&explanation.decision.policies, &decision.policies);
        prop_assert_eq!(&explanation.decision.errors, &decision.errors);
        let allows = decision.effect == Effect::Allow;
        prop_assert_eq!(explanation.decision.is_allow(), allows);
        for policy in &explanation.policies {
            let alone = alone(&drawn, &mut bundle, std::slice::from_ref(&policy.id));
            let holds = !policy.clauses.iter().any(|clause| clause.fails);
            prop_assert_eq!(policy.applies, policy.head.is_empty() && holds);
            prop_assert_eq!(policy.applies, !alone.policies.is_empty(), "{:?}", policy);
            tally.add("clauses", policy.clauses.len());
        }
        // The scope of a policy that is left out does not match.
        for at in 0..texts.len() {
            let id = format!("p{at}");
            if !explanation.policies.iter().any(|one| one.id == id) {
                let alone = alone(&drawn, &mut bundle, &[id]);
                prop_assert!(alone.policies.is_empty() && alone.errors.is_empty());
            }
        }
        Ok(())
    });
}

#[test]
fn each_suggested_change_permits_the_request() {
    // At least two policies, so that heads and conditions come in many pairs.
    check(
        150,
        &policies(),
        &[("changes", 1)],
        |(drawn, texts), tally| {
            let bundle = bundle(&texts);
            for change in explain(&drawn, &bundle).would_permit {
                let mut again = drawn.clone();
                match change.change {
                    "method_type" => again.method_type = change.value.parse().unwrap(),
                    "tenant" => again.header = change.value.parse().unwrap(),
                    "step_up" => {
                        let session = &mut Arc::make_mut(&mut again.user).session;
                        let age = i64::try_from(change.max_age.unwrap()).unwrap();
                        session.acr = change.value;
                        session.strong_at =
                            Some(Timestamp::from_millis(1_768_467_600_000 - age * 1000));
                        session.confirmation = Confirmation::SignIn;
                        session.code = None;
                    }
                    "backup_code" => {
                        let session = &mut Arc::make_mut(&mut again.user).session;
                        session.acr = String::new();
                        session.strong_at = None;
                        session.confirmation = Confirmation::Nothing;
                        session.code = Some(CodeUse {
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
                tally.add("changes", 1);
            }
            Ok(())
        },
    );
}
