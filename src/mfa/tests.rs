//! Property tests with arbitrary bodies, codes and path segments.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::admin::named_user;
use super::backup_codes::Code;
use super::methods::RenameMethod;
use super::step_up::{BeginAuthentication, CompleteAuthentication, VerifyBackupCode};
use crate::error::Error;
use cedargate_core::{Bytes, Tenant, hyphenated};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,120}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["webauthn_fido", "webauthn_passkey", "0000-0000-00000"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("id|rawId|type|response|.{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Map<String, Value>> {
    let names = "code|credential|device_name|method_type|.{0,4}";
    prop::collection::btree_map(names, any_value(), 0..5).prop_map(|it| it.into_iter().collect())
}

/// Returns the fields that the error names. Empty if there is no error.
fn refused_fields<T>(outcome: Result<T, Error>) -> Vec<String> {
    match outcome {
        Ok(_) => Vec::new(),
        Err(Error::Invalid(fields)) => {
            assert!(!fields.is_empty());
            fields.iter().map(|it| it.field.to_string()).collect()
        }
        Err(error) => panic!("{error:?}"),
    }
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused_with_its_wrong_field(body in any_body()) {
        let type_fits = body.get("method_type").is_none_or(|it| {
            *it == json!("webauthn_fido") || *it == json!("webauthn_passkey")
        });
        let refused = refused_fields(BeginAuthentication::parse(&body));
        prop_assert_eq!(refused, if type_fits { vec![] } else { vec!["method_type"] });

        // None of the generated values is a complete credential.
        let refused = refused_fields(CompleteAuthentication::parse(&body));
        prop_assert!(!refused.is_empty() && refused.iter().all(|it| it.starts_with("credential")));

        let is_text = body.get("code").is_some_and(Value::is_string);
        let refused = refused_fields(VerifyBackupCode::parse(&body));
        prop_assert_eq!(refused, if is_text { vec![] } else { vec!["code"] });

        let name = body.get("device_name").and_then(Value::as_str);
        let fits = name.is_some_and(|it| it.chars().count() <= 100 && !it.contains(char::is_control));
        let refused = refused_fields(RenameMethod::parse("7", &body));
        prop_assert_eq!(refused, if fits { vec![] } else { vec!["device_name"] });
    }

    #[test]
    fn text_without_13_symbols_is_no_code(text in any::<String>()) {
        let symbols = text.chars().filter(|c| !c.is_whitespace() && *c != '-').count();
        prop_assert!(symbols == 13 || Code::read(&text).is_none());
    }

    #[test]
    fn code_with_other_case_look_alikes_spaces_and_hyphens_is_the_same_code(
        typed in prop::collection::vec(
            (select("0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().collect::<Vec<_>>()),
             any::<bool>(), "[ \u{a0}\u{2003}\t\n-]{0,3}"),
            13,
        )
    ) {
        let symbols: String = typed.iter().map(|(symbol, ..)| *symbol).collect();
        let typed: String = typed.iter().map(|(symbol, other, gap)| {
            let symbol = match (symbol, other) {
                ('1', true) => 'l',
                ('1', false) => 'I',
                ('0', true) => 'o',
                (symbol, true) => symbol.to_ascii_lowercase(),
                (symbol, false) => *symbol,
            };
            format!("{gap}{symbol}")
        }).collect();
        let code = Code::read(&typed).unwrap();
        prop_assert_eq!(code.symbols(), symbols);
    }

    #[test]
    fn any_segment_names_one_user_or_is_refused(
        segment in "(corp\\||\\PC{0,6}\\||)\\PC{0,40}|~[a-zA-Z0-9_=-]{0,20}|~Y29ycH[w-z][a-z]{0,9}",
    ) {
        let tenant: Tenant = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0".parse().unwrap();
        match named_user(&segment, tenant) {
            Ok(user) => {
                let spelt = format!("{}|{}", user.issuer, user.subject);
                let encoded = format!("~{}", Bytes(spelt.clone().into_bytes()));
                prop_assert!(segment == spelt || segment == encoded, "{} {}", spelt, encoded);
                prop_assert_eq!(user.tenant, Some(tenant));
                prop_assert!(!user.subject.is_empty());
            }
            error => prop_assert_eq!(refused_fields(error), ["user"]),
        }
    }

    #[test]
    fn parsed_id_has_the_hyphenated_form(segment in "[0-9a-fA-F-]{30,40}|\\PC{0,40}") {
        if let Some(id) = hyphenated(&segment) {
            prop_assert_eq!(id.as_hyphenated().to_string(), segment.to_lowercase());
        }
    }
}

#[test]
fn id_is_read_in_any_letter_case_and_in_no_other_form() {
    let id = "0a1b2c3d-4e5f-4a6b-8c7d-9e0fa1b2c3d4";
    assert!(hyphenated(id).is_some() && hyphenated(id) == hyphenated(&id.to_uppercase()));
    for other in [
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        format!(" {}", &id[1..]),
        String::new(),
    ] {
        assert_eq!(hyphenated(&other), None, "{other}");
    }
}

#[test]
fn segment_that_names_no_user_is_refused_with_both_forms() {
    let tenant = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0".parse().unwrap();
    let encoded = |text: &[u8]| format!("~{}", Bytes(text.to_vec()));
    let rule = "must be <issuer name>|<sub>, percent-encoded, such as corp%7Calice, or ~ followed by \
                the base64url without padding of <issuer name>|<sub>, such as ~Y29ycHxhbGljZQ";
    for segment in [
        "~".to_owned(),
        "~Y29ycHxhbGljZQ==".to_owned(),
        "~Y29ycHxhbGljZR".to_owned(),
        "~Y29ycHxhbGljZ".to_owned(),
        "~Y29y cHxhbGljZQ".to_owned(),
        "~corp|alice".to_owned(),
        encoded(b"alice"),
        encoded(b"corp|"),
        encoded(b"|alice"),
        encoded(b"Corp|alice"),
        encoded(b"corp|\xff"),
        encoded(encoded(b"corp|alice").as_bytes()),
    ] {
        let error = named_user(&segment, tenant).unwrap_err();
        assert_eq!(error, Error::field("user", rule), "{segment}");
    }
    let user = named_user("~Y29ycHxhbGljZQ", tenant);
    assert_eq!(user, named_user("corp|alice", tenant));
    assert!(user.is_ok());
}
