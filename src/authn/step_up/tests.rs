use serde_json::json;

use super::super::tests::{Signer, at, authn_with, user_at};
use super::super::{Algorithm, Authn};
use super::*;
use cedargate_core::{Bytes, Session, SessionKey};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://mfa.example.com";

fn key() -> SigningKey {
    SigningKey::parse(&SigningKey::generate().unwrap())
        .ok()
        .unwrap()
}

fn step_up(keys: Vec<SigningKey>) -> StepUpIssuer {
    StepUpIssuer::new(Settings {
        issuer: ISSUER.into(),
        audience: "https://api.example.com".into(),
        ttl: Duration::from_secs(600),
        keys,
    })
    .unwrap()
}

/// A gateway that accepts the tokens of the issuer corp and its own, with the key of corp.
struct Gateway {
    authn: Authn,
    step_up: StepUpIssuer,
    corp: Signer,
}

impl Gateway {
    fn new() -> Self {
        let (step_up, corp) = (step_up(vec![key()]), Signer::new(Algorithm::Es256));
        Self {
            authn: authn_with(&corp, &step_up),
            step_up,
            corp,
        }
    }

    /// Returns the user of a token of corp with these claims.
    fn signed_in(&self, claims: Value) -> User {
        let token = self.corp.token(json!({}), claims);
        user_at(&self.authn, &token, at(NOW)).unwrap()
    }

    fn issue(&self, user: &User, proof: Proof, now: i64) -> Issued {
        let declared = ["employment", "acr", "missing"];
        self.step_up
            .issue(user, proof, 7, declared, at(now))
            .unwrap()
    }

    /// Returns the user of an issued step-up token.
    fn accepted(&self, issued: &Issued, now: i64) -> User {
        user_at(&self.authn, &issued.token, at(now)).unwrap()
    }
}

fn confirmed() -> Proof {
    Proof::Assertion {
        proven_model: false,
        user_verified: true,
        enrolled_at: at(NOW - 1000),
        trusted: true,
    }
}

/// Returns the proof by a code of the set with the salt `seven`.
fn code(kind: CodeKind) -> Proof {
    let set = CodeSetId::of(&Bytes(b"seven".to_vec()));
    Proof::Code { set, kind }
}

fn used_at(session: &Session) -> Option<Timestamp> {
    session.code.as_ref().map(|code| code.at)
}

#[test]
fn assertion_gives_a_strong_token_for_the_same_user() {
    let gateway = Gateway::new();
    let first = gateway.signed_in(json!({
        "exp": NOW + 3600, "jti": "one", "client_id": "web", "employment": "contractor",
        "name": "Alice", "preferred_username": "ali", "acr": "silver", "secret": "no",
    }));
    let issued = gateway.issue(&first, confirmed(), NOW + 5);
    assert_eq!((issued.acr, issued.expires_in), (Some("phr"), 600));
    assert_eq!(issued.amr, ["pop", "user", "swk", "mfa"]);

    let user = gateway.accepted(&issued, NOW + 6);
    assert_eq!(user.id, first.id);
    assert_eq!(user.groups, first.groups);
    assert_eq!(user.strong_acr, first.strong_acr);
    assert_eq!(
        (user.name.as_str(), user.display_name.as_str()),
        ("ali", "Alice")
    );
    assert_eq!(user.claims["employment"], "contractor");
    assert_eq!(user.claims["client_id"], "web");
    assert_eq!(
        user.claims["acr"], "silver",
        "policies see the first token's claim"
    );
    assert!(!user.claims.contains_key("secret"));
    assert_eq!(user.session.acr, "phr");
    assert_eq!(user.session.id, "one");
    assert_eq!(user.session.epoch, Some(7));
    assert_eq!(user.session.strong_at, Some(at(NOW + 5)));
    assert_eq!(user.session.code, None);
    let confirmed = Confirmation::Authenticator {
        enrolled_at: at(NOW - 1000),
        trusted: true,
    };
    assert_eq!(user.session.confirmation, confirmed);
}

