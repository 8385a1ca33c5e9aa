//! The signals that a gateway handles. The first SIGTERM or Ctrl-C lets it finish the requests in
//! flight, a second one ends it at once. SIGHUP reloads the policies and reopens the streams.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::failure::Failure;
use super::output;

/// The request to shut down, which each listener waits for.
#[derive(Clone)]
pub(super) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Starts to listen for SIGTERM and SIGINT.
    pub(super) fn on_signals() -> Result<Self, Failure> {
        let terminate = signal(SignalKind::terminate()).map_err(unavailable)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(unavailable)?;
        let (requested, receiver) = watch::channel(false);
        tokio::spawn(watch_signals(terminate, interrupt, requested));
        Ok(Self(receiver))
    }

    /// Waits until a shutdown is requested.
    pub(super) async fn requested(mut self) {
        // An error means that the task that watches for signals has ended: shut down then, too.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}

/// Starts to listen for SIGHUP. The stream has an item for each one.
pub(super) fn hangups() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(unavailable)
}

fn unavailable(error: std::io::Error) -> Failure {
    Failure::usage("signals", format!("signals cannot be received: {error}"))
}

async fn watch_signals(
    mut terminate: Signal,
    mut interrupt: Signal,
    requested: watch::Sender<bool>,
) {
    either(&mut terminate, &mut interrupt).await;
    requested.send_replace(true);
    either(&mut terminate, &mut interrupt).await;
    output::note("a second signal: the gateway stops without waiting for the requests in flight");
    // 128 + SIGINT, the exit code that shells use
    std::process::exit(130);
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
