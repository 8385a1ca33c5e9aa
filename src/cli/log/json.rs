//! One JSON object a line.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::REQUEST;
use crate::record;

/// The field that carries a wide event through `tracing`.
const EVENT: &str = "event";

/// Logs the wide event of each request.
pub(in super::super) struct Requests;

impl record::Sink for Requests {
    fn take(&self, event: &record::Event) {
        match serde_json::to_string(event) {
            Ok(line) => tracing::info!(target: REQUEST, event = line.as_str()),
            Err(error) => tracing::error!("the event of a request has no JSON: {error}"),
        }
    }
}

/// A wide event is written as it is: its members are the line's. Any other line has `timestamp`,
/// `level`, `target`, and what it says.
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
        let mut said = Members::default();
        event.record(&mut said);
        let metadata = event.metadata();
        if metadata.target() == REQUEST
            && let Some(Value::String(line)) = said.0.get(EVENT)
        {
            return writeln!(writer, "{line}");
        }
        let mut line = Map::new();
        line.insert("timestamp".into(), crate::cli::now().to_string().into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        for (name, value) in said.0 {
            line.entry(name).or_insert(value);
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Members {
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
