//! What a context layer was told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::refusal::ContextRefusal;
use crate::problem::{OnRefusal, ProblemRefusal, RequestView};
use crate::{
    AddrGrouping, Authority, ClientAddress, Clock, Delivery, EventSink, Scheme, SystemClock,
    TracingSink,
};

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) enabled: bool,
    pub(super) address: ClientAddress,
    pub(super) grouping: AddrGrouping,
    pub(super) connection: Scheme,
    pub(super) missing_peer: Option<IpAddr>,
    pub(super) request_id: HeaderName,
    pub(super) tenant: Option<TenantHook>,
    pub(super) on_refusal: Arc<dyn OnRefusal<ContextRefusal>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sink: Arc<dyn EventSink>,
    pub(super) required: Option<(Delivery, Duration)>,
    pub(super) coalesce: Duration,
}

pub(super) type TenantHook =
    Arc<dyn Fn(RequestView<'_>, &Authority) -> Option<String> + Send + Sync>;

/// What to do with a request that carries no peer address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissingPeer {
    /// Answer 500 and say in the log what is missing: the default.
    #[default]
    Refuse,
    /// Take this address: for Unix sockets and in-process calls. **All such requests share one key** in every
    /// limit by address.
    Assume(IpAddr),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            address: ClientAddress::peer(),
            grouping: AddrGrouping::default(),
            connection: Scheme::Http,
            missing_peer: None,
            request_id: HeaderName::from_static("x-request-id"),
            tenant: None,
            on_refusal: Arc::new(ProblemRefusal),
            clock: SystemClock::shared(),
            sink: Arc::new(TracingSink),
            required: None,
            coalesce: Duration::from_secs(10),
        }
    }
}
