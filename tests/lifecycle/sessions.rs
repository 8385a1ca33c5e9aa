//! Two sessions of one user, the owner's and a thief's: neither uses up what the other needs.

use crate::support::base64url::claims;
use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::support::client::{AUTHENTICATE, BACKUP_CODES};
use crate::support::key::{begin, complete};
use crate::support::place::{on_both, plain};

/// This user after a weak sign-in, in the session with this id.
fn session(place: &Place, name: &str, sid: &str) -> Client {
    let mut claims = place.deployment.claims(name, TENANT);
    claims["sid"] = json!(sid);
    place.nobody.with(place.deployment.sign(&claims), TENANT)
}

#[tokio::test]
async fn begins_of_one_session_leave_the_ceremonies_of_another() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let owner = session(place, "alice", "owner");
        let thief = session(place, "alice", "thief");
        let asked = begin(&owner).await;
        let mut refused = None;
        for _ in 0..100 {
            let answer = thief.post(AUTHENTICATE, &json!({})).await;
            if answer.status != 200 {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.expect("no person begins so often");
        assert_eq!(refused.says(), (429, "rate_limited"), "{refused:?}");
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        let right = alice.key.answer(&asked);
        alice.key.sign_count += 1;
        let answer = complete(&owner, &right).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // the owner and other users can still begin
        alice.key.token(&owner).await;
        Enrolled::at(place, "bob").await;
    })
    .await;
}

#[tokio::test]
async fn first_enrolment_survives_the_begins_of_a_stolen_session() {
    on_both(plain, async |place| {
        let owner = session(place, "alice", "owner");
        let thief = session(place, "alice", "thief");
        let options = owner.begin(PASSKEY).await;
        let begins = join_all((0..40).map(|_| thief.register(PASSKEY))).await;
        let known = [200, 503];
        assert!(begins.iter().all(|it| known.contains(&it.status)));
        let key = Key::for_options(&options, &place.deployment.origin(), 5);
        let credential = key.attestation(&options).credential();
        let answer = owner.complete(PASSKEY, &credential).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn session_drops_its_own_oldest_beyond_eight() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let owner = session(place, "alice", "owner");
        let mut begun = Vec::new();
        for _ in 0..9 {
            begun.push(begin(&owner).await);
        }
        let answer = |options| alice.key.answer(options);
        let oldest = complete(&owner, &answer(&begun[0])).await;
        assert_eq!(oldest.says(), (404, "not_found"), "{oldest:?}");
        let second = answer(&begun[1]);
        alice.key.sign_count += 1;
        assert_eq!(complete(&owner, &second).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn wrong_codes_of_one_session_do_not_throttle_another() {
    on_both(plain, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        let owner = session(place, "alice", "owner");
        let thief = session(place, "alice", "thief");
        for _ in 0..10 {
            let answer = verify(&thief, "0000-0000-00000").await;
            assert_eq!(answer.says(), (400, "invalid_credential"));
            assert_eq!(changes(place, &answer), ["code_wrong"]);
        }
        let answer = verify(&thief, &alice.codes[0]).await;
        assert_eq!(answer.says(), (429, "rate_limited"), "{answer:?}");
        assert_eq!(changes(place, &answer), ["codes_throttled"]);
        let answer = verify(&owner, &alice.codes[0]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // a session is the `sid`, however many tokens it has
        let again = session(place, "alice", "thief");
        assert_eq!(verify(&again, &alice.codes[1]).await.status, 429);
    })
    .await;
}

#[tokio::test]
async fn new_codes_end_the_step_ups_made_with_old_codes_only() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let stolen = verify(&alice.weak, &alice.codes[0]).await;
        let stolen = alice.weak.with(text(&stolen.body["access_token"]), TENANT);
        assert_eq!(stolen.get(METHODS).await.status, 200);
        // confirmed with the key in the session that the code opened
        let confirmed = stolen.with(alice.key.token(&stolen).await, TENANT);
        let answer = confirmed.post(BACKUP_CODES, &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let ended = stolen.get(METHODS).await;
        assert_eq!(ended.says(), (401, "unauthenticated"));
        assert!(ended.header("www-authenticate").contains("invalid_token"));
        assert_eq!(confirmed.get(METHODS).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn racing_regenerations_show_one_set_that_works() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let body = json!({});
        let racers = (0..4).map(|_| strong.post(BACKUP_CODES, &body));
        let answers = join_all(racers).await;
        let good: Vec<_> = answers.iter().filter(|it| it.status == 200).collect();
        let lost = [(409, "codes_replaced"), (429, "rate_limited")];
        let others = answers.iter().filter(|it| it.status != 200);
        for other in others {
            assert!(
                lost.contains(&other.says()) || other.status == 503,
                "{other:?}"
            );
        }
        assert!(!good.is_empty(), "{answers:?}");
        // All requests were decided on the same set, so only one can replace it.
        let working = async |answer: &Answer| {
            let code = text(&answer.body["codes"][0]).to_owned();
            verify(&alice.weak, &code).await.status == 200
        };
        let mut shown = 0;
        for answer in &good {
            shown += usize::from(working(answer).await);
        }
        assert_eq!((good.len(), shown), (1, 1), "{answers:?}");
    })
    .await;
}

#[tokio::test]
async fn step_up_that_races_a_removal_gives_a_token_of_its_epoch() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let origin = place.deployment.origin();
        for _ in 0..8 {
            let strong = alice.strong().await;
            Key::enrolled(&strong, "webauthn_fido", &origin).await;
            let second = ids(&alice.weak).await.remove(1);
            let options = begin(&alice.weak).await;
            let right = alice.key.answer(&options);
            alice.key.sign_count += 1;
            let target = format!("{METHODS}/{second}");
            let (removed, stepped_up) =
                tokio::join!(strong.delete(&target), complete(&alice.weak, &right));
            assert_eq!(removed.status, 200, "{removed:?}");
            assert_eq!(stepped_up.status, 200, "{stepped_up:?}");
            let fresh = alice
                .weak
                .with(text(&stepped_up.body["access_token"]), TENANT);
            let answer = fresh.get(METHODS).await;
            // A token from before the removal ends with it, and one from after it is valid. The
            // epoch tells which came first.
            let epoch = claims(text(&stepped_up.body["access_token"]))["epoch"]
                .as_u64()
                .unwrap();
            let now = claims(&alice.key.token(&alice.weak).await)["epoch"]
                .as_u64()
                .unwrap();
            let expected = if epoch == now { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{answer:?}");
        }
    })
    .await;
}
