//! The log. Lines are written by a thread of their own: when whoever reads them stalls, lines are
//! lost and counted, and requests go on.

mod console;
mod json;
mod policies;

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tracing::{Metadata, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::{Layer as _, Registry};

use super::failure::Failure;
use super::output;

pub(super) use console::Console;
pub(super) use json::Requests;
pub(super) use policies::PolicyNews;

/// The target of the wide events.
const REQUEST: &str = "cedargate::request";

/// Lines that wait for a slow reader. At about a kilobyte each they take 16 MB.
const WAITING_LINES: usize = 16_384;

/// How often it is looked at whether lines were lost.
const LOOK: Duration = Duration::from_secs(10);

/// How long the end of the process waits for the last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The log of this process.
pub(super) struct Log {
    worker: WorkerGuard,
    lost: ErrorCounter,
}

impl Log {
    /// JSON lines on stdout, for `serve`.
    pub(super) fn json() -> Result<Self, Failure> {
        let filter = filter("info")?;
        let (writer, log) = Self::over(io::stdout());
        let layer = tracing_subscriber::fmt::layer()
            .event_format(json::Format)
            .with_writer(writer)
            .with_filter(filter);
        Self::install(Registry::default().with(layer))?;
        Ok(log)
    }

    /// Short lines on stderr, for `dev`: one a request, and what else deserves a warning.
    pub(super) fn console() -> Result<(Self, Console), Failure> {
        let filter = filter("warn")?;
        let (writer, log) = Self::over(io::stderr());
        let layer = tracing_subscriber::fmt::layer()
            .compact()
            .with_ansi(false)
            .without_time()
            .with_writer(writer.clone())
            .with_filter(filter);
        Self::install(Registry::default().with(layer))?;
        Ok((log, Console::new(writer)))
    }

    fn over(writer: impl Write + Send + 'static) -> (NonBlocking, Self) {
        let (writer, worker) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(WAITING_LINES)
            .thread_name("log")
            .finish(writer);
        let lost = writer.error_counter();
        (writer, Self { worker, lost })
    }

    fn install(subscriber: impl Subscriber + Send + Sync) -> Result<(), Failure> {
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|error| Failure::usage("log", format!("the log cannot be opened: {error}")))
    }

    /// Says so in the log when lines were lost. Runs for ever.
    pub(super) fn watch(&self) -> impl Future<Output = ()> + Send + use<> {
        let lost = self.lost.clone();
        async move {
            let mut told = 0;
            loop {
                tokio::time::sleep(LOOK).await;
                let now = lost.dropped_lines();
                if now > told {
                    tracing::warn!(
                        lines = now - told,
                        "log lines were lost: what reads the log is too slow"
                    );
                    told = now;
                }
            }
        }
    }

    /// Writes the last lines. A reader that has stalled does not keep the process alive.
    pub(super) fn finish(self) {
        let (done, wait) = mpsc::channel();
        let worker = self.worker;
        thread::spawn(move || {
            drop(worker);
            let _ = done.send(());
        });
        let read = wait.recv_timeout(LAST_LINES).is_ok();
        let lost = self.lost.dropped_lines();
        if !read {
            output::note("nobody read the last lines of the log");
        }
        if lost > 0 {
            output::note(&format!("{lost} lines of the log were lost"));
        }
    }
}

/// What is logged: what `RUST_LOG` says, and the wide events whatever it says. Never what
/// webauthn-rs traces, which is the state of ceremonies.
fn filter(default: &str) -> Result<impl Filter<Registry> + Send + Sync + use<>, Failure> {
    let text = std::env::var("RUST_LOG").unwrap_or_default();
    let text = if text.trim().is_empty() {
        default
    } else {
        &text
    };
    let chosen = EnvFilter::try_new(text).map_err(|error| {
        Failure::usage("rust_log", format!("RUST_LOG is not a filter: {error}"))
            .help("write for example RUST_LOG=info,cedargate=debug")
    })?;
    Ok(restrict(chosen))
}

fn restrict(chosen: EnvFilter) -> impl Filter<Registry> + Send + Sync + use<> {
    let request = filter_fn(|metadata| metadata.target() == REQUEST);
    chosen.or(request).and(filter_fn(permitted))
}

fn permitted(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("webauthn_rs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What is logged by `work` under this `RUST_LOG`.
    fn logged(rust_log: &str, work: impl FnOnce()) -> Vec<serde_json::Value> {
        let memory = Memory::default();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(json::Format)
            .with_writer(memory.clone())
            .with_filter(restrict(EnvFilter::try_new(rust_log).unwrap()));
        tracing::subscriber::with_default(Registry::default().with(layer), work);
        let bytes = memory.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn ceremony_state_is_never_logged_whatever_rust_log_says() {
        let lines = logged("trace,webauthn_rs=trace,webauthn_rs_core=trace", || {
            tracing::error!(target: "webauthn_rs", "state");
            tracing::trace!(target: "webauthn_rs_core::core", "state");
            tracing::trace!(target: "cedargate", "seen");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["message"], "seen");
    }

    #[test]
    fn the_wide_event_is_logged_whatever_rust_log_says() {
        let lines = logged("off", || {
            tracing::info!(target: REQUEST, event = r#"{"status":200}"#);
            tracing::error!(target: "cedargate", "not asked for");
        });
        assert_eq!(lines, [serde_json::json!({"status": 200})]);
    }

    #[test]
    fn other_lines_have_a_time_a_level_a_target_and_a_message() {
        let lines = logged("info", || {
            tracing::warn!(target: "cedargate", lines = 3, "said \"so\"\n");
        });
        let line = lines[0].as_object().unwrap();
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "cedargate");
        assert_eq!(line["message"], "said \"so\"\n");
        assert_eq!(line["lines"], 3);
    }

    /// A reader that takes nothing until it is let go.
    struct Stalled(mpsc::Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_loses_lines_and_holds_nobody_up() {
        let (let_go, stalled) = mpsc::channel();
        let (mut writer, log) = Log::over(Stalled(stalled));
        let lines = 2 * WAITING_LINES;
        for _ in 0..lines {
            writer.write_all(b"{}\n").unwrap();
        }
        // all but those that wait and the few in the writing thread's hand
        assert!(log.lost.dropped_lines() >= lines - WAITING_LINES - 2);
        drop(let_go);
        drop(log);
    }
}
