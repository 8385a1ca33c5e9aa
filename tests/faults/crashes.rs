//! The gateway, or its Redis, ends between two steps or in the middle of one.

use std::process::Command;

use tokio::sync::mpsc;

use super::*;
use crate::poll::until;

const ROUNDS: usize = 40;
/// Users who complete an enrolment while the kill comes.
const RACERS: usize = 6;

#[tokio::test]
async fn a_pending_enrolment_outlives_the_gateway() {
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
    /// What it was told; nothing when the connection broke.
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

    /// The enrolment is there or not, whole, and as it was told.
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

/// All racers complete at once; `strike` comes when so many of them have their answer.
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
            // Not connected or broken off midway: the gateway was killed.
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

/// What happened in all rounds together: for the kills to mean something, some enrolments must have
/// been acknowledged, and others not.
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
        race(&site, &gateway, &mut racers, round % RACERS, || kill(&pid)).await;
        gateway.kill();
        gateway = site.serve();
        tally.add(&site, &gateway, &racers).await;
    }
    tally.assert_mixed();
}

fn kill(pid: &str) {
    let status = Command::new("kill").args(["-KILL", pid]).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_during_completions_leaves_each_whole_in_the_embedded_store() {
    the_gateway_is_killed(Site::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_during_completions_leaves_each_whole_in_redis() {
    the_gateway_is_killed(Site::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_killed_during_completions_leaves_each_whole() {
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
async fn the_embedded_store_is_for_one_process() {
    let site = Site::embedded();
    let gateway = site.serve();
    let anywhere = "127.0.0.1:0";
    let second = Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .args(["serve", "--listen", anywhere, "--admin-listen", anywhere])
        .arg("--config")
        .arg(site.deployment.config())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("cedargate.redb"), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    // The first one goes on.
    let credential = site.begin(&site.user(&gateway, "alice")).await;
    let alice = site.user(&gateway, "alice");
    assert_first(&alice.complete(PASSKEY, &credential).await);
}
