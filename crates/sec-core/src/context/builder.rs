//! A context made by hand.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method};

use super::request::RequestContext;
use super::resolve::bounded_agent;
use super::services::Services;
use crate::event::Coalescer;
use crate::facts::Facts;
use crate::{
    AddrGrouping, Authority, AuthorityError, Clock, Delivery, EventSink, Scheme, SystemClock,
    TracingSink,
};

/// Makes a [`RequestContext`] without a request.
///
/// Defaults: client `127.0.0.1`, `GET http://localhost/`, the system's clock, events to `tracing`, no
/// coalescing.
#[derive(Debug)]
#[must_use]
pub struct RequestContextBuilder {
    facts: Facts,
    grouping: AddrGrouping,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn EventSink>,
    required: Option<(Delivery, Duration)>,
    coalesce: Duration,
}

impl RequestContext {
    /// A context made by hand: for tests, and for work that no HTTP request asked for.
    pub fn builder() -> RequestContextBuilder {
        RequestContextBuilder::default()
    }
}

impl Default for RequestContextBuilder {
    fn default() -> Self {
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            facts: Facts {
                peer: client,
                client,
                client_group: AddrGrouping::default().group(client),
                scheme: Scheme::Http,
                authority: Authority::localhost(),
                request_id: super::resolve::fresh_request_id(),
                user_agent: None,
                method: Method::GET,
                target: Some(PathAndQuery::from_static("/")),
                tenant: None,
            },
            grouping: AddrGrouping::default(),
            clock: SystemClock::shared(),
            sink: Arc::new(TracingSink),
            required: None,
            coalesce: Duration::ZERO,
        }
    }
}

impl RequestContextBuilder {
    /// Sets client and peer.
    pub fn client(mut self, client: impl Into<IpAddr>) -> Self {
        let client = client.into().to_canonical();
        (self.facts.client, self.facts.peer) = (client, client);
        self
    }

    /// Sets the scheme.
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.facts.scheme = scheme;
        self
    }

    /// Sets the authority, read under the scheme set so far.
    ///
    /// # Errors
    /// As [`Authority::parse`].
    pub fn authority(mut self, authority: &str) -> Result<Self, AuthorityError> {
        self.facts.authority = Authority::parse(authority, self.facts.scheme)?;
        Ok(self)
    }

    /// Sets the method.
    pub fn method(mut self, method: Method) -> Self {
        self.facts.method = method;
        self
    }

    /// Sets the path; one that cannot be a path is left out.
    pub fn path(mut self, path: &str) -> Self {
        self.facts.target = path.parse().ok();
        self
    }

    /// Sets the request's id; one that is not printable ASCII is left out.
    pub fn request_id(mut self, id: &str) -> Self {
        if let Ok(id) = HeaderValue::from_str(id) {
            self.facts.request_id = id;
        }
        self
    }

    /// Sets the user agent; bounded and cleaned as from a request.
    pub fn user_agent(mut self, agent: &str) -> Self {
        self.facts.user_agent = Some(bounded_agent(agent));
        self
    }

    /// Sets the tenant.
    pub fn tenant(mut self, tenant: impl Into<Box<str>>) -> Self {
        self.facts.tenant = Some(tenant.into());
        self
    }

    /// Sets the clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the sink.
    pub fn sink(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.sink = sink;
        self
    }

    /// As [`ContextLayer::require`](crate::ContextLayer::require).
    pub fn require(mut self, delivery: Delivery, deadline: Duration) -> Self {
        self.required = Some((delivery, deadline));
        self
    }

    /// As [`ContextLayer::coalesce`](crate::ContextLayer::coalesce); zero, the default, switches it off.
    pub fn coalesce(mut self, window: Duration) -> Self {
        self.coalesce = window;
        self
    }

    /// The context.
    #[must_use]
    pub fn build(mut self) -> RequestContext {
        self.facts.client_group = self.grouping.group(self.facts.client);
        let services = Services {
            coalescer: Coalescer::new(self.sink.clone(), self.coalesce),
            clock: self.clock,
            sink: self.sink,
            required: self.required,
        };
        RequestContext::new(self.facts, Arc::new(services))
    }
}