#[test]
fn session_is_trusted_only_if_its_proof_is() {
    let gateway = Gateway::new();
    let weak = gateway.signed_in(json!({"acr": "silver", "auth_time": NOW - 9}));
    assert!(!weak.session.trusted());
    let undated = gateway.signed_in(json!({"acr": "phr"}));
    assert!(!undated.session.trusted(), "a sign-in without a time");
    let strong = gateway.signed_in(json!({"acr": "phr", "auth_time": NOW - 9}));
    assert!(strong.session.trusted());

    let untrusted = Proof::Assertion {
        proven_model: true,
        user_verified: true,
        enrolled_at: at(NOW - 50),
        trusted: false,
    };
    for (first, proof, trusted, enrols_trusted) in [
        (&weak, confirmed(), true, true),
        (&weak, untrusted.clone(), false, false),
        // An authenticator of unknown origin makes even a strong session untrusted.
        (&strong, untrusted, false, false),
        (&weak, code(CodeKind::Backup), false, false),
        (&strong, code(CodeKind::Backup), false, false),
        (&weak, code(CodeKind::Recovery), false, true),
    ] {
        let issued = gateway.issue(first, proof.clone(), NOW);
        let session = gateway.accepted(&issued, NOW).session;
        assert_eq!(session.trusted(), trusted, "{proof:?}");
        assert_eq!(session.enrols_trusted(), enrols_trusted, "{proof:?}");
    }
}

/// Tokens live for minutes, so tokens of the previous release are presented shortly after an upgrade.
#[test]
fn token_of_an_older_release_gets_the_weakest_values() {
    let gateway = Gateway::new();
    let user = gateway.signed_in(json!({}));
    let key = &gateway.step_up.settings.keys[0];
    let signed = |more: Value| {
        let mut claims = json!({
            "iss": gateway.step_up.settings.issuer, "aud": gateway.step_up.settings.audience,
            "sub": user.id.subject, "exp": NOW + 60, "auth_time": NOW, "acr": "phr",
            "first_issuer": "corp", "epoch": 7,
        });
        let members = more.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(members);
        user_at(&gateway.authn, &key.sign(&claims).unwrap(), at(NOW)).unwrap()
    };
    let by_assertion = signed(json!({"code_time": NOW - 5})).session;
    assert_eq!(by_assertion.strong_at, Some(at(NOW)));
    assert_eq!(by_assertion.confirmation, Confirmation::Nothing);
    assert_eq!(by_assertion.code, None, "the token names no set");
    let malformed = signed(json!({"trusted": true, "enrolled_at": "soon", "code_set": 7}));
    assert_eq!(malformed.session.confirmation, Confirmation::Nothing);
}

#[test]
fn session_key_is_sid_else_auth_time_else_the_account() {
    let gateway = Gateway::new();
    let key = |claims| gateway.signed_in(claims).session.key;
    let of_sid = key(json!({"sid": "s", "jti": "one", "auth_time": NOW - 9}));
    assert_eq!(of_sid, key(json!({"sid": "s", "jti": "two"})));
    let of_sign_in = key(json!({"jti": "one", "auth_time": NOW - 9}));
    assert_eq!(of_sign_in, key(json!({"jti": "two", "auth_time": NOW - 9})));
    assert_ne!(of_sign_in, key(json!({"auth_time": NOW - 8})));
    assert_ne!(of_sign_in, of_sid);
    let of_account = key(json!({"jti": "one"}));
    assert_eq!(of_account, key(json!({"sid": ""})));
    assert_eq!(of_account, SessionKey::of_account());
}

/// A step-up changes the strength of a session only: the claims that policies read stay as they are,
/// even if their names are reserved.
#[test]
fn declared_claims_are_those_of_the_first_token_whatever_their_names() {
    let gateway = Gateway::new();
    let names = [&RESERVED_CLAIMS[..], &["client_id", "department", "typ"]].concat();
    let issue = |user: &User| {
        let issued = gateway
            .step_up
            .issue(user, confirmed(), 7, names.iter().copied(), at(NOW));
        gateway.accepted(&issued.unwrap(), NOW)
    };
    let visible = |user: &User| -> Map<String, Value> {
        let claims = names.iter().copied();
        let claims = claims.filter_map(|it| Some((it.to_owned(), user.claims.get(it)?.clone())));
        claims.collect()
    };
    let bare = gateway.signed_in(json!({"groups": ["staff"], "iat": null}));
    let full = gateway.signed_in(json!({
        "jti": "one", "nbf": NOW - 9, "sid": "s", "amr": ["pwd"], "acr": "silver",
        "auth_time": NOW - 9, "first_issuer": "x", "epoch": 99, "code_time": "never",
        "first_claims": {"groups": ["admins"]}, "department": "7", "typ": "Bearer",
    }));
    let mut elsewhere = bare.clone();
    let more = json!({"hasgroups": true, "_claim_names": {"groups": "src1"}});
    let mut claims = Map::clone(&bare.claims);
    claims.extend(more.as_object().unwrap().clone());
    elsewhere.claims = Arc::new(claims);
    for first in [bare, full, elsewhere] {
        let once = issue(&first);
        assert_eq!(visible(&once), visible(&first));
        assert_eq!(once.groups, first.groups);
        // The claims also survive a step-up from a step-up token.
        let twice = issue(&once);
        assert_eq!(visible(&twice), visible(&first));
        assert_eq!((twice.groups, twice.id), (first.groups, first.id));
    }
}

