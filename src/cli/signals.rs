//! What a process that serves is told by signals. The first SIGTERM or Ctrl-C drains it, a second one
//! ends it; SIGHUP has it read its files anew.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::failure::Failure;
use super::output;

/// Handed to each listener: resolves when the process is asked to end.
#[derive(Clone)]
pub(super) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Listens for SIGTERM and SIGINT from now on.
    pub(super) fn on_signals() -> Result<Self, Failure> {
        let terminate = signal(SignalKind::terminate()).map_err(unavailable)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(unavailable)?;
        let (asked, receiver) = watch::channel(false);
        tokio::spawn(watch_signals(terminate, interrupt, asked));
        Ok(Self(receiver))
    }

    /// Waits until the process is asked to end.
    pub(super) async fn requested(mut self) {
        // an error means that nobody watches for signals any more: then it is time to end, too
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

/// Listens for SIGHUP from now on: each one makes an item.
pub(super) fn hangups() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(unavailable)
}

fn unavailable(error: std::io::Error) -> Failure {
    Failure::usage("signals", format!("signals cannot be received: {error}"))
}

async fn watch_signals(mut terminate: Signal, mut interrupt: Signal, asked: watch::Sender<bool>) {
    either(&mut terminate, &mut interrupt).await;
    asked.send_replace(true);
    either(&mut terminate, &mut interrupt).await;
    output::note("asked to end a second time: ending without waiting for requests in flight");
    // 128 + SIGINT, as shells write it
    std::process::exit(130);
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
