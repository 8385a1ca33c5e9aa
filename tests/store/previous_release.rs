//! Stores that the previous release has written, or writes at the same time.

use cedargate::store::TryCodeOutcome;
use tempfile::TempDir;

use super::fixture::*;
use super::recovery::*;
use crate::support::redis_server::RedisServer;

#[tokio::test]
async fn reset_deletes_the_count_of_the_previous_release() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    begun(&store, &alice, 1).await;
    let account = server.command::<Vec<String>>(&["KEYS", "*:user"]).remove(0);
    let older = account.replace(":user", ":tries");
    let _: () = server.command(&["SET", &older, "10"]);
    let set = codes();
    enrolled_by(&store, &alice, 2, Some(&set), None).await;
    let outcome = attempt(&store, &alice, "a", &set).await;
    assert!(
        matches!(outcome, TryCodeOutcome::Used { .. }),
        "{outcome:?}"
    );
    reset(&store, &alice).await;
    assert_eq!(server.command::<u64>(&["EXISTS", &older]), 0);
}

/// Two neighbouring releases share one Redis. The previous one raises the version with each change
/// of the authenticators and does not know resets and recovery codes.
#[tokio::test]
async fn enrolment_by_the_previous_release_ends_a_reset() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    let (_, code) = reset(&store, &alice).await;
    let account = server.command::<Vec<String>>(&["KEYS", "*:user"]).remove(0);
    let creds = account.replace(":user", ":creds");
    let one = authenticator(1);
    let record = serde_json::to_string(&one).unwrap();
    let _: () = server.command(&["HSET", &creds, &one.id.to_string(), &record]);
    let _: () = server.command(&["HINCRBY", &account, "version", "1"]);
    let read = read(&store, &alice).await;
    assert_eq!(read.authenticators, std::slice::from_ref(&one));
    assert_eq!((read.reset, read.codes), (false, None));
    assert_eq!(
        attempt(&store, &alice, "a", &code.set).await,
        TryCodeOutcome::OtherSet
    );
    let set = codes();
    let outcome = enrolled_by(&store, &alice, 2, Some(&set), None).await;
    assert_eq!(outcome, FIRST);
    let outcome = remove(&store, &alice, 3, one.id).await;
    assert_eq!(outcome, Ok(removed(&one)));
}

/// A file of the previous release has no table of counts, and its records lack the newer members.
#[tokio::test]
async fn embedded_store_of_the_previous_release_is_opened_and_used() {
    use redb::{Database, TableDefinition};
    const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
    const COUNTS: TableDefinition<'_, &str, (i64, i64, u64, &str)> = TableDefinition::new("counts");
    let folder = TempDir::new().unwrap();
    let store = open_embedded(folder.path()).await.unwrap();
    let alice = user("alice");
    let one = enrolled(&store, &alice, 1).await;
    drop(store);
    let database = Database::open(folder.path().join("cedargate.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut users = transaction.open_table(USERS).unwrap();
        older_record(&mut users);
    }
    assert!(transaction.delete_table(COUNTS).unwrap());
    transaction.commit().unwrap();
    drop(database);

    let store = open_embedded(folder.path()).await.unwrap();
    let account = read(&store, &alice).await;
    assert_eq!(account.authenticators, [one]);
    assert_eq!((account.reset, account.replaced_salt), (false, None));
    assert_eq!(account.codes_retry_after, None);
    enrolled(&store, &alice, 2).await;
    let (removed, code) = reset(&store, &alice).await;
    assert_eq!(removed.len(), 2);
    assert_eq!(attempt(&store, &alice, "a", &code.set).await, recovered(1));
}

/// Rewrites the only user's record in the form of the previous release.
fn older_record(users: &mut redb::Table<'_, &str, &[u8]>) {
    use redb::ReadableTable as _;
    let (key, record) = {
        let (key, record) = users.first().unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(record.value()).unwrap();
        (key.value().to_owned(), record)
    };
    let mut record = record;
    let fields = record.as_object_mut().unwrap();
    for added in ["recovery", "replaced_salt"] {
        assert!(fields.remove(added).is_some(), "{added}");
    }
    fields.insert(
        "tries".to_owned(),
        serde_json::json!({ "count": 10, "since": 0 }),
    );
    users
        .insert(key.as_str(), record.to_string().as_bytes())
        .unwrap();
}
