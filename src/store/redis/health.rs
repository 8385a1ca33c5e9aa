//! Checks that a Redis may be trusted with credentials. Most answers come from INFO, which managed
//! servers allow. Only the snapshot settings need CONFIG, which they may forbid.

use std::collections::HashMap;

use redis::InfoDict;
use tokio::time::Instant;

use super::link::Link;
use crate::store::Health;

/// The first major version that supports script flags.
const OLDEST_MAJOR: u64 = 7;

pub(super) async fn health(link: &Link, require_durable: bool, deadline: Instant) -> Health {
    let mut health = Health::default();
    let info: InfoDict = match link.send_idempotent(&redis::cmd("INFO"), deadline).await {
        Ok(info) => info,
        Err(failure) => {
            health.faults.push(failure.into_cause());
            return health;
        }
    };
    check_server(&info, &mut health);
    check_memory(&info, &mut health);
    let risk = if flag(&info, "aof_enabled") {
        None
    } else {
        snapshot_risk(link, deadline, &mut health).await
    };
    for risk in [risk, failing_writes(&info)].into_iter().flatten() {
        if require_durable {
            health.faults.push(format!(
                "{risk} (store.require_durable = false accepts that)"
            ));
        } else {
            health.warnings.push(risk);
        }
    }
    health
}

fn check_server(info: &InfoDict, health: &mut Health) {
    let version: String = info.get("redis_version").unwrap_or_default();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major < OLDEST_MAJOR) {
        health.faults.push(format!(
            "redis {version} is too old: {OLDEST_MAJOR}.0 is the oldest that is supported"
        ));
    }
    if info
        .get::<String>("role")
        .is_some_and(|role| role != "master")
    {
        health.faults.push(
            "redis is a replica and takes no writes: point store.url at the primary".to_owned(),
        );
    }
    if flag(info, "cluster_enabled") {
        health
            .faults
            .push("redis is a node of a cluster: only a single server is supported".to_owned());
    }
}

fn check_memory(info: &InfoDict, health: &mut Health) {
    match info.get::<String>("maxmemory_policy") {
        Some(policy) if policy == "noeviction" => {}
        Some(policy) => health.faults.push(format!(
            "redis evicts keys when its memory is full (maxmemory-policy {policy}): \
             credentials would vanish; set it to noeviction"
        )),
        None => health.warnings.push(
            "redis does not report its maxmemory-policy: make sure that it is noeviction"
                .to_owned(),
        ),
    }
}

/// Returns the risk of a server without an append-only file that takes no snapshots either. Adds a
/// warning if the server takes snapshots, or does not report whether it does.
async fn snapshot_risk(link: &Link, deadline: Instant, health: &mut Health) -> Option<String> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("save");
    let answer: Result<HashMap<String, String>, _> = link.send_idempotent(&command, deadline).await;
    match answer.ok().and_then(|mut answer| answer.remove("save")) {
        Some(points) if points.is_empty() => Some(
            "redis keeps nothing on disk: credentials are lost when it stops; set appendonly yes"
                .to_owned(),
        ),
        Some(points) => {
            health.warnings.push(format!(
                "redis has snapshots only (save {points}): changes since the last snapshot are \
                 lost when it stops; set appendonly yes"
            ));
            None
        }
        None => {
            health.warnings.push(
                "redis has no append-only file and does not report whether it takes snapshots: \
                 make sure that its data survives a restart"
                    .to_owned(),
            );
            None
        }
    }
}

fn failing_writes(info: &InfoDict) -> Option<String> {
    let failed = |key| info.get::<String>(key).is_some_and(|status| status != "ok");
    (failed("aof_last_write_status") || failed("rdb_last_bgsave_status"))
        .then(|| "redis cannot write to its disk: see the log of redis".to_owned())
}

fn flag(info: &InfoDict, key: &str) -> bool {
    info.get::<u64>(key) == Some(1)
}
