//! The health checks of the stores.

use cedargate::store::{Health, Location, Settings, Store};

use super::fixture::{open_embedded, until};
use crate::support::redis_server::RedisServer;

async fn health(server: &RedisServer, require_durable: bool) -> Health {
    let store = Store::open(Settings {
        location: Location::Redis(server.url().into()),
        require_durable,
    });
    store.await.unwrap().health().await
}

fn assert_says(lines: &[String], words: &[&str]) {
    assert_eq!(lines.len(), words.len(), "{lines:?}");
    for (line, words) in lines.iter().zip(words) {
        assert!(line.contains(words), "{words:?} is not in {line:?}");
    }
}

#[tokio::test]
async fn a_durable_redis_is_healthy() {
    let server = RedisServer::durable();
    assert_eq!(health(&server, true).await, Health::default());
}

#[tokio::test]
async fn a_redis_without_persistence_is_a_fault_unless_that_is_accepted() {
    let server = RedisServer::start();
    let strict = health(&server, true).await;
    assert_says(&strict.faults, &["keeps nothing on disk"]);
    assert_says(&strict.warnings, &[]);
    let lax = health(&server, false).await;
    assert_says(&lax.faults, &[]);
    assert_says(&lax.warnings, &["keeps nothing on disk"]);
}

#[tokio::test]
async fn persistence_by_snapshots_alone_is_a_warning() {
    let server = RedisServer::with(&["--save", "3600 1 60 1000"]);
    let health = health(&server, true).await;
    assert_says(&health.faults, &[]);
    assert_says(&health.warnings, &["save 3600 1 60 1000"]);
}

#[tokio::test]
async fn an_evicting_redis_is_a_fault() {
    let server = RedisServer::durable();
    let _: () = server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    // Without a memory limit nothing is evicted yet, but an operator who sets one later must not
    // lose credentials.
    for require_durable in [true, false] {
        let health = health(&server, require_durable).await;
        assert_says(&health.faults, &["maxmemory-policy allkeys-lru"]);
    }
    let _: () = server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_eq!(health(&server, true).await, Health::default());
}

#[tokio::test]
async fn forbidden_config_command_is_reported() {
    let server = RedisServer::with(&["--save", "", "--rename-command", "CONFIG", ""]);
    let health = health(&server, true).await;
    assert_says(&health.faults, &[]);
    assert_says(
        &health.warnings,
        &["does not report whether it takes snapshots"],
    );
}

#[tokio::test]
async fn a_replica_is_a_fault() {
    let primary = RedisServer::durable();
    let port = primary.port().to_string();
    let server = RedisServer::durable();
    let _: () = server.command(&["REPLICAOF", "127.0.0.1", &port]);
    let health = health(&server, true).await;
    assert_says(&health.faults, &["is a replica"]);
}

#[tokio::test]
async fn a_redis_that_cannot_be_reached_is_a_fault_that_names_it() {
    let mut server = RedisServer::start();
    server.kill();
    let health = health(&server, true).await;
    assert_says(&health.faults, &[&format!("127.0.0.1:{}", server.port())]);
}

#[tokio::test]
async fn an_embedded_store_that_can_be_written_is_healthy() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = open_embedded(folder.path()).await.unwrap();
    // A busy disk can take longer than readiness waits.
    until("it is healthy", async || {
        store.health().await == Health::default()
    })
    .await;
}
