//! Several gateways of one store: ends of sessions, counts and races hold over all of them.

mod resets;

use futures_util::future::join_all;

use super::races::Doors;
use super::*;
use crate::lifecycle::assert_one;
use crate::support::client::{AUTHENTICATE, AUTHENTICATE_COMPLETE, BACKUP_CODES_VERIFY};
use crate::support::key::Key;
use crate::support::poll::until;

const WRONG_CODE: &str = "0000-0000-00000";

impl Doors {
    /// A caller with this token at the next gateway.
    fn with(&self, token: &str) -> Client {
        Client::new(&self.door().url).with(token, TENANT)
    }

    /// Callers with this token, one for each gateway.
    fn at_each(&self, token: &str) -> Vec<Client> {
        self.gateways.iter().map(|_| self.with(token)).collect()
    }

    /// Checks that every gateway refuses this token.
    async fn assert_over(&self, token: &str) {
        for caller in self.at_each(token) {
            let answer = in_the_end(async || caller.get(METHODS).await).await;
            assert_eq!(answer.says(), (401, "unauthenticated"), "{answer:?}");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.contains("invalid_token"), "{challenge}");
        }
    }
}

/// A user with a passkey.
struct Enrolled {
    /// The token after a weak sign-in.
    token: String,
    key: Key,
    codes: Vec<Value>,
}

impl Enrolled {
    async fn at(doors: &Doors, name: &str) -> Self {
        let token = doors.site.deployment.token(name);
        let options = begin(&doors.with(&token), REGISTER).await;
        let key = Key::for_options(&options, &doors.site.deployment.origin(), 5);
        let credential = key.attestation(&options).credential();
        let answer = complete_in_the_end(&doors.with(&token), &credential).await;
        assert_first(&answer);
        Self {
            token,
            key,
            codes: answer.body["codes"].as_array().unwrap().clone(),
        }
    }

    /// Begins a step-up at the next gateway and returns the body that completes it.
    async fn answered(&mut self, doors: &Doors) -> Value {
        let options = begin(&doors.with(&self.token), AUTHENTICATE).await;
        let credential = self.key.answer(&options);
        self.key.sign_count += 1;
        json!({ "credential": credential })
    }

    /// The token of a step-up that one gateway begins and the next completes.
    async fn strong(&mut self, doors: &Doors) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // An attempt that was too slow may have used up the challenge.
            let body = self.answered(doors).await;
            let user = doors.with(&self.token);
            let answer = user.post(AUTHENTICATE_COMPLETE, &body).await;
            if let Some(token) = issued(&answer) {
                return token;
            }
            let is_slow = answer.status == 503 && Instant::now() < deadline;
            assert!(is_slow, "{answer:?}");
        }
    }
}

/// Begins a ceremony, with retries, and returns its options.
async fn begin(user: &Client, target: &str) -> Value {
    let begun = in_the_end(async || user.post_empty(target).await).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    begun.body["options"].clone()
}

/// The token in an answer, if there is one.
fn issued(answer: &Answer) -> Option<String> {
    let token = answer.body["access_token"].as_str();
    token.map(str::to_owned)
}

/// Tries a code that is refused each time, with retries while the store is too slow.
async fn refused_code(caller: &Client, code: &Value) -> Answer {
    let body = json!({ "code": code });
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = caller.post(BACKUP_CODES_VERIFY, &body).await;
        if answer.status != 503 || Instant::now() > deadline {
            return answer;
        }
    }
}

#[tokio::test]
async fn wrong_codes_are_counted_over_all_gateways() {
    for doors in Doors::both() {
        let alice = Enrolled::at(&doors, "alice").await;
        let callers = doors.at_each(&alice.token);
        let deadline = Instant::now() + PATIENCE;
        // Tries that were too slow for the store may have been counted.
        let (mut wrong, mut slow) = (0, 0);
        for caller in callers.iter().cycle() {
            let body = json!({ "code": WRONG_CODE });
            let answer = caller.post(BACKUP_CODES_VERIFY, &body).await;
            match answer.says() {
                (400, "invalid_credential") => wrong += 1,
                (503, _) if Instant::now() < deadline => slow += 1,
                (429, "rate_limited") => break,
                _ => panic!("{answer:?}"),
            }
            assert!(wrong <= 10, "the door stays open");
        }
        assert!(wrong + slow >= 10, "shut too early: {wrong}, {slow}");
        for caller in &callers {
            for code in [&alice.codes[0], &json!(WRONG_CODE)] {
                let answer = refused_code(caller, code).await;
                assert_eq!(answer.says(), (429, "rate_limited"), "{answer:?}");
                let seconds: u64 = answer.header("retry-after").parse().unwrap();
                assert!((1..=900).contains(&seconds), "{seconds}");
            }
            assert_eq!(holdings(caller).await, (1, 10));
        }
    }
}

#[tokio::test]
async fn fifty_uses_of_one_code_over_all_gateways_succeed_once() {
    for doors in Doors::both() {
        let alice = Enrolled::at(&doors, "alice").await;
        let callers = doors.at_each(&alice.token);
        let body = json!({ "code": alice.codes[0] });
        let racers = callers.iter().cycle().take(50);
        let answers = join_all(racers.map(|one| one.post(BACKUP_CODES_VERIFY, &body))).await;
        assert_one(&answers);
        for caller in &callers {
            assert_eq!(holdings(caller).await, (1, 9));
        }
    }
}

#[tokio::test]
async fn fifty_uses_of_one_challenge_over_all_gateways_succeed_once() {
    for doors in Doors::both() {
        let mut alice = Enrolled::at(&doors, "alice").await;
        let body = alice.answered(&doors).await;
        let callers = doors.at_each(&alice.token);
        let racers = callers.iter().cycle().take(50);
        let answers = join_all(racers.map(|one| one.post(AUTHENTICATE_COMPLETE, &body))).await;
        assert_one(&answers);
    }
}

#[tokio::test]
async fn step_up_begun_at_one_gateway_completes_at_another_and_ends_at_all() {
    for doors in Doors::both() {
        let mut alice = Enrolled::at(&doors, "alice").await;
        let strong = alice.strong(&doors).await;
        let callers = doors.at_each(&strong);
        let credential = doors.site.begin(&callers[0]).await;
        assert_further(&complete_in_the_end(&callers[0], &credential).await);
        for caller in &callers {
            assert_eq!(holdings(caller).await, (2, 10));
        }
        let list = in_the_end(async || callers[0].get(METHODS).await).await;
        let id = list.body["methods"][1]["id"].as_str().unwrap();
        let target = format!("{METHODS}/{id}");
        until("removed", async || {
            let answer = callers[0].delete(&target).await;
            // 401: an earlier attempt removed it, and the store was too slow to answer
            assert!(matches!(answer.status, 200 | 401 | 503), "{answer:?}");
            answer.status != 503
        })
        .await;
        doors.assert_over(&strong).await;
        assert_eq!(holdings(&doors.with(&alice.token)).await, (1, 10));
    }
}
