//! The context itself.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use http::{Extensions, Method};

use super::refusal::{MissingLayer, NotRecorded};
use super::services::Services;
use crate::facts::Facts;
use crate::identity::IdentityCell;
use crate::{
    AddrPrefix, Authority, Clock, EventKind, EventSink, Identity, Receipt, Scheme, SecurityEvent,
};

/// Who asks for what, over which connection: immutable, and cheap to clone (one `Arc`).
///
/// [`ContextLayer`](crate::ContextLayer) puts it into the request's extensions; everything in the family reads it from there. Beside the
/// immutable facts stands one replaceable thing, the identity: see [`identity`](Self::identity).
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    facts: Arc<Facts>,
    identity: IdentityCell,
    services: Arc<Services>,
}

impl RequestContext {
    pub(super) fn new(facts: Facts, services: Arc<Services>) -> Self {
        Self(Arc::new(Inner {
            facts: Arc::new(facts),
            identity: IdentityCell::default(),
            services,
        }))
    }

    /// The context of a request.
    ///
    /// # Errors
    /// [`MissingLayer`], which logs that [`ContextLayer`](crate::ContextLayer) is not outside of the caller, and answers 500.
    #[inline]
    pub fn of(extensions: &Extensions) -> Result<&Self, MissingLayer> {
        Self::get(extensions).ok_or_else(|| MissingLayer::new("sec_core::ContextLayer"))
    }

    /// The context of a request, where its absence is no fault.
    #[must_use]
    #[inline]
    pub fn get(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The address at the other end of the connection.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.0.facts.peer
    }

    /// The client's address, by the configured forwarding scheme; IPv4-mapped IPv6 is given as IPv4.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.0.facts.client
    }

    /// The client's address as limits and counters see it: /64 for IPv6 by default.
    #[must_use]
    #[inline]
    pub fn client_group(&self) -> AddrPrefix {
        self.0.facts.client_group
    }

    /// The scheme that the client used.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.facts.scheme
    }

    /// Host and port that the client used, normalised.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.0.facts.authority
    }

    /// The request's id: a UUIDv7, or what a trusted proxy gave.
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.0.facts.request_id()
    }

    /// The user agent, at most 256 characters, without control characters.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.0.facts.user_agent.as_deref()
    }

    /// The method, as it arrived.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.facts.method
    }

    /// The path as it arrived: inside axum's `nest` the request's own path is already cut. Not decoded.
    #[must_use]
    #[inline]
    pub fn path(&self) -> &str {
        self.0.facts.path()
    }

    /// The tenant that the host's hook found.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.0.facts.tenant.as_deref()
    }

    /// The clock that this request lives by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.services.clock
    }

    /// Where events go.
    #[must_use]
    pub fn sink(&self) -> &Arc<dyn EventSink> {
        &self.0.services.sink
    }

    /// Who is asking, as far as it is known at this moment.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.0.identity.get()
    }

    /// Sets who is asking. Log-in, step-up, refresh and log-out do so inside a request; all later
    /// readers see the new identity, events made before keep the old one.
    pub fn identify(&self, identity: impl Into<Identity>) {
        self.0.identity.set(identity.into());
    }

    /// An event of this moment, with context and identity as they are now.
    #[must_use]
    pub fn event(&self, kind: EventKind) -> SecurityEvent {
        let event = SecurityEvent::new(kind, &*self.0.services.clock);
        event.with_snapshot(self.0.facts.clone(), self.identity())
    }

    /// Emits an event without waiting; drop the receipt unless you want to know.
    pub fn emit(&self, event: SecurityEvent) -> Receipt {
        self.0.services.sink.emit(event)
    }

    /// Emits an event that must be on record before the answer goes out: authentication, authorisation and key
    /// changes. Waits only where the host chose [`ContextLayer::require`](crate::ContextLayer::require).
    ///
    /// # Errors
    /// [`NotRecorded`], an answer 503, when the sink did not promise enough in time. Do not do, or undo, what was to
    /// be recorded.
    pub async fn record(&self, event: SecurityEvent) -> Result<(), NotRecorded> {
        let receipt = self.emit(event);
        let Some((required, deadline)) = self.0.services.required else {
            return Ok(());
        };
        let delivery = receipt.wait(deadline).await;
        if delivery >= required {
            Ok(())
        } else {
            Err(NotRecorded::new(required, delivery))
        }
    }

    /// Emits a refusal, coalesced: the first of a key at once, the others of a window (10 s by default) as one event
    /// with a count. `key` says what refused and whom, such as `("api", client_group)`.
    pub fn refused(&self, key: impl Hash, make: impl FnOnce(&Self) -> SecurityEvent) {
        let services = &self.0.services;
        services
            .coalescer
            .emit(services.clock.monotonic(), key, || make(self));
    }
}

#[cfg(feature = "axum")]
impl<S: Sync> axum::extract::FromRequestParts<S> for RequestContext {
    type Rejection = MissingLayer;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Self, MissingLayer> {
        Self::of(&parts.extensions).cloned()
    }
}
