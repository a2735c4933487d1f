//! The layer.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sec_core::EventSink;
use sec_core::path::PathRules;
use tower_layer::Layer;

use super::service::RequestLog;
use super::settings::Settings;
use crate::config::RequestLogConfig;
use crate::error::ConfigError;

/// Records each request when it is over, as one [`EventKind::REQUEST`](sec_core::EventKind::REQUEST) event: method, original path (never
/// the query), status, duration, bytes of the body, client address, user agent, and who the caller is by then.
///
/// *Over* means that the last byte of the body was read, so the duration is what the client waited for. What ends
/// otherwise is recorded as a failure with its reason: a panic in the inner service (which passes on
/// unaltered), its error, an answer that was dropped before or while it was sent (a client that went away, a
/// time limit further out). Severity comes from [`severity_of`](super::severity_of).
///
/// It belongs directly inside of [`ContextLayer`](sec_core::ContextLayer) and outside of everything else. Without a
/// context it answers 500 and logs which layer is missing.
///
/// A recorded request costs five allocations here (the observer of the body; the event's map of details with three
/// names) and those of its sink; a success that sampling leaves out costs one, a path that is left out none. The
/// layer keeps no queue: what bounds memory is the sink.
///
/// ```
/// use sec_audit::RequestLogLayer;
/// use sec_core::path::PathRules;
///
/// let layer = RequestLogLayer::new()
///     .sample_one_in(10)
///     .paths(PathRules::all().exclude("/healthz")?);
/// # Ok::<(), sec_core::PathRuleError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestLogLayer(Arc<Settings>);

impl RequestLogLayer {
    /// Records every request to the sink of its context.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Settings::default()))
    }

    /// The layer that a configuration describes.
    ///
    /// # Errors
    /// When a path rule is wrong.
    pub fn from_config(config: &RequestLogConfig) -> Result<Self, ConfigError> {
        let layer = Self::new()
            .enabled(config.enabled)
            .sample_one_in(config.sample_one_in);
        Ok(layer.paths(config.paths()?))
    }

    /// Whether it does anything; true by default.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.change(|settings| settings.enabled = enabled)
    }

    /// Of so many successful requests, one is recorded; 1 (all) by default, 0 for none. The recorded ones say
    /// `sampled_one_in`, so that totals can be estimated. What failed is always recorded. The risk: a successful
    /// request that was left out cannot be found afterwards.
    #[must_use]
    pub fn sample_one_in(self, one_in: u32) -> Self {
        self.change(|settings| settings.sample_one_in = one_in)
    }

    /// The paths whose requests are recorded; all by default. The risk: what is excluded leaves no trace here even
    /// when it fails.
    #[must_use]
    pub fn paths(self, paths: PathRules) -> Self {
        self.change(|settings| settings.paths = paths)
    }

    /// Where the entries go; the sink of the request's context by default.
    #[must_use]
    pub fn sink(self, sink: Arc<dyn EventSink>) -> Self {
        self.change(|settings| settings.sink = Some(sink))
    }

    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            enabled: self.0.enabled,
            sample_one_in: self.0.sample_one_in,
            paths: self.0.paths.clone(),
            sink: self.0.sink.clone(),
            successes: AtomicU64::new(0),
        };
        change(&mut settings);
        Self(Arc::new(settings))
    }
}

impl Default for RequestLogLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestLogLayer {
    type Service = RequestLog<S>;

    fn layer(&self, inner: S) -> RequestLog<S> {
        RequestLog::new(inner, Arc::clone(&self.0))
    }
}