#[test]
fn amr_names_the_proof() {
    let gateway = Gateway::new();
    let user = gateway.signed_in(json!({"amr": ["pwd", "hwk"], "auth_time": NOW - 100}));
    let amr = |proof| gateway.issue(&user, proof, NOW).amr;
    let assertion = |proven_model, user_verified| Proof::Assertion {
        proven_model,
        user_verified,
        enrolled_at: at(NOW),
        trusted: false,
    };
    assert_eq!(amr(assertion(true, false)), ["pop", "user", "hwk"]);
    assert_eq!(amr(assertion(true, true)), ["pop", "user", "hwk", "mfa"]);
    assert_eq!(amr(assertion(false, false)), ["pop", "user", "swk"]);
    assert_eq!(
        amr(code(CodeKind::Backup)),
        ["pwd", "otp"],
        "no hardware key"
    );
}

#[test]
fn backup_code_makes_a_sign_in_neither_stronger_nor_fresher() {
    let gateway = Gateway::new();
    let claims = json!({"acr": "phr", "auth_time": NOW - 100});
    let issued = gateway.issue(&gateway.signed_in(claims), code(CodeKind::Backup), NOW);
    assert_eq!(issued.acr, None);
    let user = gateway.accepted(&issued, NOW);
    assert_eq!(user.session.acr, "");
    assert_eq!(user.session.strong_at, None);
    assert_eq!(user.session.signed_in_at, Some(at(NOW - 100)));
    assert_eq!(used_at(&user.session), Some(at(NOW)));
    // A later assertion counts on its own: its token does not end with the set of the code.
    let again = gateway.accepted(&gateway.issue(&user, confirmed(), NOW + 1), NOW + 1);
    assert_eq!(again.session.strong_at, Some(at(NOW + 1)));
    assert_eq!(again.session.code, None);
}

#[test]
fn chain_of_step_ups_ends_with_the_sign_in() {
    let gateway = Gateway::new();
    let mut user = gateway.signed_in(json!({"exp": NOW + 900}));
    // Each token ends no later than the one that was presented for it.
    for (now, expires_in) in [(NOW + 1, 600), (NOW + 500, 101), (NOW + 600, 1)] {
        let issued = gateway.issue(&user, confirmed(), now);
        assert_eq!(issued.expires_in, expires_in, "{now}");
        user = gateway.accepted(&issued, now);
    }
    assert_eq!(user.session.expires_at, at(NOW + 601));
    let late = gateway.signed_in(json!({"exp": NOW + 90}));
    assert_eq!(gateway.issue(&late, confirmed(), NOW + 50).expires_in, 40);
}

#[test]
fn session_id_is_sid_else_jti_else_a_hash() {
    let gateway = Gateway::new();
    let id = |claims| gateway.signed_in(claims).session.id;
    assert_eq!(id(json!({"sid": "s", "jti": "j"})), "s");
    assert_eq!(id(json!({"jti": "j"})), "j");
    assert_eq!(id(json!({"sid": "", "jti": "j"})), "j");
    let (first, other) = (id(json!({})), id(json!({"nbf": NOW - 1})));
    assert_ne!(first, other);
    assert_eq!(first.len(), 43);
    let user = gateway.signed_in(json!({}));
    let stepped_up = gateway.accepted(&gateway.issue(&user, confirmed(), NOW), NOW);
    assert_eq!(stepped_up.session.id, user.session.id);
}

