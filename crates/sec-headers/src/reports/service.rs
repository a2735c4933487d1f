use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_TYPE,
};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use sec_core::{EventKind, Problem, RequestContext};
use tower_service::Service;

use super::config::{DIFFERENT, WINDOW};
use super::parse::Form;
use super::read::ReportFuture;
use super::tally::Tally;
use super::{ReportError, ReportLimits, ReportsConfig, parse_reports};
use crate::error::PolicyError;

const METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

/// The endpoint to which browsers send violation reports: a service of its own, for axum's
/// `route_service` or any Hyper router.
///
/// It reads at most [`ReportLimits::body`] bytes while they come in, drops what browser extensions
/// cause ([`Report::is_noise`](super::Report::is_noise)), counts equal reports in a window, and emits each kind as an event `csp_violation` with the
/// fields of [`Report`](super::Report) as details: the first at once, the others of the window as one
/// event with their count. Reports of other types (network errors, deprecations, interventions,
/// crashes, violations of other policies) become events `browser_report` with their type and the
/// fields that it has; an unknown type with its name and page.
///
/// | request | answer |
/// |---|---|
/// | `POST` with reports | 204 |
/// | `OPTIONS` | 204 with the CORS headers that a collector on another origin needs |
/// | another method | 405 |
/// | another content type | 415 |
/// | too large, too many reports | 413 |
/// | not the JSON that it claims | 400 |
///
/// The refusals are problems, and leave a coalesced event `input_validation_fail`. It never answers
/// 410, by which browsers forget the endpoint.
///
/// It needs [`ContextLayer`](sec_core::ContextLayer). Anyone can send reports: put a rate limit
/// around it, and a time-out on reading the body, as around every route. Exclude its path from
/// [`CrossOriginGuard`](crate::CrossOriginGuard): reports change nothing, they may come from other
/// origins, and Chromium sends them without `Sec-Fetch-Site`.
///
/// ```
/// use sec_headers::ReportReceiver;
///
/// let receiver = ReportReceiver::new();
/// // Router::new().route_service("/csp-report", receiver)
/// # let _ = receiver;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ReportReceiver(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: ReportLimits,
    window: Duration,
    different: usize,
    tally: Tally,
}

impl Default for ReportReceiver {
    fn default() -> Self {
        Self::new()
    }
}

impl ReportReceiver {
    /// With the default limits, a window of one minute, and 64 different reports told apart in it.
    pub fn new() -> Self {
        Self::with(ReportLimits::default(), Duration::from_secs(60), 64)
    }

    /// The receiver that a configuration section describes.
    ///
    /// # Errors
    ///
    /// A limit that is zero or no bound any more, and a window that is shorter than a second or longer
    /// than a day, by its field.
    pub fn from_config(config: &ReportsConfig) -> Result<Self, PolicyError> {
        config.checked()?;
        let limits = ReportLimits {
            body: config.body_limit,
            reports: config.report_limit,
            text: config.text_limit,
        };
        Ok(Self::with(limits, config.window, config.different))
    }

    /// How many bytes a body may have. Default: 128 KiB. Below about 100 KiB a full batch of
    /// Chromium is refused.
    pub fn body_limit(self, bytes: usize) -> Self {
        let limits = ReportLimits {
            body: bytes,
            ..self.0.limits
        };
        Self::with(limits, self.0.window, self.0.different)
    }

    /// How many reports a body may have. Default: 100.
    pub fn report_limit(self, reports: usize) -> Self {
        let limits = ReportLimits {
            reports,
            ..self.0.limits
        };
        Self::with(limits, self.0.window, self.0.different)
    }

    /// How many characters of each text are kept. Default: 512.
    pub fn text_limit(self, chars: usize) -> Self {
        let limits = ReportLimits {
            text: chars,
            ..self.0.limits
        };
        Self::with(limits, self.0.window, self.0.different)
    }

    /// For how long equal reports are counted before their number is told, from one second to a day;
    /// what is outside counts as the nearer of the two, since without a window nothing would bound the
    /// trail. Default: 60 s.
    pub fn window(self, window: Duration) -> Self {
        let window = window.clamp(WINDOW.0, WINDOW.1);
        Self::with(self.0.limits, window, self.0.different)
    }

    /// How many different reports of a window are told apart; all further ones are counted together.
    /// Each costs at most two events per window, which bounds what strangers can put on the trail,
    /// and some kilobytes of memory. From 1 to 10000; what is outside counts as the nearer of the two.
    /// Default: 64.
    pub fn different(self, reports: usize) -> Self {
        let reports = reports.clamp(1, DIFFERENT);
        Self::with(self.0.limits, self.0.window, reports)
    }

