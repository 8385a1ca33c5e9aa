//! Requests that race the reset of their user, at another gateway if there is one: nothing from
//! before the reset opens anything after it.

use futures_util::future::join;

use super::*;
use crate::support::client::{BACKUP_CODES, COMPLETE};
use crate::support::deployment::ADMINS;

const ROUNDS: usize = 10;

/// A user before a race with their reset, and everything that may race it.
struct Race<'a> {
    doors: &'a Doors,
    name: String,
    user: Enrolled,
    /// The token of a step-up before the race.
    strong: String,
    admin: Client,
}

impl<'a> Race<'a> {
    async fn ready(doors: &'a Doors, round: usize) -> Self {
        let name = format!("alice{round}");
        let mut user = Enrolled::at(doors, &name).await;
        let strong = user.strong(doors).await;
        let mut claims = doors.site.deployment.strong_claims("root", TENANT);
        claims["groups"] = json!([ADMINS]);
        Self {
            doors,
            name,
            user,
            strong,
            admin: doors.with(&doors.site.deployment.sign(&claims)),
        }
    }

    async fn reset(&self) -> Answer {
        let target = format!("/v1/admin/users/corp%7C{}/mfa", self.name);
        self.admin.delete(&target).await
    }

    /// Repeats the reset if the store was too slow for it, and checks that no token from before it
    /// works, whatever the other requests were answered. Returns true if the reset was done at
    /// once, and the user's holdings.
    async fn settle(&self, reset: &Answer, others: &[&Answer]) -> (bool, (usize, u64)) {
        let is_done = reset.status == 200;
        assert!(is_done || reset.status == 503, "{reset:?}");
        until("reset", async || {
            is_done || self.reset().await.status == 200
        })
        .await;
        self.doors.assert_over(&self.strong).await;
        for answer in others {
            let is_ours = answer.status >= 500 && answer.status != 503;
            assert!(!is_ours, "{answer:?}");
            // Its session, challenge or code was from before the reset.
            if let Some(token) = issued(answer) {
                self.doors.assert_over(&token).await;
            }
        }
        let weak = self.doors.at_each(&self.user.token);
        let held = holdings(&weak[0]).await;
        for caller in &weak {
            assert_eq!(holdings(caller).await, held);
        }
        (is_done, held)
    }
}

fn with_admins() -> [Doors; 2] {
    Site::both().map(|site| {
        Doors::of(Site {
            deployment: site.deployment.with_admins(),
            ..site
        })
    })
}

#[tokio::test]
async fn step_up_that_races_a_reset_ends_with_it() {
    for doors in with_admins() {
        for round in 0..ROUNDS {
            let mut race = Race::ready(&doors, round).await;
            let body = race.user.answered(&doors).await;
            let caller = doors.with(&race.user.token);
            let step_up = caller.post(AUTHENTICATE_COMPLETE, &body);
            let (reset, answer) = join(race.reset(), step_up).await;
            let known = matches!(answer.status, 200 | 404 | 503);
            assert!(known, "{answer:?}");
            let (_, held) = race.settle(&reset, &[&answer]).await;
            assert_eq!(held, (0, 0));
        }
    }
}

#[tokio::test]
async fn code_that_races_a_reset_opens_nothing() {
    for doors in with_admins() {
        for round in 0..ROUNDS {
            let race = Race::ready(&doors, round).await;
            let body = json!({ "code": race.user.codes[0] });
            let caller = doors.with(&race.user.token);
            let used = caller.post(BACKUP_CODES_VERIFY, &body);
            let (reset, answer) = join(race.reset(), used).await;
            let known = matches!(answer.status, 200 | 400 | 503);
            assert!(known, "{answer:?}");
            let (_, held) = race.settle(&reset, &[&answer]).await;
            assert_eq!(held, (0, 0));
        }
    }
}

#[tokio::test]
async fn new_codes_that_race_a_reset_do_not_work() {
    for doors in with_admins() {
        for round in 0..ROUNDS {
            let race = Race::ready(&doors, round).await;
            let caller = doors.with(&race.strong);
            let empty = json!({});
            let regenerated = caller.post(BACKUP_CODES, &empty);
            let (reset, answer) = join(race.reset(), regenerated).await;
            let known = matches!(answer.status, 200 | 401 | 404 | 503);
            assert!(known, "{answer:?}");
            let (_, held) = race.settle(&reset, &[&answer]).await;
            assert_eq!(held, (0, 0));
            if answer.status == 200 {
                let caller = doors.with(&race.user.token);
                let used = refused_code(&caller, &answer.body["codes"][0]).await;
                assert_eq!(used.says(), (400, "invalid_credential"), "{used:?}");
            }
        }
    }
}

#[tokio::test]
async fn only_authenticators_begun_after_a_reset_remain() {
    for doors in with_admins() {
        for round in 0..ROUNDS {
            let race = Race::ready(&doors, round).await;
            let claims = doors.site.deployment.strong_claims(&race.name, TENANT);
            let signed_in = doors.site.deployment.sign(&claims);
            let caller = doors.with(&signed_in);
            let pending = doors.site.begin(&caller).await;
            let early = caller.complete(PASSKEY, &pending);
            // This enrolment is begun before the reset or after it.
            let other = doors.with(&signed_in);
            let late = async {
                let credential = doors.site.begin(&other).await;
                let body = json!({
                    "credential": credential, "device_name": "late", "method_type": PASSKEY,
                });
                other.post(COMPLETE, &body).await
            };
            let (reset, (early, late)) = join(race.reset(), join(early, late)).await;
            for answer in [&early, &late] {
                assert!(matches!(answer.status, 200 | 404 | 503), "{answer:?}");
            }
            let (is_done, held) = race.settle(&reset, &[&early, &late]).await;
            // A first factor after the reset comes with codes. A further one was completed before
            // it.
            let is_first = late.status == 200 && shown_codes(&late) > 0;
            if is_done && late.status != 503 {
                assert_eq!(held, if is_first { (1, 10) } else { (0, 0) }, "{late:?}");
            } else {
                assert!(matches!(held, (1, 10) | (0, 0)), "{held:?}");
            }
            let list = in_the_end(async || caller.get(METHODS).await).await;
            for one in list.body["methods"].as_array().unwrap() {
                assert_eq!(one["device_name"], "late", "it was begun before the reset");
            }
        }
    }
}
