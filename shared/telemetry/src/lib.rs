//! A run's output: log lines as JSON, and metrics in the embedded metric format of `CloudWatch`.
//! Both show at most a person's `sub` and the bridge's own id of the person.

mod emf;
mod lines;
mod metrics;

use std::io::Write as _;
use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub use emf::{DIMENSION, MetricSet, Milliseconds, NAMESPACE, Seconds, milliseconds};
pub use lines::{HandledMessage, config_errors, handled};
pub use metrics::{
    BatchMetrics, CaptureMetrics, PassMetrics, PendingMetrics, SweepMetrics, TrailMetrics,
    metrics_document,
};

use poolbridge_core::time::Time;

/// Where log lines and metrics go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output, from which Lambda takes both.
    Standard,
    /// Standard error, where a command line writes its messages.
    Terminal,
    /// Standard output of a test. The test runner keeps it, and shows it if the test fails.
    Test,
}

impl Output {
    #[expect(clippy::print_stdout, reason = "a test runner keeps only what this macro writes")]
    fn write(self, line: &str) {
        // A log line that cannot be written is no reason to fail.
        let _ = match self {
            Self::Standard => writeln!(std::io::stdout().lock(), "{line}"),
            Self::Terminal => writeln!(std::io::stderr().lock(), "{line}"),
            Self::Test => {
                println!("{line}");
                Ok(())
            }
        };
    }
}

/// Publishes the metrics of one bridge.
#[derive(Clone, Debug)]
pub struct Telemetry {
    name: String,
    output: Output,
}

impl Telemetry {
    /// For the bridge with that name.
    pub const fn new(name: String, output: Output) -> Self {
        Self { name, output }
    }

    /// Publishes a set of metrics, with the time `now`.
    pub fn publish(&self, now: Time, metrics: &impl MetricSet) {
        self.output.write(&emf::line(&self.name, now, metrics));
    }
}

/// Starts logging once per process. Later calls change nothing.
pub fn start(output: Output) {
    let wished = std::env::var("POOLBRIDGE_LOG").ok();
    let filter = wished.as_deref().and_then(|wished| EnvFilter::try_new(wished).ok());
    let understood = wished.is_none() || filter.is_some();
    let filter = filter.unwrap_or_else(|| EnvFilter::new("poolbridge=info"));
    let writer = match output {
        Output::Standard => BoxMakeWriter::new(std::io::stdout),
        Output::Terminal => BoxMakeWriter::new(std::io::stderr),
        Output::Test => BoxMakeWriter::new(tracing_subscriber::fmt::TestWriter::new),
    };
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer);
    let bounded =
        lines.with_filter(filter_fn(|metadata| may_speak(metadata.target(), *metadata.level())));
    let started = tracing_subscriber::registry().with(filter).with(bounded).try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
    if !understood {
        tracing::warn!("POOLBRIDGE_LOG is no filter; hint: write `poolbridge=debug`");
    }
}

/// Whether a line of that target and level may be written at all. Below the level of a warning, the
/// SDK and its transport log requests and answers, attribute values included. So no configured
/// filter can let those lines through.
fn may_speak(target: &str, level: Level) -> bool {
    let ours = target == "poolbridge"
        || target.starts_with("poolbridge_")
        || target.starts_with("poolbridge::");
    ours || level <= LevelFilter::WARN
}

/// Logs the place of a panic without its text, which may quote a value.
fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panicked; hint: report this place, the message is withheld on purpose");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_lets_the_sdk_log_below_a_warning() {
        for theirs in ["aws_smithy_runtime", "aws_sdk_cognitoidentityprovider", "hyper", "poolb"] {
            assert!(!may_speak(theirs, Level::INFO), "{theirs}");
            assert!(!may_speak(theirs, Level::TRACE), "{theirs}");
            assert!(may_speak(theirs, Level::WARN), "{theirs}");
        }
        assert!(may_speak("poolbridge_aws::consume", Level::DEBUG));
        assert!(may_speak("poolbridge", Level::TRACE));
    }
}