    /// Emits the counts of all open windows; for a shut-down. Dropping the last clone does it too.
    pub fn flush(&self) {
        self.0.tally.flush();
    }

    fn with(limits: ReportLimits, window: Duration, different: usize) -> Self {
        Self(Arc::new(Inner {
            limits,
            window,
            different,
            tally: Tally::new(window, different),
        }))
    }

    pub(super) fn body_limit_bytes(&self) -> usize {
        self.0.limits.body
    }

    /// Takes a whole body in: the plain function behind the service.
    ///
    /// # Errors
    ///
    /// Those of [`parse_reports`].
    pub fn receive(
        &self,
        content_type: &str,
        body: &[u8],
        context: &RequestContext,
    ) -> Result<(), ReportError> {
        for report in parse_reports(content_type, body, &self.0.limits)? {
            if !report.is_noise() {
                self.0.tally.add(&report, context);
            }
        }
        Ok(())
    }

    /// What can be answered without the body; otherwise the body is wanted.
    fn before_body<B: Body>(&self, request: &Request<B>) -> Option<Response<Full<Bytes>>> {
        let context = match RequestContext::of(request.extensions()) {
            Ok(context) => context,
            Err(missing) => {
                let response = Problem::from(&missing).respond(request.headers());
                return Some(response.map(Full::new));
            }
        };
        if request.method() == Method::OPTIONS {
            return Some(preflight());
        }
        if request.method() != Method::POST {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED).with_header(ALLOW, METHODS);
            return Some(finish(problem.respond(request.headers()).map(Full::new)));
        }
        let limit = self.body_limit_bytes();
        let error = if Form::of(content_type(request.headers())).is_none() {
            ReportError::ContentType
        } else if request.body().size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            ReportError::TooLarge(limit)
        } else {
            return None;
        };
        Some(refuse(error, request.headers(), context))
    }

    /// The answer once the body is there.
    pub(super) fn answer(&self, parts: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
        let context = match RequestContext::of(&parts.extensions) {
            Ok(context) => context,
            Err(missing) => {
                return Problem::from(&missing)
                    .respond(&parts.headers)
                    .map(Full::new);
            }
        };
        match self.receive(content_type(&parts.headers), body, context) {
            Ok(()) => no_content(),
            Err(error) => refuse(error, &parts.headers, context),
        }
    }

    /// The answer to a body that did not come whole, or is too large.
    pub(super) fn refuse(&self, error: ReportError, parts: &Parts) -> Response<Full<Bytes>> {
        match RequestContext::of(&parts.extensions) {
            Ok(context) => refuse(error, &parts.headers, context),
            Err(missing) => Problem::from(&missing)
                .respond(&parts.headers)
                .map(Full::new),
        }
    }
}

impl<B> Service<Request<B>> for ReportReceiver
where
    B: Body<Data = Bytes>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ReportFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.before_body(&request) {
            Some(response) => ReportFuture::ready(response),
            None => {
                let (parts, body) = request.into_parts();
                ReportFuture::read(self.clone(), parts, body)
            }
        }
    }
}

impl From<&ReportError> for Problem {
    fn from(error: &ReportError) -> Self {
        let status = match error {
            ReportError::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ReportError::TooLarge(_) | ReportError::TooMany(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ReportError::Malformed => {
                return Self::typed(
                    "malformed-input",
                    StatusCode::BAD_REQUEST,
                    "The input could not be read",
                );
            }
        };
        Self::new(status)
    }
}

fn refuse(
    error: ReportError,
    headers: &http::HeaderMap,
    context: &RequestContext,
) -> Response<Full<Bytes>> {
    let key = (
        "report-receiver",
        context.client_group(),
        std::mem::discriminant(&error),
    );
    context.refused(key, |context| {
        context
            .event(EventKind::INPUT_REJECTED)
            .with_reason(error.to_string())
    });
    let mut response = finish(Problem::from(&error).respond(headers).map(Full::new));
    response.extensions_mut().insert(error);
    response
}

fn content_type(headers: &http::HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    value.and_then(Result::ok).unwrap_or("")
}

fn no_content() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    finish(response)
}

/// Browsers send reports in mode `cors` and without credentials for other origins, and ask first
/// because of the content type. Nothing in the answers is secret.
fn preflight() -> Response<Full<Bytes>> {
    let mut response = no_content();
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("content-type"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn finish(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
