//! The log of a gateway. A thread of its own writes the lines, so that a slow reader does not delay
//! requests: the log drops lines instead and counts them.

mod console;
mod json;
mod policies;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
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

/// The number of lines that wait for a slow reader: 16 MB at about a kilobyte each.
const WAITING_LINES: usize = 16_384;

/// The time between two checks for lost lines.
const LOST_LINES_INTERVAL: Duration = Duration::from_secs(10);

/// The time that the process waits at its end for the last lines to be written.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(2);

/// The size of the buffer in which lines are gathered for one write.
const BATCH_BYTES: usize = 64 * 1024;

/// The time for which lines are gathered.
const BATCH_TIME: Duration = Duration::from_millis(1);

/// Writes many lines at once. Otherwise each line under load costs a write, and a request thread the time to
/// wake this one up.
struct Batches<W: Write>(BufWriter<W>);

impl<W: Write> Write for Batches<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Writes what was gathered. The log's thread calls this when no line waits.
    ///
    /// It never fails: the log's thread would not end at the end of the process after an error. What could
    /// not be written is tried again with the next lines.
    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        thread::sleep(BATCH_TIME);
        Ok(())
    }
}

/// Returns the standard output without the buffer of std, which writes each line by itself.
fn stdout() -> Box<dyn Write + Send> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        Err(_) => Box::new(io::stdout()),
    }
}

/// The log of this process.
pub(super) struct Log {
    worker: WorkerGuard,
    lost: ErrorCounter,
}

impl Log {
    /// Installs a log of JSON lines on stdout, for `serve`. The sink writes the request events to it.
    pub(super) fn json() -> Result<(Self, Requests), Failure> {
        let filter = filter("info")?;
        let (writer, log) = Self::over(stdout());
        let layer = tracing_subscriber::fmt::layer()
            .event_format(json::Format)
            .with_writer(writer.clone())
            .with_filter(filter);
        Self::install(Registry::default().with(layer))?;
        Ok((log, Requests::new(writer)))
    }

    /// Installs a log of short lines on stderr, for `dev`: a line for each request, and warnings.
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
            .finish(Batches(BufWriter::with_capacity(BATCH_BYTES, writer)));
        let lost = writer.error_counter();
        (writer, Self { worker, lost })
    }

    fn install(subscriber: impl Subscriber + Send + Sync) -> Result<(), Failure> {
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|error| Failure::usage("log", format!("the log cannot be opened: {error}")))
    }

    /// Logs a warning whenever lines were lost. The future never ends.
    pub(super) fn report_lost_lines(&self) -> impl Future<Output = ()> + Send + use<> {
        let lost = self.lost.clone();
        async move {
            let mut reported = 0;
            loop {
                tokio::time::sleep(LOST_LINES_INTERVAL).await;
                let now = lost.dropped_lines();
                if now > reported {
                    tracing::warn!(
                        lines = now - reported,
                        "log lines were lost: the reader of the log is too slow"
                    );
                    reported = now;
                }
            }
        }
    }

    /// Writes the last lines, and gives up after two seconds if the reader has stalled.
    pub(super) fn finish(self) {
        let (done, wait) = mpsc::channel();
        let worker = self.worker;
        thread::spawn(move || {
            drop(worker);
            let _ = done.send(());
        });
        let written = wait.recv_timeout(LAST_LINES_TIMEOUT).is_ok();
        let lost = self.lost.dropped_lines();
        if !written {
            output::note("the last lines of the log were lost: its reader does not read");
        }
        if lost > 0 {
            output::note(&format!("{lost} lines of the log were lost"));
        }
    }
}

/// Returns the filter that `RUST_LOG` asks for, changed by [`restrict`].
fn filter(default: &str) -> Result<impl Filter<Registry> + Send + Sync + use<>, Failure> {
    let text = std::env::var("RUST_LOG").unwrap_or_default();
    let text = if text.trim().is_empty() {
        default
    } else {
        &text
    };
    let filter = EnvFilter::try_new(text).map_err(|error| {
        Failure::usage("rust_log", format!("RUST_LOG is not a filter: {error}"))
            .help("write a filter such as RUST_LOG=info,cedargate=debug")
    })?;
    Ok(restrict(filter))
}

/// Removes the traces of webauthn-rs from a filter, which hold the state of ceremonies.
fn restrict(filter: EnvFilter) -> impl Filter<Registry> + Send + Sync + use<> {
    filter.and(filter_fn(holds_no_state))
}

fn holds_no_state(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("webauthn_rs")
}

#[cfg(test)]
mod tests {
    use super::super::dev::tests::event;
    use super::*;
    use crate::event::Sink as _;
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

    /// Runs `work` under this `RUST_LOG` and returns the lines that it logs.
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
    fn ceremony_state_is_not_logged_under_any_rust_log() {
        let lines = logged("trace,webauthn_rs=trace,webauthn_rs_core=trace", || {
            tracing::error!(target: "webauthn_rs", "state");
            tracing::trace!(target: "webauthn_rs_core::core", "state");
            tracing::trace!(target: "cedargate", "seen");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["message"], "seen");
    }

    #[test]
    fn request_events_are_written_in_their_order_and_whole() {
        let memory = Memory::default();
        let (writer, log) = Log::over(memory.clone());
        let requests = Requests::new(writer);
        for status in 200..300 {
            requests.take(&event("/v1/users/me/mfa", Some(status)));
        }
        log.finish();
        let bytes = memory.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["status"].as_u64().unwrap()
        });
        assert!(lines.eq(200..300));
    }

    #[test]
    fn other_lines_have_a_timestamp_a_level_a_target_and_a_message() {
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

    /// A reader that is gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn failed_write_does_not_keep_the_logs_thread_from_ending() {
        let mut batches = Batches(BufWriter::new(Gone));
        batches.write_all(b"{}\n").unwrap();
        batches.flush().unwrap();
    }

    /// A reader that reads nothing until its channel is closed.
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
    fn stalled_reader_loses_lines_and_does_not_block_the_writer() {
        let (release, stalled) = mpsc::channel();
        let (mut writer, log) = Log::over(Stalled(stalled));
        let lines = 2 * WAITING_LINES;
        let line = [b'x'; 1024];
        for _ in 0..lines {
            writer.write_all(&line).unwrap();
        }
        // The rest wait in the queue, or are with the thread that writes.
        let taken = BATCH_BYTES / line.len() + 2;
        assert!(log.lost.dropped_lines() >= lines - WAITING_LINES - taken);
        drop(release);
        drop(log);
    }
}
