//! The log of `serve`: one JSON object a line.

use std::fmt;
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::event::{Sink, WideEvent};

/// Logs the event of each request as a line of JSON, whatever `RUST_LOG` says.
pub(in super::super) struct Requests(NonBlocking);

/// The size of most lines in bytes.
const LINE_BYTES: usize = 1024;

impl Requests {
    pub(super) fn new(writer: NonBlocking) -> Self {
        Self(writer)
    }
}

impl Sink for Requests {
    fn take(&self, event: &WideEvent) {
        let mut line = Vec::with_capacity(LINE_BYTES);
        if let Err(error) = serde_json::to_writer(&mut line, event) {
            tracing::error!("the event of a request has no JSON: {error}");
            return;
        }
        line.push(b'\n');
        // An error means that the log's thread has ended: there is no one left to report it to.
        let _ = self.0.clone().write_all(&line);
    }
}

/// Writes `timestamp`, `level`, `target` and the fields of a `tracing` event.
pub(super) struct Format;

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let mut line = Map::new();
        line.insert("timestamp".into(), crate::cli::now().to_string().into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        for (name, value) in fields.0 {
            line.entry(name).or_insert(value);
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }
}
