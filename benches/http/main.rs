//! Measures a decided request and a whole completion on both stores, and a bare hyper server in the same
//! run. Prints ratios to the bare server, since machines are noisy. Run it with `cargo bench --bench http`.
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "figures go to stdout, and the support modules are those of the tests, which use all of them"
)]

mod load;
mod servers;
mod support;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use load::Figures;
use serde_json::json;
use servers::{BareServer, GatewayProcess};
use support::authenticator::Attestation;
use support::client::{BACKUP_CODES, COMPLETE, Client, METHODS};
use support::deployment::{Deployment, TENANT};
use support::redis_server::RedisServer;

/// The connections over which a decided request is sent.
const CONNECTIONS: usize = 64;
/// The connections over which enrolments are completed.
const CALLERS: usize = 8;

/// The connections from which one account makes new backup codes without end.
const FLOODERS: usize = 16;

/// The extent of a run.
struct Effort {
    rounds: usize,
    /// The time for which one request is repeated.
    run: Duration,
    /// The number of users in one round at one store. Each enrols a first and a second factor.
    users: usize,
    /// The number of users who list their authenticators in turn, each with a token of their own.
    callers: usize,
    /// The number of rules of other tenants beside the shipped policies.
    rules: usize,
}

const FULL: Effort = Effort {
    rounds: 3,
    run: Duration::from_secs(5),
    users: 400,
    callers: 10_000,
    rules: 10_000,
};

/// A run that shows that the benchmark works. Its figures mean nothing.
const QUICK: Effort = Effort {
    rounds: 1,
    run: Duration::from_millis(500),
    users: 20,
    callers: 100,
    rules: 100,
};

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if BareServer::is_this() {
        runtime.block_on(servers::serve_bare());
    } else {
        let has_flag = |name| std::env::args().any(|argument| argument == name);
        let effort = if has_flag("--quick") { &QUICK } else { &FULL };
        runtime.block_on(compare(effort, has_flag("--flood")));
    }
}

/// The name of a store, and the deployment that uses it.
type Deployed<'a> = (&'static str, &'a Deployment);

/// Runs all comparisons, or only the flood.
async fn compare(effort: &Effort, only_flood: bool) {
    let bare = BareServer::start();
    let embedded = Deployment::new("embedded:./data");
    // With these settings, Redis answers after an fsync, as the embedded store does.
    let fsync_arguments = [
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ];
    let redis = RedisServer::with(&fsync_arguments);
    let on_redis = Deployment::new(&redis.url());
    let deployed = [("embedded", &embedded), ("redis", &on_redis)];
    let with_rules = Deployment::new("embedded:./data").policy("90-rules.cedar", &rules(effort));

    if only_flood {
        return compare_floods(effort, deployed).await;
    }
    println!("A decided request, {CONNECTIONS} connections with keep-alive, against bare hyper");
    Figures::print_head();
    for round in 1..=effort.rounds {
        compare_requests(round, effort, &bare, deployed, &with_rules).await;
    }
    println!("\nA whole completion, {CALLERS} connections with keep-alive, against bare hyper");
    Figures::print_head();
    for round in 1..=effort.rounds {
        compare_completions(round, effort, &bare, deployed).await;
    }
    println!();
    compare_floods(effort, deployed).await;
}

