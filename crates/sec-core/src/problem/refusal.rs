//! How a layer says no, and how a host says it differently.

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Request, Response, Uri};

use super::Problem;
use crate::RequestContext;

/// A request without its body: what a decision and a refusal look at.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target as this service sees it; inside axum's `nest` it is cut. Decide on
    /// [`RequestContext::path`] instead.
    pub uri: &'a Uri,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The extensions.
    pub extensions: &'a Extensions,
}

impl<'a> RequestView<'a> {
    /// The context, when [`ContextLayer`](crate::ContextLayer) has put it there.
    #[must_use]
    pub fn context(&self) -> Option<&'a RequestContext> {
        RequestContext::get(self.extensions)
    }
}

impl<'a, B> From<&'a Request<B>> for RequestView<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

impl<'a> From<&'a http::request::Parts> for RequestView<'a> {
    fn from(parts: &'a http::request::Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }
}

/// Turns a refusal into an answer.
///
/// Every closure `Fn(&R, RequestView<'_>) -> Response<Bytes>` is one; [`ProblemRefusal`] is the default of
/// every layer. The event has been emitted when this runs, and cannot be suppressed here.
pub trait OnRefusal<R>: Send + Sync + 'static {
    /// The answer to a refused request.
    fn respond(&self, refusal: &R, request: RequestView<'_>) -> Response<Bytes>;
}

impl<R, F> OnRefusal<R> for F
where
    F: Fn(&R, RequestView<'_>) -> Response<Bytes> + Send + Sync + 'static,
{
    fn respond(&self, refusal: &R, request: RequestView<'_>) -> Response<Bytes> {
        self(refusal, request)
    }
}

/// Answers with the refusal's [`Problem`], in the form that the request prefers.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs, reason = "a marker without state")]
pub struct ProblemRefusal;

impl<R> OnRefusal<R> for ProblemRefusal
where
    for<'a> Problem: From<&'a R>,
    R: 'static,
{
    fn respond(&self, refusal: &R, request: RequestView<'_>) -> Response<Bytes> {
        Problem::from(refusal).respond(request.headers)
    }
}

/// Runs the hook and leaves the refusal in the answer's extensions, where outer layers find it.
pub fn refuse<R>(hook: &dyn OnRefusal<R>, refusal: R, request: RequestView<'_>) -> Response<Bytes>
where
    R: Clone + Send + Sync + 'static,
{
    let mut response = hook.respond(&refusal, request);
    response.extensions_mut().insert(refusal);
    response
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct TooLoud;

    impl From<&TooLoud> for Problem {
        fn from(_: &TooLoud) -> Self {
            Self::new(StatusCode::FORBIDDEN)
        }
    }

    #[test]
    fn the_default_is_a_problem_and_a_closure_replaces_it() {
        let request = Request::new(());
        let default = refuse(&ProblemRefusal, TooLoud, (&request).into());
        assert_eq!(default.status(), StatusCode::FORBIDDEN);
        assert_eq!(default.extensions().get::<TooLoud>(), Some(&TooLoud));

        let own = |_: &TooLoud, _: RequestView<'_>| Response::new(Bytes::from_static(b"hush"));
        let replaced = refuse(&own, TooLoud, (&request).into());
        assert_eq!(replaced.body(), "hush");
        assert_eq!(replaced.extensions().get::<TooLoud>(), Some(&TooLoud));
    }
}
