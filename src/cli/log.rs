//! Log lines, as logfmt or JSON: `ts`, `level`, `msg`, then the event's fields and those of its spans.
//!
//! Values may come from a backend, so nothing in them can end a line, start a field, steer a terminal or reorder what is
//! read: control characters, quotes, and invisible and bidirectional format characters are written as JSON escapes in
//! both formats. The crate tracing-logfmt 0.3.7 and the JSON format of tracing-subscriber leave C1 controls (an ANSI
//! escape in one character), U+2028 and bidirectional overrides as they are, which is why the formatter is our own.

mod lines;

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use self::lines::Lines;
use crate::words::is_hidden;

/// The least urgent events that are written (`--log.level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// How an event is written (`--log.format`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Logfmt,
    Json,
}

/// The log of this process. When it is dropped, at the end, what was logged last is still written.
pub struct Log(Lines);

impl Log {
    /// Counts the lines that nobody will read, because there was no room for them.
    #[must_use]
    pub fn dropped(&self) -> Arc<AtomicU64> {
        self.0.dropped()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Sends the events of the whole process to this file, else to standard error, and never waits for who reads that.
///
/// # Errors
/// Something else already takes them, or there is no thread to write them.
pub fn init(level: LogLevel, format: LogFormat, file: Option<File>) -> anyhow::Result<Log> {
    let lines = file.map_or_else(Lines::to_standard_error, Lines::to)?;
    let writer = lines.clone();
    subscriber(level, format, move || writer.clone()).try_init()?;
    // The usual hook writes to standard error itself, and waits for who reads that.
    std::panic::set_hook(Box::new(|panic| {
        let why = panic.payload_as_str().unwrap_or("no reason");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, why, "a part of the exporter has panicked, which is a bug; the rest goes on");
    }));
    Ok(Log(lines))
}

/// What [`init`] installs, over any writer.
pub fn subscriber<W>(level: LogLevel, format: LogFormat, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().event_format(format).fmt_fields(format).with_writer(writer);
    // Libraries speak of every connection below `warn`: thousands of lines a second that say nothing about backends.
    let libraries = level.filter().min(LevelFilter::WARN);
    let ours = Targets::new().with_default(libraries).with_target(env!("CARGO_CRATE_NAME"), level.filter());
    tracing_subscriber::registry().with(layer).with(ours)
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }
}

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warn",
            tracing::Level::INFO => "info",
            tracing::Level::DEBUG | tracing::Level::TRACE => "debug",
        };
        let mut message = Message(String::new());
        event.record(&mut message);
        match self {
            Self::Logfmt => write!(writer, "ts={time} level={level}")?,
            Self::Json => write!(writer, "{{\"ts\":\"{time}\",\"level\":\"{level}\"")?,
        }
        self.pair(&mut writer, "msg", &Value::Text(&message.0))?;
        self.format_fields(writer.by_ref(), event)?;
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(fields)?;
            }
        }
        writer.write_str(match self {
            Self::Logfmt => "\n",
            Self::Json => "}\n",
        })
    }
}

impl<'writer> FormatFields<'writer> for LogFormat {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut pairs = Pairs { format: *self, writer, result: Ok(()) };
        fields.record(&mut pairs);
        pairs.result
    }
}

impl LogFormat {
    /// Writes one field with the separator before it. Keys are names in our source, so they need no escaping.
    fn pair(self, writer: &mut Writer<'_>, key: &str, value: &Value<'_>) -> fmt::Result {
        match self {
            Self::Logfmt => write!(writer, " {key}=")?,
            Self::Json => write!(writer, ",\"{key}\":")?,
        }
        match (self, value) {
            (Self::Logfmt | Self::Json, Value::Bare(bare)) => write!(writer, "{bare}"),
            (Self::Logfmt, Value::Text(text)) if is_plain(text) => writer.write_str(text),
            (Self::Logfmt | Self::Json, Value::Text(text)) => write_quoted(writer, text),
        }
    }
}

/// A field's value.
enum Value<'a> {
    Text(&'a str),
    /// Numbers and booleans, which are the same in both formats.
    Bare(&'a dyn fmt::Display),
}

/// The event's message alone.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.0 = format!("{value:?}");
        }
    }
}

/// Every field but the message.
struct Pairs<'writer> {
    format: LogFormat,
    writer: Writer<'writer>,
    result: fmt::Result,
}

impl Pairs<'_> {
    fn put(&mut self, field: &Field, value: &Value<'_>) {
        if field.name() != MESSAGE && self.result.is_ok() {
            self.result = self.format.pair(&mut self.writer, field.name().trim_start_matches("r#"), value);
        }
    }
}

impl Visit for Pairs<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &Value::Text(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, &Value::Text(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &Value::Bare(&value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &Value::Bare(&value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &Value::Bare(&value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for infinity.
        if value.is_finite() {
            self.put(field, &Value::Bare(&value));
        } else {
            self.put(field, &Value::Text(&value.to_string()));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        self.put(field, &Value::Text(&text));
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|char| matches!(char, ' ' | '=' | '"' | '\\') || is_hidden(char))
}

fn write_quoted(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' => writer.write_str("\\\"")?,
            '\\' => writer.write_str("\\\\")?,
            '\n' => writer.write_str("\\n")?,
            '\r' => writer.write_str("\\r")?,
            '\t' => writer.write_str("\\t")?,
            char if is_hidden(char) => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            char => writer.write_char(char)?,
        }
    }
    writer.write_char('"')
}

/// What tracing calls the text of an event.
const MESSAGE: &str = "message";
