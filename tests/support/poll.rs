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
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