async fn compare_floods(effort: &Effort, deployed: [Deployed<'_>; 2]) {
    println!("First enrolments, one at a time, while another account makes codes without end");
    Figures::print_head();
    for round in 1..=effort.rounds {
        for deployment in deployed {
            compare_flood(round, effort, deployment).await;
        }
    }
}

/// Returns rules for other tenants than the callers'.
fn rules(effort: &Effort) -> String {
    let rules = (0..effort.rules).map(|number| {
        format!(
            r#"@id("rule-{number}")
forbid (principal in Gate::Tenant::"00000000-0000-4000-8000-{number:012}", action in Gate::Action::"mfa", resource)
unless {{ context.session.trusted }};
"#
        )
    });
    rules.collect()
}

/// Returns the request for the authenticators of each of many users.
fn listings(deployment: &Deployment, effort: &Effort) -> Arc<[Request<Full<Bytes>>]> {
    let users = (0..effort.callers).map(|number| format!("caller-{number}"));
    let requests = users.map(|user| listing(&deployment.token(&user)));
    requests.collect()
}

fn listing(token: &str) -> Request<Full<Bytes>> {
    let bearer = format!("Bearer {token}");
    get(
        METHODS,
        &[("authorization", &bearer), ("x-tenant-id", TENANT)],
    )
}

async fn compare_requests(
    round: usize,
    effort: &Effort,
    bare: &BareServer,
    deployed: [Deployed<'_>; 2],
    with_rules: &Deployment,
) {
    let repeat = async |address: &str, request| {
        load::repeat(address, request, CONNECTIONS, effort.run).await
    };
    let baseline = repeat(&bare.address, get("/", &[])).await;
    baseline.print(&format!("round {round}: bare hyper"), &baseline);
    for (name, deployment) in deployed {
        let gateway = GatewayProcess::start(deployment);
        let decided = repeat(&gateway.address, listing(&deployment.token("alice"))).await;
        decided.print(&format!("  list methods, {name}"), &baseline);
        let listings = listings(deployment, effort);
        let decided = load::in_turn(&gateway.address, listings, CONNECTIONS, effort.run).await;
        let label = format!("  the same, {} users in turn", effort.callers);
        decided.print(&label, &baseline);
    }
    {
        let gateway = GatewayProcess::start(with_rules);
        let decided = repeat(&gateway.address, listing(&with_rules.token("alice"))).await;
        let label = format!("  list methods, {} more policies", effort.rules);
        decided.print(&label, &baseline);
    }
    let gateway = GatewayProcess::start(deployed[0].1);
    let public = repeat(&gateway.address, get("/.well-known/webauthn", &[])).await;
    public.print("  public document, no token", &baseline);
    let unknown = repeat(&gateway.address, get("/nothing", &[])).await;
    unknown.print("  unknown path, no token", &baseline);
}

/// Measures completions. The baseline is bare hyper that is sent one of the completions again and again;
/// all of them have the same size.
async fn compare_completions(
    round: usize,
    effort: &Effort,
    bare: &BareServer,
    deployed: [Deployed<'_>; 2],
) {
    let mut baseline = None;
    for (name, deployment) in deployed {
        let gateway = GatewayProcess::start(deployment);
        for (method_type, label) in [
            ("webauthn_passkey", "first factor (makes codes)"),
            ("webauthn_fido", "second factor (no codes)"),
        ] {
            let users = (0..effort.users).map(|user| format!("user-{round}-{user}"));
            let completions = begin(&gateway, deployment, method_type, users).await;
            if baseline.is_none() {
                let sample = completions[0].clone();
                let bare = load::repeat(&bare.address, sample, CALLERS, effort.run).await;
                bare.print(&format!("round {round}: bare hyper"), &bare);
                baseline = Some(bare);
            }
            let completed = load::each(&gateway.address, completions, CALLERS).await;
            let baseline = baseline.as_ref().expect("the first pass measured it");
            completed.print(&format!("  {label}, {name}"), baseline);
        }
    }
}

/// Measures first enrolments of other users, one at a time, while one account makes new backup codes
/// without end over [`FLOODERS`] connections: first all in one session, then each in a session of its own.
async fn compare_flood(round: usize, effort: &Effort, (name, deployment): Deployed<'_>) {
    let gateway = GatewayProcess::start(deployment);
    let mallory = format!("mallory-{round}");
    let enrolment = begin(
        &gateway,
        deployment,
        "webauthn_passkey",
        [mallory.clone()].into_iter(),
    );
    load::each(&gateway.address, enrolment.await, 1).await;
    let victims = async |kind: &str| {
        let users = (0..effort.users / 4).map(|user| format!("{kind}-{round}-{user}"));
        begin(&gateway, deployment, "webauthn_passkey", users).await
    };
    let quiet = load::each(&gateway.address, victims("quiet").await, 1).await;
    quiet.print(&format!("round {round}: quiet, {name}"), &quiet);
    for (sessions, label) in [(1, "one session"), (FLOODERS, "a session each")] {
        let completions = victims(label).await;
        let floods: Vec<_> = (0..FLOODERS)
            .map(|connection| {
                let request = regeneration(deployment, &mallory, connection % sessions);
                tokio::spawn(load::flood(gateway.address.clone(), request))
            })
            .collect();
        let flooded = load::each(&gateway.address, completions, 1).await;
        flooded.print(&format!("  flooded by {label}"), &quiet);
        floods.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn regeneration(deployment: &Deployment, user: &str, session: usize) -> Request<Full<Bytes>> {
    let mut claims = deployment.strong_claims(user, TENANT);
    claims["sid"] = json!(format!("session-{session}"));
    Request::post(BACKUP_CODES)
        .header("host", "localhost")
        .header(
            "authorization",
            format!("Bearer {}", deployment.sign(&claims)),
        )
        .header("x-tenant-id", TENANT)
        .body(Full::default())
        .expect("a request")
}

fn get(target: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().uri(target).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).expect("a request")
}

/// Begins an enrolment for each user, and returns the requests that complete the enrolments.
async fn begin(
    gateway: &GatewayProcess,
    deployment: &Deployment,
    method_type: &str,
    users: impl Iterator<Item = String>,
) -> Vec<Request<Full<Bytes>>> {
    let client = Client::new(&format!("http://{}", gateway.address));
    let mut completions = Vec::new();
    for user in users {
        let token = deployment.sign(&deployment.strong_claims(&user, TENANT));
        let options = client.with(&token, TENANT).begin(method_type).await;
        let credential = Attestation::to(&options, &deployment.origin()).credential();
        let body = json!({
            "credential": credential, "device_name": "my key", "method_type": method_type,
        });
        let completion = Request::post(COMPLETE)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .header("x-tenant-id", TENANT)
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()));
        completions.push(completion.expect("a request"));
    }
    completions
}
