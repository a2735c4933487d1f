//! A refused input, as the trail and the caller see it.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use sec_core::{EventKind, Problem, ProblemRefusal, RequestContext, RequestView, refuse, text};
use serde_json::{Value, json};

use crate::json::{FieldError, InputError};

/// Why a request's input was not taken; also in the extensions of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRefusal(Arc<InputError>);

impl InputRefusal {
    /// What is wrong.
    #[must_use]
    pub fn error(&self) -> &InputError {
        &self.0
    }

    /// Tells the trail that an input is not taken; for faults that the host found.
    ///
    /// [`EventKind::INPUT_REJECTED`] is emitted with pointers and codes, never values; repetitions by one client on
    /// one path are coalesced.
    #[must_use]
    pub fn report(error: InputError, context: &RequestContext) -> Self {
        let name = name(&error);
        context.refused((name, context.client_group(), context.path()), |context| {
            let fields: Vec<Value> = error.fields().iter().map(entry).collect();
            let event = context.event(EventKind::INPUT_REJECTED).with_reason(name);
            if fields.is_empty() {
                event
            } else {
                event.with_detail("errors", fields)
            }
        });
        Self(Arc::new(error))
    }

    /// The event and the answer for an input that is not taken: [`report`](Self::report), where the request has a
    /// context, and a problem in the form that it prefers.
    #[must_use]
    pub fn respond(error: InputError, request: RequestView<'_>) -> Response<Bytes> {
        let refusal = match request.context() {
            Some(context) => Self::report(error, context),
            None => Self(Arc::new(error)),
        };
        refuse(&ProblemRefusal, refusal, request)
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for InputRefusal {
    fn into_response(self) -> axum::response::Response {
        let mut response = Problem::from(&self).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<&InputRefusal> for Problem {
    fn from(refusal: &InputRefusal) -> Self {
        Self::from(refusal.error())
    }
}

fn name(error: &InputError) -> &'static str {
    match error {
        InputError::MediaType { .. } => "media type",
        InputError::TooLarge { .. } => "too large",
        InputError::Malformed(_) => "malformed",
        InputError::Invalid(_) => "invalid fields",
    }
}

/// Names of unknown fields are the client's words.
fn entry(field: &FieldError) -> Value {
    json!({ "pointer": text::log_safe(&field.pointer, 200), "code": field.code })
}
