//! Waiting for what is to become so, without a guess at how long it takes.

use std::time::{Duration, Instant};

/// Only ends a test that has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
