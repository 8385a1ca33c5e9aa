//! Masked inputs.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn masked_input_is_a_request_without_the_masked_facts(drawn in drawn()) {
        thread_local!(static BUNDLE: Bundle = bundle());
        BUNDLE.with(|bundle| {
            let all = ["context", "principal.claims"].map(|path| path.parse().unwrap());
            let mut input = decide(bundle, &drawn).1.json();
            Mask::hide(&all, &mut input);
            read(bundle, &input).map_err(|error| TestCaseError::fail(error.to_string()))?;
            // Two inputs that differ only in masked facts are the same after masking.
            let mut other = drawn.clone();
            other.address = [192, 0, 2, 99].into();
            other.factors = Factors::default();
            other.tenant = "0e0e0e0e-0000-4000-8000-000000000001".parse().unwrap();
            if let Some(user) = &mut other.user {
                user.claims = Arc::default();
                user.session = Session::default();
            }
            let mut other = decide(bundle, &other).1.json();
            Mask::hide(&all, &mut other);
            prop_assert_eq!(input, other);
            Ok(())
        })?;
    }
}

fn hidden(paths: &[&str]) -> (Map<String, Value>, Hidden) {
    let masks: Vec<Mask> = paths.iter().map(|path| path.parse().unwrap()).collect();
    let mut input = decide(&bundle(), &everything()).1.json();
    let hidden = Mask::hide(&masks, &mut input);
    (input, hidden)
}

#[test]
fn covered_claims_are_erased_and_context_members_masked() {
    let (input, hidden) = hidden(&[
        "principal.claims.text",
        "principal.claims.nobody-has-this",
        "context.network.address",
        "context.session",
    ]);
    assert_eq!(hidden.erased, ["principal.claims.text"]);
    let session = [
        "acr",
        "amr",
        "authenticatorAge",
        "sinceBackupCode",
        "sinceStrong",
        "trusted",
    ];
    let mut expected = vec!["context.network.address".to_owned()];
    expected.extend(session.map(|name| format!("context.session.{name}")));
    assert_eq!(hidden.masked, expected);
    let context = &input["context"];
    assert_eq!(context["network"], json!({"address": "0.0.0.0"}));
    assert_eq!(
        context["session"],
        json!({
            "acr": "", "amr": [], "sinceBackupCode": "36500d", "sinceStrong": "36500d",
            "trusted": false, "authenticatorAge": "0s",
        })
    );
    assert_eq!(context["factors"]["count"], 1);
    let entities = input["entities"].as_array().unwrap();
    let claims: Vec<_> = entities
        .iter()
        .filter_map(|entity| entity.pointer("/attrs/claims"))
        .collect();
    assert_eq!(claims, [&json!({"number": 3, "list": ["b"]})]);
}

#[test]
fn input_without_masks_is_unchanged_and_one_mask_erases_all_claims() {
    let (input, nothing) = hidden(&[]);
    assert_eq!(input, decide(&bundle(), &everything()).1.json());
    assert!(nothing.is_empty());
    let (_, all) = hidden(&["principal.claims", "principal.claims.text"]);
    let erased = ["list", "number", "text"].map(|name| format!("principal.claims.{name}"));
    assert_eq!(all.erased, erased);
    assert!(all.masked.is_empty());
}

#[test]
fn masks_of_the_address_and_its_records_hide_the_address() {
    for (path, hides) in [
        ("context.network.address", true),
        ("context.network", true),
        ("context", true),
        ("context.now", false),
        ("principal.claims", false),
    ] {
        assert_eq!(
            path.parse::<Mask>().unwrap().hides_address(),
            hides,
            "{path}"
        );
    }
}

#[test]
fn unknown_path_is_refused_with_a_suggestion() {
    for (path, expected) in [
        (
            "context.network.adress",
            "did you mean \"context.network.address\"?",
        ),
        (
            "context.session.sincestrong",
            "did you mean \"context.session.sinceStrong\"?",
        ),
        (
            "principal.claim.email",
            "a claim is written \"principal.claims.email\"",
        ),
        (
            "principal.claims.",
            "a claim is written \"principal.claims.email\"",
        ),
        ("principal", "it is a claim, such as"),
        ("", "it is a claim, such as"),
        ("context.", "did you mean \"context.now\"?"),
        (
            "context.network.address.x",
            "did you mean \"context.network.address\"?",
        ),
    ] {
        let error = path.parse::<Mask>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("there is no {path:?}")),
            "{error}"
        );
        assert!(error.contains(expected), "{path}: {error}");
    }
    assert!(
        "principal.claims.https://example.com/a.b"
            .parse::<Mask>()
            .is_ok()
    );
}

/// Adds the paths of all members below `path` that are not records.
fn leaves(types: &Value, path: &str, member: &Value, paths: &mut Vec<String>) {
    let record = match member["type"].as_str() {
        Some("Record") => member,
        _ => {
            let name = member["name"]
                .as_str()
                .or(member["type"].as_str())
                .unwrap_or_default();
            &types[name.trim_start_matches("Gate::")]
        }
    };
    match record["attributes"].as_object() {
        Some(members) => {
            for (name, member) in members {
                leaves(types, &format!("{path}.{name}"), member, paths);
            }
        }
        None => paths.push(path.to_owned()),
    }
}

#[test]
fn masks_of_factors_hide_the_means() {
    for (path, hides) in [
        ("context.factors", true),
        ("context.factors.methodTypes", true),
        ("context.session.trusted", true),
        ("context.session.authenticatorAge", true),
        ("context.session.acr", false),
        ("context.network", false),
    ] {
        let (_, hidden) = hidden(&[path]);
        assert_eq!(hidden.hides_factors(), hides, "{path}");
    }
}

#[test]
fn every_member_of_every_context_can_be_masked() {
    let schema = cedar_policy::SchemaFragment::from_cedarschema_str(GATE_SCHEMA)
        .unwrap()
        .0;
    let schema = schema.to_json_value().unwrap();
    let types = &schema["Gate"]["commonTypes"];
    let mut paths = Vec::new();
    for context in ["Public", "Mfa", "Ceremony"] {
        leaves(types, "context", &types[context], &mut paths);
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 13, "{paths:?}");
    let drawn = everything();
    for path in paths {
        let mask: Mask = path.parse().unwrap();
        let mut input = decide(&bundle(), &drawn).1.json();
        let hidden = Mask::hide(std::slice::from_ref(&mask), &mut input);
        assert_eq!(hidden.masked, [path]);
        read(&bundle(), &input).unwrap();
    }
}
