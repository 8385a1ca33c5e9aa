//! Tests of remembered tokens.

use proptest::sample::select;
use tokio::runtime;

use super::*;
use crate::authn::memory::Bounds;
use crate::authn::signing::SigningKey;
use crate::authn::step_up::{self, Proof};
use crate::property::check;

const BAD_SIGNATURE: &str = "the token's signature does not verify";
const EXPIRED: &str = "the token has expired";

/// Returns the number of signature checks that `act` makes.
fn checks(authn: &Authn, act: impl FnOnce()) -> u64 {
    let before = authn.signature_checks();
    act();
    authn.signature_checks() - before
}

fn es256() -> Signer {
    Signer::new(Algorithm::Es256)
}

fn good(signer: &Signer) -> String {
    signer.token(json!({}), json!({}))
}

/// Returns a token that names the key of `corp` and is signed by a stranger.
fn junk() -> String {
    good(&es256())
}

fn jwks(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

fn without_id(signer: &Signer) -> Value {
    merged(signer.jwk("a"), json!({ "kid": null }))
}

/// Returns an `Authn` whose issuer has remote keys that tests publish. Nothing is fetched.
fn remote() -> (Authn, Arc<RemoteKeys>) {
    let url = "https://id.example.com/jwks".parse().unwrap();
    let keys = Arc::new(RemoteKeys::new(url, vec![Algorithm::Es256]));
    (with_keys(&keys, None), keys)
}

fn with_keys(keys: &Arc<RemoteKeys>, step_up: Option<&StepUpIssuer>) -> Authn {
    let mut corp = issuer(&[es256().jwk("a")], &[Algorithm::Es256]);
    corp.keys = KeySource::Remote(Arc::clone(keys));
    let own = step_up.map(|it| it.as_issuer().unwrap());
    Authn {
        issuers: [corp].into_iter().chain(own).collect(),
        memory: Memory::new(),
        signature_checks: AtomicU64::new(0),
        _fetchers: JoinSet::new(),
    }
}

fn step_up() -> StepUpIssuer {
    let key = SigningKey::parse(&SigningKey::generate().unwrap());
    StepUpIssuer::new(step_up::Settings {
        issuer: "https://mfa.example.com".into(),
        audience: AUDIENCE.into(),
        ttl: std::time::Duration::from_secs(300),
        keys: vec![key.ok().unwrap()],
    })
    .unwrap()
}

fn step_up_token(step_up: &StepUpIssuer, user: &User) -> String {
    let proof = Proof::Assertion {
        proven_model: false,
        user_verified: true,
        enrolled_at: at(NOW - 1000),
        trusted: true,
    };
    step_up.issue(user, proof, 7, [], at(NOW)).unwrap().token
}

#[test]
fn verified_token_that_is_presented_again_needs_no_signature_check() {
    let (authn, signer) = corp();
    let header = format!("Bearer {}", good(&signer));
    let read = || {
        read(&authn, Some(header.as_bytes()), at(NOW))
            .unwrap()
            .unwrap()
    };
    let mut first = None;
    assert_eq!(checks(&authn, || first = Some(read())), 1);
    let mut second = None;
    assert_eq!(checks(&authn, || second = Some(read())), 0);
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
}

#[test]
fn step_up_token_that_is_presented_again_needs_no_signature_check() {
    let (signer, own) = (es256(), step_up());
    let authn = authn_with(&signer, &own);
    let token = step_up_token(&own, &user(&authn, &good(&signer)).unwrap());
    let present = || assert_eq!(user(&authn, &token).unwrap().session.epoch, Some(7));
    assert_eq!(checks(&authn, present), 1);
    assert_eq!(checks(&authn, present), 0);
    assert_eq!(
        user_at(&authn, &token, at(NOW + 360)).unwrap_err(),
        EXPIRED,
        "300 seconds, and 60 of leeway"
    );
}

#[test]
fn ten_refusals_of_one_junk_token_make_one_signature_check() {
    let (authn, _) = corp();
    let unnamed = es256().token(json!({ "kid": null }), json!({}));
    for token in [junk(), unnamed] {
        let refuse = || {
            for _ in 0..10 {
                assert_eq!(user(&authn, &token).unwrap_err(), BAD_SIGNATURE);
            }
        };
        assert_eq!(checks(&authn, refuse), 1);
    }
}

#[test]
fn token_that_is_refused_for_its_claims_is_checked_again() {
    let (authn, signer) = corp();
    let token = signer.token(json!({}), json!({ "groups": "staff" }));
    let refuse = || assert!(user(&authn, &token).is_err());
    assert_eq!(checks(&authn, refuse), 1);
    assert_eq!(checks(&authn, refuse), 1);
    assert_eq!(authn.memory.counts(), (0, 0));
}

#[test]
fn remembered_token_is_refused_as_soon_as_it_has_expired() {
    let (authn, signer) = corp();
    let (token, forged) = (good(&signer), junk());
    let last = Timestamp::from_millis((NOW + 660) * 1000 - 1);
    for now in [at(NOW), last] {
        assert!(user_at(&authn, &token, now).is_ok());
        assert_eq!(user_at(&authn, &forged, now).unwrap_err(), BAD_SIGNATURE);
    }
    for token in [&token, &forged] {
        assert_eq!(user_at(&authn, token, at(NOW + 660)).unwrap_err(), EXPIRED);
    }
    assert!(
        user(&authn, &token).is_ok(),
        "the clock was set back before its expiry"
    );
}

#[test]
fn token_that_is_not_valid_yet_is_accepted_in_time() {
    let (authn, signer) = corp();
    for (claim, why) in [
        ("nbf", "the token is not valid yet (`nbf`)"),
        ("iat", "the token's `iat` is in the future"),
        ("auth_time", "the token's `auth_time` is in the future"),
    ] {
        let token = signer.token(json!({}), json!({ claim: NOW + 100 }));
        assert_eq!(user(&authn, &token).unwrap_err(), why);
        assert!(user_at(&authn, &token, at(NOW + 40)).is_ok(), "{claim}");
        assert_eq!(
            user(&authn, &token).unwrap_err(),
            why,
            "the clock was set back after the token was verified"
        );
    }
}

#[test]
fn token_of_a_withdrawn_key_is_refused_by_the_next_request() {
    let (authn, keys) = remote();
    let (old, new) = (es256(), es256());
    let token = good(&old);
    keys.publish(&jwks(&[old.jwk("a")]));
    assert!(user(&authn, &token).is_ok());
    keys.publish(&jwks(&[new.jwk("a")]));
    assert_eq!(user(&authn, &token).unwrap_err(), BAD_SIGNATURE);
    assert!(user(&authn, &good(&new)).is_ok());
    keys.publish(&jwks(&[old.jwk("a")]));
    assert!(user(&authn, &token).is_ok(), "its key is published again");
}

#[test]
fn keys_that_are_fetched_again_unchanged_keep_the_memory() {
    let (authn, keys) = remote();
    let signer = es256();
    let (token, forged) = (good(&signer), junk());
    let publish = || keys.publish(&jwks(&[signer.jwk("a")]));
    let present = || {
        assert!(user(&authn, &token).is_ok());
        assert_eq!(user(&authn, &forged).unwrap_err(), BAD_SIGNATURE);
    };
    publish();
    assert_eq!(checks(&authn, present), 2);
    publish();
    assert_eq!(checks(&authn, present), 0);
    keys.publish(&jwks(&[signer.jwk("a"), es256().jwk("b")]));
    assert_eq!(checks(&authn, present), 2, "a key was added");
}

#[tokio::test(start_paused = true)]
async fn remembered_token_without_a_kid_still_asks_for_newer_keys() {
    let (authn, keys) = remote();
    let (old, new) = (es256(), es256());
    keys.publish(&jwks(&[without_id(&old)]));
    let token = new.token(json!({ "kid": null }), json!({}));
    let header = format!("Bearer {token}");
    let read = || authn.user(Some(header.as_bytes()), at(NOW));
    for checks in [1, 1] {
        let refused = read().await.unwrap_err();
        assert_eq!(refused, Error::InvalidToken(BAD_SIGNATURE));
        assert_eq!(authn.signature_checks(), checks);
    }
    let publish = async { keys.publish(&jwks(&[without_id(&new)])) };
    let (accepted, ()) = tokio::join!(read(), publish);
    assert!(accepted.unwrap().is_some());
}

#[test]
fn more_junk_than_the_bound_evicts_no_verified_token() {
    let (mut authn, signer) = corp();
    authn.memory = Memory::with_bounds(Bounds {
        verified_bytes: 1024 * 1024,
        wrong_signatures: 64,
    });
    let token = good(&signer);
    assert!(user(&authn, &token).is_ok());
    for _ in 0..500 {
        assert!(user(&authn, &junk()).is_err());
    }
    let (verified, wrong) = authn.memory.counts();
    assert_eq!(verified, 1);
    assert!((32..=64).contains(&wrong), "{wrong} junk tokens");
    let present = || assert!(user(&authn, &token).is_ok());
    assert_eq!(checks(&authn, present), 0);
}

#[test]
fn verified_tokens_are_bounded_by_the_bytes_that_they_take() {
    let (mut authn, signer) = corp();
    let bound = 512 * 1024;
    authn.memory = Memory::with_bounds(Bounds {
        verified_bytes: bound,
        wrong_signatures: 64,
    });
    for number in 0..300 {
        let many = vec![json!({ "a": number }); 10];
        let token = signer.token(json!({}), json!({ "many": many }));
        assert!(user(&authn, &token).is_ok());
        let bytes = authn.memory.verified_bytes();
        assert!(bytes <= bound, "{bytes} bytes");
    }
    let (verified, _) = authn.memory.counts();
    assert!((20..100).contains(&verified), "{verified} tokens");
}

#[test]
fn expired_tokens_and_those_of_withdrawn_keys_are_forgotten_within_a_minute() {
    let (authn, keys) = remote();
    let signer = es256();
    let publish = |kid| keys.publish(&jwks(&[signer.jwk(kid)]));
    publish("a");
    assert!(user(&authn, &good(&signer)).is_ok());
    assert!(user(&authn, &junk()).is_err());
    assert_eq!(authn.memory.counts(), (1, 1));
    let visit = |now| assert!(user_at(&authn, "x", at(now)).is_err());
    visit(NOW + 660);
    assert_eq!(authn.memory.counts(), (0, 0), "they have expired");
    // The clock is set back, and the keys change.
    assert!(user(&authn, &good(&signer)).is_ok());
    publish("b");
    visit(NOW + 59);
    assert_eq!(authn.memory.counts(), (1, 0), "a minute is not over");
    visit(NOW + 60);
    assert_eq!(authn.memory.counts(), (0, 0));
}

/// One request, with what changed before it.
#[derive(Clone, Debug)]
struct Request {
    /// The position of the JWKS that the issuer publishes before the request.
    published: Option<usize>,
    /// The position of the token.
    token: usize,
    /// The time, in seconds from [`NOW`].
    now: i64,
}

const TOKENS: usize = 12;
const KEY_SETS: usize = 6;
/// Seconds from [`NOW`] on both sides of the limits of the tokens.
const TIMES: [i64; 13] = [-61, -60, 0, 1, 39, 40, 64, 65, 161, 359, 360, 659, 660];

/// Makes tokens of all kinds, and sets of keys that verify some of them.
fn tokens_and_keys(own: &StepUpIssuer) -> ([String; TOKENS], [Value; KEY_SETS]) {
    let (a, b) = (es256(), es256());
    let unnamed = json!({ "kid": null });
    let first = user(
        &authn(&[a.jwk("a")], &[Algorithm::Es256]),
        &a.token(json!({}), json!({})),
    );
    let tokens = [
        good(&a),
        a.token(unnamed.clone(), json!({ "sub": "bob" })),
        b.token(json!({ "kid": "b" }), json!({})),
        b.token(unnamed, json!({})),
        good(&b),
        junk(),
        a.token(json!({}), json!({ "exp": NOW + 5 })),
        a.token(json!({}), json!({ "nbf": NOW + 100 })),
        a.token(json!({}), json!({ "aud": "https://elsewhere.example.com" })),
        a.token(json!({}), json!({ "groups": "staff" })),
        a.token(json!({ "kid": "c" }), json!({})),
        step_up_token(own, &first.unwrap()),
    ];
    let sets = [
        jwks(&[a.jwk("a")]),
        jwks(&[b.jwk("b")]),
        jwks(&[a.jwk("a"), b.jwk("b")]),
        jwks(&[without_id(&a)]),
        jwks(&[without_id(&b)]),
        jwks(&[b.jwk("a")]),
    ];
    (tokens, sets)
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let request = (
        prop::option::weighted(0.2, 0..KEY_SETS),
        0..TOKENS,
        prop_oneof![Just(0_i64), select(&TIMES[..])],
    );
    let request = request.prop_map(|(published, token, now)| Request {
        published,
        token,
        now,
    });
    prop::collection::vec(request, 1..60)
}

/// An `Authn` that has served nothing remembers nothing.
#[test]
fn authn_answers_as_one_without_memory_whatever_tokens_times_and_keys_come() {
    let own = step_up();
    let (tokens, sets) = tokens_and_keys(&own);
    let needed = [
        ("accepted", 200),
        ("refused", 500),
        ("recalled", 200),
        ("keys unknown", 20),
    ];
    check(96, &requests(), &needed, |requests, tally| {
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async {
            let (_, keys) = remote();
            let authn = with_keys(&keys, Some(&own));
            for request in requests {
                if let Some(set) = request.published {
                    keys.publish(&sets[set]);
                }
                let header = format!("Bearer {}", tokens[request.token]);
                let (header, now) = (Some(header.as_bytes()), at(NOW + request.now));
                let before = authn.signature_checks();
                let outcome = authn.user(header, now).await;
                let checks = authn.signature_checks() - before;
                let fresh = with_keys(&keys, Some(&own));
                let expected = fresh.user(header, now).await;
                prop_assert_eq!(
                    format!("{outcome:?}"),
                    format!("{expected:?}"),
                    "{:?}",
                    request
                );
                prop_assert!(checks <= fresh.signature_checks());
                tally.add("recalled", usize::from(checks < fresh.signature_checks()));
                let name = match outcome {
                    Ok(_) => "accepted",
                    Err(Error::UnknownKeys(_)) => "keys unknown",
                    Err(_) => "refused",
                };
                tally.add(name, 1);
            }
            Ok(())
        })
    });
}
