//! A decided request, and a whole completion on both stores, beside a bare hyper server in the same
//! run: what is printed are ratios, since machines are noisy. `cargo bench --bench http`
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "figures go to stdout, and the harness is the tests', which use all of it"
)]

mod load;
mod servers;
mod support;

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use load::Figures;
use serde_json::json;
use servers::{Bare, Serving};
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

/// How much is measured.
struct Effort {
    rounds: usize,
    /// How long one request is repeated.
    run: Duration,
    /// How many enrol in one round at one store, each a first and a second factor.
    users: usize,
}

const WHOLE: Effort = Effort {
    rounds: 3,
    run: Duration::from_secs(5),
    users: 400,
};

/// Shows that it works; its figures mean nothing.
const QUICK: Effort = Effort {
    rounds: 1,
    run: Duration::from_millis(500),
    users: 20,
};

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if Bare::is_this() {
        runtime.block_on(servers::bare());
    } else {
        let is_asked = |name| std::env::args().any(|argument| argument == name);
        let effort = if is_asked("--quick") { &QUICK } else { &WHOLE };
        runtime.block_on(compare(effort, is_asked("--flood")));
    }
}

/// A store's name, and what serves with it.
type Deployed<'a> = (&'static str, &'a Deployment);

/// All comparisons, or only that of a flood.
async fn compare(effort: &Effort, only_flood: bool) {
    let bare = Bare::start();
    let embedded = Deployment::new("embedded:./data");
    // It keeps what it has answered over an end of the machine, as the embedded store does.
    let synced = [
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ];
    let redis = RedisServer::with(&synced);
    let on_redis = Deployment::new(&redis.url());
    let deployed = [("embedded", &embedded), ("redis", &on_redis)];

    if only_flood {
        return floods(effort, deployed).await;
    }
    println!("A decided request, {CONNECTIONS} connections with keep-alive, against bare hyper");
    Figures::print_head();
    for round in 1..=effort.rounds {
        requests(round, effort, &bare, deployed).await;
    }
    println!("\nA whole completion, {CALLERS} connections with keep-alive, against bare hyper");
    Figures::print_head();
    for round in 1..=effort.rounds {
        completions(round, effort, &bare, deployed).await;
    }
    println!();
    floods(effort, deployed).await;
}

async fn floods(effort: &Effort, deployed: [Deployed<'_>; 2]) {
    println!("First enrolments, one at a time, while another account makes codes without end");
    Figures::print_head();
    for round in 1..=effort.rounds {
        for one in deployed {
            flooded(round, effort, one).await;
        }
    }
}

async fn requests(round: usize, effort: &Effort, bare: &Bare, deployed: [Deployed<'_>; 2]) {
    let repeat = async |address: &str, request| {
        load::repeat(address, request, CONNECTIONS, effort.run).await
    };
    let floor = repeat(&bare.address, get("/", &[])).await;
    floor.print(&format!("round {round}: bare hyper"), &floor);
    for (name, deployment) in deployed {
        let gateway = Serving::start(deployment);
        let bearer = format!("Bearer {}", deployment.token("alice"));
        let headers = [("authorization", bearer.as_str()), ("x-tenant-id", TENANT)];
        let decided = repeat(&gateway.address, get(METHODS, &headers)).await;
        decided.print(&format!("  list methods, {name}"), &floor);
    }
    let gateway = Serving::start(deployed[0].1);
    let public = repeat(&gateway.address, get("/.well-known/webauthn", &[])).await;
    public.print("  public document, no token", &floor);
    let unknown = repeat(&gateway.address, get("/nothing", &[])).await;
    unknown.print("  unknown path, no token", &floor);
}

/// The floor is bare hyper that is sent a completion again and again, as large as all of them are.
async fn completions(round: usize, effort: &Effort, bare: &Bare, deployed: [Deployed<'_>; 2]) {
    let mut floor = None;
    for (name, deployment) in deployed {
        let gateway = Serving::start(deployment);
        for (method_type, what) in [
            ("webauthn_passkey", "first factor (makes codes)"),
            ("webauthn_fido", "second factor (no codes)"),
        ] {
            let users = (0..effort.users).map(|user| format!("user-{round}-{user}"));
            let begun = begin(&gateway, deployment, method_type, users).await;
            if floor.is_none() {
                let sample = begun[0].clone();
                let bare = load::repeat(&bare.address, sample, CALLERS, effort.run).await;
                bare.print(&format!("round {round}: bare hyper"), &bare);
                floor = Some(bare);
            }
            let completed = load::each(&gateway.address, begun, CALLERS).await;
            let floor = floor.as_ref().expect("it was measured before");
            completed.print(&format!("  {what}, {name}"), floor);
        }
    }
}

/// First enrolments of others, one after the other, while one account makes new backup codes without
/// end from [`FLOODERS`] connections: all of one session, and each of a session of its own.
async fn flooded(round: usize, effort: &Effort, (name, deployment): Deployed<'_>) {
    let gateway = Serving::start(deployment);
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
    for (sessions, what) in [(1, "one session"), (FLOODERS, "a session each")] {
        let begun = victims(what).await;
        let floods: Vec<_> = (0..FLOODERS)
            .map(|connection| {
                let request = regeneration(deployment, &mallory, connection % sessions);
                tokio::spawn(load::flood(gateway.address.clone(), request))
            })
            .collect();
        let flooded = load::each(&gateway.address, begun, 1).await;
        flooded.print(&format!("  flooded by {what}"), &quiet);
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

/// Begins an enrolment of each user's, and gives the requests that complete them.
async fn begin(
    gateway: &Serving,
    deployment: &Deployment,
    method_type: &str,
    users: impl Iterator<Item = String>,
) -> Vec<Request<Full<Bytes>>> {
    let anybody = Client::new(&format!("http://{}", gateway.address));
    let mut completions = Vec::new();
    for user in users {
        let token = deployment.sign(&deployment.strong_claims(&user, TENANT));
        let options = anybody.with(&token, TENANT).begin(method_type).await;
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