#[test]
fn step_up_claims_in_a_token_of_another_issuer_are_ignored() {
    let gateway = Gateway::new();
    let user = gateway.signed_in(json!({
        "epoch": 3, "code_time": NOW, "code_set": "x", "recovery": true, "enrolled_at": 0,
        "trusted": true, "first_issuer": "other", "acr": "phr",
    }));
    assert_eq!(user.session.epoch, None);
    assert_eq!(user.session.code, None);
    assert_eq!(user.session.confirmation, Confirmation::Nothing);
    assert_eq!(user.session.strong_at, None, "there is no auth_time");
    assert_eq!(user.id.issuer.as_str(), "corp");
}

#[test]
fn token_of_the_previous_signing_key_is_accepted_until_the_key_is_dropped() {
    let corp = Signer::new(Algorithm::Es256);
    let der = || SigningKey::generate().unwrap();
    let parse = |der: &[u8]| SigningKey::parse(der).ok().unwrap();
    let (old, new) = (der(), der());
    let before = step_up(vec![parse(&old)]);
    let user = {
        let token = corp.token(json!({}), json!({}));
        user_at(&authn_with(&corp, &before), &token, at(NOW)).unwrap()
    };
    let issued = before.issue(&user, confirmed(), 0, [], at(NOW)).unwrap();
    let rotated = step_up(vec![parse(&new), parse(&old)]);
    let authn = authn_with(&corp, &rotated);
    assert!(user_at(&authn, &issued.token, at(NOW)).is_ok());
    let fresh = rotated.issue(&user, confirmed(), 0, [], at(NOW)).unwrap();
    let header = jsonwebtoken::decode_header(&fresh.token).unwrap();
    assert_eq!(header.kid.as_deref(), Some(parse(&new).id()));
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let dropped = authn_with(&corp, &step_up(vec![parse(&new)]));
    let refused = user_at(&dropped, &issued.token, at(NOW)).unwrap_err();
    assert_eq!(refused, "the token's `kid` names no key of its issuer");
}

#[test]
fn step_up_token_without_a_known_first_issuer_or_an_epoch_is_refused() {
    let signing = key();
    let issuer = step_up(vec![
        SigningKey::parse(&SigningKey::generate().unwrap())
            .ok()
            .unwrap(),
    ]);
    let corp = Signer::new(Algorithm::Es256);
    let good = json!({
        "iss": ISSUER, "aud": "https://api.example.com", "sub": "alice", "exp": NOW + 60,
        "first_issuer": "corp", "epoch": 0,
    });
    let own = step_up(vec![signing]);
    let authn = authn_with(&corp, &own);
    let signed = |change: &str, value: Value| {
        let mut claims = good.clone();
        claims[change] = value;
        own.settings.keys[0].sign(&claims).unwrap()
    };
    assert!(user_at(&authn, &signed("jti", json!("x")), at(NOW)).is_ok());
    let unknown = "the issuer of the sign-in is no longer configured";
    let epoch = "the step-up token's `epoch` is missing or not a number";
    for (claim, value, why) in [
        ("first_issuer", json!("gone"), unknown),
        ("first_issuer", json!(null), unknown),
        ("first_issuer", json!("step-up"), unknown),
        ("epoch", json!(null), epoch),
        ("epoch", json!("0"), epoch),
        ("epoch", json!(-1), epoch),
    ] {
        let refused = user_at(&authn, &signed(claim, value.clone()), at(NOW));
        assert_eq!(refused.unwrap_err(), why, "{claim} {value}");
    }
    // A token with our `iss` that another key signed is refused.
    let foreign = issuer.settings.keys[0].sign(&good).unwrap();
    let refused = user_at(&authn, &foreign, at(NOW)).unwrap_err();
    assert_eq!(refused, "the token's `kid` names no key of its issuer");
}

#[test]
fn session_without_a_tenant_gets_a_token_without_one() {
    let gateway = Gateway::new();
    let mut user = gateway.signed_in(json!({}));
    user.id.tenant = None;
    user.session = Session {
        expires_at: at(NOW + 60),
        ..Session::default()
    };
    let issued = gateway.issue(&user, confirmed(), NOW);
    assert_eq!(gateway.accepted(&issued, NOW).id, user.id);
}
