//! Requests that race, spread over all gateways of one store.

use std::cell::Cell;

use futures_util::future::{join, join_all};

use super::*;

/// Two gateways over one Redis, or the one that the embedded store allows.
pub(super) struct Doors {
    pub(super) site: Site,
    pub(super) gateways: Vec<Gateway>,
    next: Cell<usize>,
    /// The moment of every strong sign-in, so that all tokens of a user are of one session.
    signed_in: Value,
}

impl Doors {
    pub(super) fn both() -> [Self; 2] {
        Site::both().map(Self::of)
    }

    pub(super) fn of(site: Site) -> Self {
        let mut gateways = vec![site.serve()];
        if site.redis.is_some() {
            gateways.push(site.deployment.serve_beside());
        }
        Self {
            signed_in: site.deployment.strong_claims("alice", TENANT)["auth_time"].clone(),
            site,
            gateways,
            next: Cell::default(),
        }
    }

    /// The gateway of the next client, in turn.
    pub(super) fn door(&self) -> &Gateway {
        let at = self.next.replace(self.next.get() + 1);
        &self.gateways[at % self.gateways.len()]
    }

    fn user(&self, name: &str) -> Client {
        self.site.user(self.door(), name)
    }

    fn strong(&self, name: &str) -> Client {
        let mut claims = self.site.deployment.strong_claims(name, TENANT);
        claims["auth_time"] = self.signed_in.clone();
        let token = self.site.deployment.sign(&claims);
        Client::new(&self.door().url).with(token, TENANT)
    }
}

fn sorted(one: &Answer, other: &Answer) -> [u16; 2] {
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn enrolment_begun_at_one_gateway_completes_at_another() {
    for doors in Doors::both() {
        let credential = doors.site.begin(&doors.user("alice")).await;
        assert_first(&doors.user("alice").complete(PASSKEY, &credential).await);
        let credential = doors.site.begin(&doors.strong("alice")).await;
        assert_further(&doors.strong("alice").complete(PASSKEY, &credential).await);
        for _ in &doors.gateways {
            assert_eq!(holdings(&doors.user("alice")).await, (2, 10));
        }
    }
}

#[tokio::test]
async fn hundred_equal_completions_store_one_credential_and_show_codes_once() {
    for doors in Doors::both() {
        let credential = doors.site.begin(&doors.strong("alice")).await;
        let racers = (0..100).map(|_| doors.strong("alice")).collect::<Vec<_>>();
        let complete = racers
            .iter()
            .map(|one| complete_in_the_end(one, &credential));
        let answers = join_all(complete).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
        assert_eq!(won.len(), 1, "{won:?}");
        assert_first(won[0]);
        for one in lost {
            let says = one.says();
            assert!(
                matches!(says, (404, "not_found") | (409, "credential_exists")),
                "{one:?}"
            );
            // The browser must not be told to forget a stored credential.
            assert_eq!(one.body.get("details"), None, "{one:?}");
        }
        assert_eq!(holdings(&racers[0]).await, (1, 10));
    }
}

#[tokio::test]
async fn hundred_credentials_for_one_challenge_store_one() {
    for doors in Doors::both() {
        let options = doors.strong("alice").begin(PASSKEY).await;
        let racers = (0..100).map(|_| {
            let credential = doors.site.attest(&options).credential();
            (doors.strong("alice"), credential)
        });
        let racers: Vec<_> = racers.collect();
        let complete = racers
            .iter()
            .map(|(one, its)| complete_in_the_end(one, its));
        let answers = join_all(complete).await;
        let mut won = 0;
        for (answer, (_, credential)) in answers.iter().zip(&racers) {
            if answer.status == 200 {
                assert_first(answer);
                won += 1;
            } else {
                assert_eq!(answer.says(), (404, "not_found"), "{answer:?}");
                let signal = json!({ "rpId": "localhost", "credentialId": credential["id"] });
                assert_eq!(answer.body["details"]["signal"], signal);
            }
        }
        assert_eq!(won, 1);
        assert_eq!(holdings(&racers[0].0).await, (1, 10));
    }
}

#[tokio::test]
async fn ninth_begin_drops_the_first() {
    for doors in Doors::both() {
        let mut credentials = Vec::new();
        for _ in 0..9 {
            credentials.push(doors.site.begin(&doors.strong("alice")).await);
        }
        let alice = doors.strong("alice");
        let gone = alice.complete(PASSKEY, &credentials[0]).await;
        assert_eq!(gone.says(), (404, "not_found"));
        for (at, credential) in credentials[1..].iter().enumerate() {
            let answer = doors.strong("alice").complete(PASSKEY, credential).await;
            assert_eq!(answer.status, 200, "{at}: {answer:?}");
        }
        assert_eq!(holdings(&alice).await, (8, 10));
    }
}

#[tokio::test]
async fn nine_begins_at_once_keep_eight() {
    for doors in Doors::both() {
        let racers: Vec<_> = (0..9).map(|_| doors.strong("alice")).collect();
        let credentials = join_all(racers.iter().map(|one| doors.site.begin(one))).await;
        let mut answers = Vec::new();
        for credential in &credentials {
            answers.push(doors.strong("alice").complete(PASSKEY, credential).await);
        }
        let gone: Vec<_> = answers.iter().filter(|it| it.status != 200).collect();
        assert_eq!(gone.len(), 1, "{gone:?}");
        assert_eq!(gone[0].says(), (404, "not_found"));
        let with_codes = answers.iter().filter(|it| shown_codes(it) > 0).count();
        assert_eq!(with_codes, 1);
        assert_eq!(holdings(&racers[0]).await, (8, 10));
    }
}

#[tokio::test]
async fn twenty_responses_that_do_not_verify_use_up_the_enrolment_once() {
    for doors in Doors::both() {
        let mut wrong = doors.site.attest(&doors.user("alice").begin(PASSKEY).await);
        wrong.client_data["origin"] = json!("https://evil.example");
        let credential = wrong.credential();
        let racers = (0..20).map(|_| doors.user("alice")).collect::<Vec<_>>();
        let complete = racers
            .iter()
            .map(|one| complete_in_the_end(one, &credential));
        let answers = join_all(complete).await;
        let (told, late): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 400);
        assert_eq!(told.len(), 1, "{told:?}");
        for one in &answers {
            let signal = json!({ "rpId": "localhost", "credentialId": credential["id"] });
            assert_eq!(one.body["details"]["signal"], signal, "{one:?}");
        }
        for one in late {
            assert_eq!(one.says(), (404, "not_found"), "{one:?}");
        }
        assert_eq!(holdings(&racers[0]).await, (0, 0));
    }
}

