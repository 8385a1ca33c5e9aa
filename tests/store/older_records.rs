//! Pending ceremonies that an earlier release stored.

use cedargate::store::{AllowCredentials, Authentication, Enrolment, Store};
use cedargate_core::UserId;
use redb::{Database, ReadableTable as _, TableDefinition};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::fixture::*;
use crate::support::redis_server::RedisServer;

type PendingKey = (&'static str, &'static str);
type PendingEntry = (i64, i64, u64, &'static [u8]);
const PENDING: TableDefinition<'_, PendingKey, PendingEntry> = TableDefinition::new("pending");

/// An id that the older authentication allows.
const ALLOWED: Uuid = Uuid::from_u128(7);

/// Begins an enrolment and an authentication, to be rewritten.
async fn begin_both(store: &Store, user: &UserId) {
    begun(store, user, 1).await;
    asked(store, user, 2).await;
}

/// The record as the release that kept the ceremony's whole state wrote it.
fn older(record: &[u8]) -> String {
    let mut record: Value = serde_json::from_slice(record).unwrap();
    let challenge = record["challenge"].clone();
    record["state"] = match record.get("method_type") {
        Some(_) => json!({ "challenge": challenge }),
        None => json!({
            "challenge": challenge,
            "allowed": [ALLOWED],
            "user_verification": true,
        }),
    };
    record.to_string()
}

async fn check(store: &Store, user: &UserId) {
    let account = account(store, user, 1).await;
    let expected: Enrolment = enrolment(1);
    assert_eq!(account.pending, Some(expected));
    let account = super::fixture::account(store, user, 2).await;
    let expected = Authentication {
        allow_credentials: AllowCredentials {
            allowed: vec![ALLOWED],
        },
        ..authentication(2)
    };
    assert_eq!(account.authentication, Some(expected));
}

#[tokio::test]
async fn older_pending_ceremonies_in_redis_are_read() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    begin_both(&store, &alice).await;
    for pattern in ["*:reg", "*:auth"] {
        let key = server.command::<Vec<String>>(&["KEYS", pattern]).remove(0);
        let entries: Vec<String> = server.command(&["HGETALL", &key]);
        let [field, entry] = &entries[..] else {
            panic!("{entries:?}");
        };
        let (head, record) = entry.split_at(entry.find('{').unwrap());
        let entry = format!("{head}{}", older(record.as_bytes()));
        let _: () = server.command(&["HSET", &key, field, &entry]);
    }
    check(&store, &alice).await;
}

#[tokio::test]
async fn older_pending_ceremonies_in_an_embedded_store_are_read() {
    let folder = TempDir::new().unwrap();
    let store = open_embedded(folder.path()).await.unwrap();
    let alice = user("alice");
    begin_both(&store, &alice).await;
    drop(store);
    let database = Database::open(folder.path().join("cedargate.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut pending = transaction.open_table(PENDING).unwrap();
        let entries: Vec<_> = pending
            .iter()
            .unwrap()
            .map(|entry| {
                let (key, entry) = entry.unwrap();
                let (owner, challenge) = key.value();
                let (begun, deadline, sequence, record) = entry.value();
                let key = (owner.to_owned(), challenge.to_owned());
                (key, (begun, deadline, sequence, older(record)))
            })
            .collect();
        assert_eq!(entries.len(), 2);
        for ((owner, challenge), (begun, deadline, sequence, record)) in &entries {
            let entry = (*begun, *deadline, *sequence, record.as_bytes());
            let key = (owner.as_str(), challenge.as_str());
            pending.insert(key, entry).unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(database);
    let store = open_embedded(folder.path()).await.unwrap();
    check(&store, &alice).await;
}
