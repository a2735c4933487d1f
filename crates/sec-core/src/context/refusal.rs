//! Why a request has no context, and what is answered then.

use http::StatusCode;

use crate::{AuthorityError, Delivery, Problem};

const AXUM: &str = if cfg!(feature = "axum") {
    ""
} else {
    " (this build lacks it)"
};

/// A request that [`ContextLayer`](crate::ContextLayer) does not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextRefusal {
    /// The host put neither `PeerAddr` nor axum's `ConnectInfo` into the request, and no policy for that was
    /// chosen: a fault of the service, answered 500, logged, and no event of a client.
    #[error(
        "the request carries no peer address: under axum, turn on the feature `axum` of sec-core{AXUM} and \
         serve with `into_make_service_with_connect_info::<SocketAddr>()`; under Hyper, insert `PeerAddr` \
         into the request; or choose `ContextLayer::missing_peer`"
    )]
    NoPeer,
    /// No `Host` and no authority in the target (RFC 9112 §3.2).
    #[error("the request names no host")]
    NoHost,
    /// More than one `Host` line.
    #[error("the request has several Host fields")]
    RepeatedHost,
    /// `Host` says other than the target (RFC 9113 §8.3.1).
    #[error("Host and the request's target disagree")]
    ConflictingHost,
    /// The authority cannot be one.
    #[error("the host is malformed: {0}")]
    MalformedHost(#[from] AuthorityError),
}

impl From<&ContextRefusal> for Problem {
    fn from(refusal: &ContextRefusal) -> Self {
        match refusal {
            ContextRefusal::NoPeer => Self::new(StatusCode::INTERNAL_SERVER_ERROR),
            _ => Self::typed(
                "bad-host",
                StatusCode::BAD_REQUEST,
                "The request's host cannot be determined",
            ),
        }
    }
}

/// A layer that this code relies on is not outside of it: a fault in how the service is put together.
///
/// Making one logs an error whose field `missing` names the layer; the caller of the service sees a bare 500.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{layer} must wrap the code that asked for what it provides; see the order in the README")]
pub struct MissingLayer {
    layer: &'static str,
}

impl MissingLayer {
    /// Says which layer, as a path: `sec_tokens::AuthLayer`.
    #[must_use]
    pub fn new(layer: &'static str) -> Self {
        tracing::error!(
            target: "sec",
            missing = layer,
            "answering 500: the code that serves this request needs a layer around it that is not there, or stands further inside"
        );
        Self { layer }
    }

    /// The layer's path.
    #[must_use]
    pub const fn layer(&self) -> &'static str {
        self.layer
    }
}

impl From<&MissingLayer> for Problem {
    fn from(_: &MissingLayer) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// An event that had to be on record first is not: the action must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail promised {got:?}, and {required:?} was required")]
pub struct NotRecorded {
    required: Delivery,
    got: Delivery,
}

impl NotRecorded {
    pub(crate) fn new(required: Delivery, got: Delivery) -> Self {
        tracing::error!(target: "sec", ?required, ?got, "an event could not be recorded in time; failing closed");
        Self { required, got }
    }
}

impl From<&NotRecorded> for Problem {
    fn from(_: &NotRecorded) -> Self {
        let retry = (
            http::header::RETRY_AFTER,
            http::HeaderValue::from_static("5"),
        );
        Self::typed(
            "not-recorded",
            StatusCode::SERVICE_UNAVAILABLE,
            "The action could not be recorded",
        )
        .with_header(retry.0, retry.1)
    }
}

macro_rules! into_problem {
    ($($refusal:ty),*) => {$(
        impl From<$refusal> for Problem {
            fn from(refusal: $refusal) -> Self {
                Self::from(&refusal)
            }
        }

        #[cfg(feature = "axum")]
        impl axum::response::IntoResponse for $refusal {
            fn into_response(self) -> axum::response::Response {
                Problem::from(&self).into_response()
            }
        }
    )*};
}

into_problem!(ContextRefusal, MissingLayer, NotRecorded);
