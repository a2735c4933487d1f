use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::ORIGIN;
use http::{Request, Response};
use sec_core::{Problem, RequestContext, RequestView};

use super::layer::{Finish, Inner};
use super::{CorsReason, CorsRefusal, CorsVerdict};
use crate::origin::Origin;

/// Says of an origin that no list allows whether it may read after all, such as from a tenant's own
/// settings; [`RequestContext::tenant`] is the tenant.
///
/// It is asked about cross-origin requests alone, and about preflights too, which never carry
/// credentials: the identity is not known then. Everyone can make it be asked, with any origin, so
/// that it should be cheap, and keep the answers of a store for a while.
///
/// Every `Fn(Origin, RequestContext)` whose future gives `Result<bool, E>` is one.
pub trait OriginLookup: Send + Sync + 'static {
    /// Whether this origin may read the answer to this request.
    ///
    /// # Errors
    ///
    /// Anything that keeps it from knowing: the request is then refused, and the error's text goes to
    /// the event.
    fn allows(
        &self,
        origin: Origin,
        context: RequestContext,
    ) -> impl Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send;
}

impl<L, F, E> OriginLookup for L
where
    L: Fn(Origin, RequestContext) -> F + Send + Sync + 'static,
    F: Future<Output = Result<bool, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    async fn allows(
        &self,
        origin: Origin,
        context: RequestContext,
    ) -> Result<bool, Box<dyn Error + Send + Sync>> {
        self(origin, context).await.map_err(Into::into)
    }
}

/// An [`OriginLookup`] whose type the layer need not know.
pub(super) trait Consult: Send + Sync {
    fn consult(
        self: Arc<Self>,
        origin: Origin,
        context: RequestContext,
        deadline: Duration,
    ) -> Answer;
}

type Answer = Pin<Box<dyn Future<Output = Result<bool, Failure>> + Send>>;

pub(super) enum Failure {
    TimedOut,
    Failed(String),
}

impl<L: OriginLookup> Consult for L {
    fn consult(
        self: Arc<Self>,
        origin: Origin,
        context: RequestContext,
        deadline: Duration,
    ) -> Answer {
        Box::pin(async move {
            let answer = self.allows(origin, context);
            match tokio::time::timeout(deadline, answer).await {
                Ok(Ok(allowed)) => Ok(allowed),
                Ok(Err(error)) => Err(Failure::Failed(error.to_string())),
                Err(_) => Err(Failure::TimedOut),
            }
        })
    }
}

/// A request that waits for the lookup's word.
pub(super) struct Asking<B> {
    answer: Answer,
    request: Option<Request<B>>,
    layer: Arc<Inner>,
}

impl<B> Asking<B> {
    pub(super) const fn new(answer: Answer, request: Request<B>, layer: Arc<Inner>) -> Self {
        Self {
            answer,
            request: Some(request),
            layer,
        }
    }
}

// Nothing in it is pinned in place: the answer is boxed, and the request is only handed on.
impl<B> Unpin for Asking<B> {}

impl<B> Future for Asking<B> {
    type Output = Result<(Request<B>, Option<Finish>), Response<Bytes>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let answer = ready!(this.answer.as_mut().poll(cx));
        // Polled after it was ready: a fault of the caller, to whom a future owes nothing more.
        let Some(request) = this.request.take() else {
            return Poll::Pending;
        };
        let view = RequestView::from(&request);
        let refused = |reason| CorsRefusal::new(reason, view);
        let verdict = match (answer, view.headers.get(ORIGIN)) {
            (Ok(true), Some(origin)) => CorsVerdict::Allowed(origin.clone()),
            (Ok(_), _) => CorsVerdict::Refused(refused(CorsReason::NotListed)),
            (Err(Failure::TimedOut), _) => {
                CorsVerdict::Refused(refused(CorsReason::LookupTimedOut))
            }
            (Err(Failure::Failed(error)), _) => {
                CorsVerdict::Refused(refused(CorsReason::LookupFailed).with_fault(&error))
            }
        };
        let outcome = match RequestContext::of(view.extensions) {
            Ok(context) => this.layer.conclude(view, context, verdict),
            Err(missing) => Err(Box::new(Problem::from(&missing).respond(view.headers))),
        };
        Poll::Ready(match outcome {
            Ok(finish) => Ok((request, finish)),
            Err(response) => Err(*response),
        })
    }
}
