//! Waits for a condition, without a guess at how long it takes.

use std::time::{Duration, Instant};

/// The longest wait. Only a test that fails reaches it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The store and the gateway promise an answer within one second. Two more are for a busy machine.
pub const IN_TIME: Duration = Duration::from_secs(3);

/// The attempts that a busy machine gets at a step with a deadline.
pub const ATTEMPTS: usize = 20;

/// Waits until `so` returns true. `what` names the condition if it never does.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    first(what, async || so().await.then_some(())).await;
}

/// Waits until `find` returns a value, and returns it. `what` names the value if it never comes.
pub async fn first<T>(what: &str, mut find: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    loop {
        looks.tick().await;
        if let Some(found) = find().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
    }
}
