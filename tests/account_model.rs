//! The account under random requests, compared with a model, on both stores.
//!
//! Two users, an administrator and a user who is promoted after enrolling have three sessions each: one
//! with a password only, one that steps up, and one that is old and in the hands of a thief. They do
//! everything that the API offers in random order, some of it at once. `rules` predicts every answer;
//! if two requests race, either order is right. `promises` states what must never happen. At the end of a
//! case, `leftovers` presents everything that has ended and completes everything that is pending, and in
//! `ways_back` every owner gets in again.
//!
//! A run takes a thousand steps over both stores together. `ACCOUNT_MODEL_STEPS` sets another number,
//! such as 100000 for a night. (A name that begins with `CEDARGATE_` would be a key of the
//! configuration.) A failed case is shrunk and printed as its requests.

mod case;
mod hands;
mod leftovers;
mod making;
mod operations;
mod play;
mod promises;
mod report;
mod requests;
mod rules;
mod ways_back;

use std::cell::Cell;
use std::thread;

use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use tokio::runtime::{Builder, Runtime};

use self::case::Case;
use self::operations::{Story, stories};
use self::rules::MAX_AUTHENTICATORS;
use crate::support::deployment::Deployment;
use crate::support::place::Place;
use crate::support::redis_server::RedisServer;

/// The number of steps of a run, over both stores together.
const STEPS: usize = 1000;

/// One store. `sign_in_steps_up` is true if a strong sign-in at its issuer gives the `acr` that
/// step-up rules require.
struct Setting {
    name: &'static str,
    store: Deployment,
    sign_in_steps_up: bool,
}

impl Setting {
    /// The prefix of its users' names, because two settings share a Redis.
    fn tag(&self) -> char {
        if self.sign_in_steps_up { 's' } else { 'n' }
    }
}

fn steps() -> usize {
    let steps = std::env::var("ACCOUNT_MODEL_STEPS");
    steps.map_or(STEPS, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("ACCOUNT_MODEL_STEPS={text:?} is no number of steps"))
    })
}

fn deployment(deployment: Deployment, sign_in_steps_up: bool) -> Deployment {
    let deployment = deployment
        .with_admins()
        .with_max_authenticators(MAX_AUTHENTICATORS);
    if sign_in_steps_up {
        deployment
    } else {
        deployment.without_strong_phr()
    }
}

#[test]
fn any_sequence_of_requests_keeps_the_promises_of_an_account() {
    let redis = RedisServer::start();
    let settings = [true, false].into_iter().flat_map(|sign_in_steps_up| {
        [
            ("the embedded store", Deployment::embedded()),
            ("Redis", Deployment::on_redis(&redis)),
        ]
        .map(|(name, store)| Setting {
            name,
            store: deployment(store, sign_in_steps_up),
            sign_in_steps_up,
        })
    });
    let settings: Vec<_> = settings.collect();
    let share = steps().div_ceil(settings.len());
    let failures: Vec<_> = thread::scope(|scope| {
        let runs = settings
            .into_iter()
            .map(|it| scope.spawn(move || run(it, share)));
        let runs: Vec<_> = runs.collect();
        let ended = runs.into_iter().map(|run| run.join().unwrap());
        ended.filter_map(Result::err).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Takes this many steps at one gateway, each case on its own accounts.
///
/// # Errors
/// The smallest case that fails.
fn run(setting: Setting, steps: usize) -> Result<(), String> {
    let tag = setting.tag();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let place = Place::open(setting.store);
    let (cases, done) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config {
        max_shrink_iters: 400,
        max_shrink_time: 120_000,
        failure_persistence: None,
        ..Config::default()
    });
    while done.get() < steps {
        let story = stories(60).new_tree(&mut runner).unwrap();
        let outcome = runner.run_one(story, |story| {
            cases.set(cases.get() + 1);
            let name = format!("{tag}{}", cases.get());
            let taken = play(&runtime, &place, name, setting.sign_in_steps_up, &story);
            done.set(done.get() + taken.map_err(TestCaseError::fail)?);
            Ok(())
        });
        if let Err(error) = outcome {
            return Err(format!("{}:\n{}", setting.name, shown(error)));
        }
    }
    place.close();
    Ok(())
}

fn shown(error: TestError<Story>) -> String {
    match error {
        TestError::Fail(reason, _) => reason.message().to_owned(),
        TestError::Abort(reason) => format!("aborted: {}", reason.message()),
    }
}

fn play(
    runtime: &Runtime,
    place: &Place,
    name: String,
    sign_in_steps_up: bool,
    story: &Story,
) -> Result<usize, String> {
    let mut case = Case::new(place, name, sign_in_steps_up);
    runtime.block_on(async {
        let taken = case.play(story).await?;
        case.answer_pending().await?;
        case.present_leftovers().await?;
        case.return_all(&story.returns).await?;
        // A few answers may be late on a busy machine, but a gateway that never answers would break no rule.
        if case.unavailable * 20 > case.sent {
            return Err(format!(
                "{}the store answers too rarely",
                case.report.text()
            ));
        }
        Ok(taken)
    })
}