#[tokio::test]
async fn credential_id_of_two_users_is_stored_for_one() {
    for doors in Doors::both() {
        for round in 0..10 {
            let users = [format!("alice{round}"), format!("bob{round}")];
            let [alice, bob] = users.each_ref().map(|name| doors.user(name));
            let of_alice = doors.site.attest(&alice.begin(PASSKEY).await);
            let mut of_bob = doors.site.attest(&bob.begin(PASSKEY).await);
            of_bob.credential_id.clone_from(&of_alice.credential_id);
            let (of_alice, of_bob) = (of_alice.credential(), of_bob.credential());
            let (first, second) = join(
                alice.complete(PASSKEY, &of_alice),
                bob.complete(PASSKEY, &of_bob),
            )
            .await;
            assert_eq!(sorted(&first, &second), [200, 409], "{first:?} {second:?}");
            let (winner, loser) = if first.status == 200 {
                ((&alice, &first), (&bob, &second, &of_bob))
            } else {
                ((&bob, &second), (&alice, &first, &of_alice))
            };
            assert_first(winner.1);
            assert_eq!(holdings(winner.0).await, (1, 10));
            assert_eq!(loser.1.says(), (409, "credential_exists"));
            assert_eq!(holdings(loser.0).await, (0, 0));
            // Its enrolment is used up.
            let again = loser.0.complete(PASSKEY, loser.2).await;
            assert_eq!(again.says(), (404, "not_found"));
        }
    }
}

#[tokio::test]
async fn second_of_two_first_enrolments_is_decided_as_a_second_factor() {
    for doors in Doors::both() {
        for round in 0..10 {
            let name = format!("alice{round}");
            let [one, other] = [doors.user(&name), doors.user(&name)];
            let (of_one, of_other) = join(doors.site.begin(&one), doors.site.begin(&other)).await;
            let (first, second) = join(
                one.complete(PASSKEY, &of_one),
                other.complete(PASSKEY, &of_other),
            )
            .await;
            assert_eq!(sorted(&first, &second), [200, 401], "{first:?} {second:?}");
            let (won, lost, credential) = if first.status == 200 {
                (&first, &second, &of_other)
            } else {
                (&second, &first, &of_one)
            };
            assert_first(won);
            assert_eq!(lost.code(), "step_up_required");
            assert_eq!(holdings(&one).await, (1, 10));
            // The enrolment is not used up: after a step-up the same body is accepted.
            let strong = doors.strong(&name).complete(PASSKEY, credential).await;
            assert_further(&strong);
        }
    }
}

#[tokio::test]
async fn two_first_enrolments_of_a_strong_sign_in_share_one_set_of_codes() {
    for doors in Doors::both() {
        for round in 0..10 {
            let name = format!("alice{round}");
            let [one, other] = [doors.strong(&name), doors.strong(&name)];
            let (of_one, of_other) = join(doors.site.begin(&one), doors.site.begin(&other)).await;
            let (first, second) = join(
                one.complete(PASSKEY, &of_one),
                other.complete(PASSKEY, &of_other),
            )
            .await;
            let (with, without) = if shown_codes(&first) > 0 {
                (&first, &second)
            } else {
                (&second, &first)
            };
            assert_first(with);
            assert_further(without);
            assert_eq!(holdings(&one).await, (2, 10));
        }
    }
}
