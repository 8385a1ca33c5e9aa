//! What ends, counts and races at one gateway does so at all gateways of its store.

mod resets;

use futures_util::future::join_all;

use super::races::Doors;
use super::*;
use crate::client::{AUTHENTICATE, AUTHENTICATE_COMPLETE, BACKUP_CODES_VERIFY};
use crate::family::assert_one;
use crate::key::Key;
use crate::poll::until;

const WRONG_CODE: &str = "0000-0000-00000";

impl Doors {
    /// Whoever has this token, at the next door.
    fn with(&self, token: &str) -> Client {
        Client::new(&self.door().url).with(token, TENANT)
    }

    /// The same at every door.
    fn at_each(&self, token: &str) -> Vec<Client> {
        self.gateways.iter().map(|_| self.with(token)).collect()
    }

    /// This token is good at no door any more.
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
    /// Of a weak sign-in.
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

    /// Begins a step-up at the next door, and gives the body that completes it.
    async fn answered(&mut self, doors: &Doors) -> Value {
        let options = begin(&doors.with(&self.token), AUTHENTICATE).await;
        let credential = self.key.sign(&self.key.assertion(&options));
        self.key.sign_count += 1;
        json!({ "credential": credential })
    }

    /// The token of a step-up that one door begins and the next completes.
    async fn strong(&mut self, doors: &Doors) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // What was too slow may have used the challenge up.
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

/// Begins a ceremony in the end, and gives its options.
async fn begin(user: &Client, target: &str) -> Value {
    let begun = in_the_end(async || user.post_empty(target).await).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    begun.body["options"].clone()
}

/// The token of an answer that has one.
fn issued(answer: &Answer) -> Option<String> {
    let token = answer.body["access_token"].as_str();
    token.map(str::to_owned)
}

/// Tries a code, again while the store is too slow for it: one that is refused each time.
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
        // What the store was too slow for may have been counted.
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
async fn of_fifty_uses_of_one_code_at_all_gateways_one_succeeds() {
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
async fn of_fifty_uses_of_one_challenge_at_all_gateways_one_succeeds() {
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
async fn a_step_up_begun_at_one_gateway_completes_at_another_and_ends_at_all_at_once() {
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
            // 401: it was done when the store was too slow to say so
            assert!(matches!(answer.status, 200 | 401 | 503), "{answer:?}");
            answer.status != 503
        })
        .await;
        doors.assert_over(&strong).await;
        assert_eq!(holdings(&doors.with(&alice.token)).await, (1, 10));
    }
}
