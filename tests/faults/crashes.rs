//! The gateway or its Redis is killed between two steps or in the middle of one.

use tokio::sync::mpsc;

use super::*;
use crate::support::poll::until;
use crate::support::program::{cedargate, send_signal, stderr};

const ROUNDS: usize = 40;
/// The users who complete an enrolment during the kill.
const RACERS: usize = 6;

#[tokio::test]
async fn pending_enrolment_survives_a_killed_gateway() {
    let ends: [fn(Gateway); 2] = [Gateway::kill, |gateway| {
        gateway.stop();
    }];
    for site in Site::both() {
        for (name, end) in ["alice", "bob"].iter().zip(ends) {
            let gateway = site.serve();
            let credential = site.begin(&site.user(&gateway, name)).await;
            end(gateway);
            let gateway = site.serve();
            let first = site
                .user(&gateway, name)
                .complete(PASSKEY, &credential)
                .await;
            assert_first(&first);
            end(gateway);
            let gateway = site.serve();
            assert_eq!(holdings(&site.user(&gateway, name)).await, (1, 10));
        }
    }
}

/// A user in the middle of an enrolment.
struct Racer {
    name: String,
    credential: Value,
    /// The answer. `None` if the connection broke.
    answer: Option<Answer>,
}

impl Racer {
    async fn begin(site: &Site, gateway: &Gateway, name: String) -> Self {
        let credential = site.begin(&site.user(gateway, &name)).await;
        Self {
            name,
            credential,
            answer: None,
        }
    }

    /// Checks that the enrolment is whole or absent, in line with its answer.
    async fn check(&self, site: &Site, gateway: &Gateway) -> bool {
        let strong = site.strong(gateway, &self.name);
        let there = match holdings(&strong).await {
            (1, 10) => true,
            (0, 0) => false,
            other => panic!("a credential without its codes, or codes without it: {other:?}"),
        };
        match &self.answer {
            Some(answer) if answer.status == 200 => {
                assert_first(answer);
                assert!(there, "it was acknowledged, and it is lost");
            }
            Some(answer) => {
                assert_eq!(answer.says(), (503, "unavailable"), "{answer:?}");
                let unknown = answer.body["details"]["outcome"] == "unknown";
                assert!(
                    unknown || !there,
                    "it was said to be undone, and it is there"
                );
            }
            None => {}
        }
        let again = complete_in_the_end(&strong, &self.credential).await;
        if there {
            assert_eq!(again.says(), (409, "credential_exists"), "{again:?}");
        } else {
            assert_first(&again);
        }
        assert_eq!(holdings(&strong).await, (1, 10));
        there
    }
}

/// Completes all enrolments at once, and calls `strike` after this many answers.
async fn race(
    site: &Site,
    gateway: &Gateway,
    racers: &mut [Racer],
    answered: usize,
    strike: impl FnOnce(),
) {
    let (sender, mut answers) = mpsc::unbounded_channel();
    for (at, racer) in racers.iter().enumerate() {
        let user = site.user(gateway, &racer.name);
        let credential = racer.credential.clone();
        let sender = sender.clone();
        tokio::spawn(async move {
            // Without a connection, or broken off midway: the gateway was killed.
            let answer = user.try_complete(&credential).await.ok();
            sender.send((at, answer)).unwrap();
        });
    }
    drop(sender);
    for _ in 0..answered {
        let (at, answer) = answers.recv().await.unwrap();
        racers[at].answer = answer;
    }
    strike();
    while let Some((at, answer)) = answers.recv().await {
        racers[at].answer = answer;
    }
}

async fn begin_all(site: &Site, gateway: &Gateway, round: usize) -> Vec<Racer> {
    let mut racers = Vec::new();
    for at in 0..RACERS {
        racers.push(Racer::begin(site, gateway, format!("user-{round}-{at}")).await);
    }
    racers
}

/// The outcomes of all rounds. The kills prove something only if some enrolments were acknowledged
/// and others not.
#[derive(Default)]
struct Tally {
    acknowledged: usize,
    stored: usize,
}

impl Tally {
    async fn add(&mut self, site: &Site, gateway: &Gateway, racers: &[Racer]) {
        for racer in racers {
            let acknowledged = racer.answer.as_ref().is_some_and(|it| it.status == 200);
            self.acknowledged += usize::from(acknowledged);
            self.stored += usize::from(racer.check(site, gateway).await);
        }
    }

    fn assert_mixed(&self) {
        let Self {
            acknowledged,
            stored,
        } = self;
        let all = ROUNDS * RACERS;
        println!("of {all} enrolments {stored} were stored, {acknowledged} acknowledged");
        assert!(*acknowledged > 0 && *stored < all);
    }
}

async fn the_gateway_is_killed(site: Site) {
    let mut tally = Tally::default();
    let mut gateway = site.serve();
    for round in 0..ROUNDS {
        let mut racers = begin_all(&site, &gateway, round).await;
        let pid = gateway.pid();
        race(&site, &gateway, &mut racers, round % RACERS, || {
            send_signal("-KILL", &pid)
        })
        .await;
        gateway.kill();
        gateway = site.serve();
        tally.add(&site, &gateway, &racers).await;
    }
    tally.assert_mixed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_in_the_embedded_store_are_whole_or_absent_after_the_gateway_is_killed() {
    the_gateway_is_killed(Site::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_in_redis_are_whole_or_absent_after_the_gateway_is_killed() {
    the_gateway_is_killed(Site::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_are_whole_or_absent_after_redis_is_killed() {
    let mut site = Site::redis();
    let gateway = site.serve();
    let mut redis = site.redis.take().unwrap();
    let mut tally = Tally::default();
    for round in 0..ROUNDS {
        let mut racers = begin_all(&site, &gateway, round).await;
        race(&site, &gateway, &mut racers, round % RACERS, || {
            redis.kill();
        })
        .await;
        assert!(
            racers.iter().all(|it| it.answer.is_some()),
            "the gateway answers whatever happens to its store"
        );
        redis.restart();
        let alice = site.user(&gateway, "alice");
        until("the store is back", async || {
            alice.get(METHODS).await.status == 200
        })
        .await;
        tally.add(&site, &gateway, &racers).await;
    }
    tally.assert_mixed();
}

#[tokio::test]
async fn second_process_on_an_embedded_store_is_refused() {
    let site = Site::embedded();
    let gateway = site.serve();
    let anywhere = "127.0.0.1:0";
    let serve = ["serve", "--listen", anywhere, "--admin-listen", anywhere];
    let second = cedargate(site.deployment.home(), &serve);
    assert_eq!(second.status.code(), Some(2));
    let said = stderr(&second);
    assert!(said.contains("cedargate.redb"), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    // the first process still serves
    let credential = site.begin(&site.user(&gateway, "alice")).await;
    let alice = site.user(&gateway, "alice");
    assert_first(&alice.complete(PASSKEY, &credential).await);
}
