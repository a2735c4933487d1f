//! The outermost layer of the family.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use tower_layer::Layer;

use super::refusal::ContextRefusal;
use super::service::ContextService;
use super::services::Services;
use super::settings::{MissingPeer, Settings};
use crate::event::Coalescer;
use crate::problem::{OnRefusal, RequestView};
use crate::{AddrGrouping, Authority, ClientAddress, Clock, Delivery, EventSink, Scheme};

/// Resolves the [`RequestContext`](crate::RequestContext) of each request, and echoes the request's id in the answer.
///
/// It goes around everything else of the family. Requests whose host cannot be determined are answered 400, and a
/// missing peer address 500, before anything else sees them.
///
/// Cost per request: eight small allocations (the context, its facts, host, request id, user agent, and the entry in the
/// extensions among them), no lock that anybody holds, no system call but the clock's.
///
/// ```
/// use sec_core::{ClientAddress, ContextLayer, Forwarding, TrustedProxies};
///
/// let proxies = TrustedProxies::networks(["10.0.0.0/8"])?;
/// let layer = ContextLayer::new()
///     .client_address(ClientAddress::new(Forwarding::XForwarded, proxies)?);
/// # Ok::<_, sec_core::ProxyError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ContextLayer {
    settings: Arc<Settings>,
    /// Made when the layer is applied first, so that every service of a layer shares one coalescer.
    services: Arc<std::sync::OnceLock<Arc<Services>>>,
}

impl Default for ContextLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl ContextLayer {
    /// Defaults: the peer is the client, plain http, events to `tracing`, nothing required of the sink.
    pub fn new() -> Self {
        Self {
            settings: Arc::default(),
            services: Arc::default(),
        }
    }

    /// Whether the layer does anything. Default: true. Without it, everything that needs the context answers 500.
    pub fn enabled(self, enabled: bool) -> Self {
        self.change(|settings| settings.enabled = enabled)
    }

    /// How the client's address, scheme and host are found. Default: from the connection alone. The risk of
    /// trusting too much is that anyone can claim any address; see [`ClientAddress`].
    pub fn client_address(self, address: ClientAddress) -> Self {
        self.change(|settings| settings.address = address)
    }

    /// How addresses are grouped into one caller. Default: /32 and /64.
    pub fn grouping(self, grouping: AddrGrouping) -> Self {
        self.change(|settings| settings.grouping = grouping)
    }

    /// The scheme of the connections that this service accepts itself. Default: [`Scheme::Http`]; set
    /// [`Scheme::Https`] where TLS ends here. What a trusted proxy says of the client's scheme goes before it.
    pub fn connection_scheme(self, scheme: Scheme) -> Self {
        self.change(|settings| settings.connection = scheme)
    }

    /// What to do without a peer address. Default: refuse with 500.
    pub fn missing_peer(self, policy: MissingPeer) -> Self {
        self.change(|settings| {
            settings.missing_peer = match policy {
                MissingPeer::Refuse => None,
                MissingPeer::Assume(address) => Some(address),
            };
        })
    }

    /// The header that carries the request's id, in (from trusted proxies only) and out. Default: `x-request-id`.
    pub fn request_id_header(self, name: HeaderName) -> Self {
        self.change(|settings| settings.request_id = name)
    }

    /// Finds the tenant of a request, such as a sub-domain of the authority. Default: no tenants. What the hook
    /// returns is a *claim* of the request; whether the principal belongs to it is the host's to check.
    pub fn tenant(
        self,
        find: impl Fn(RequestView<'_>, &Authority) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.change(|settings| settings.tenant = Some(Arc::new(find)))
    }

    /// How refusals (400, and 500 without a peer) are answered. Default: RFC 9457 problems.
    pub fn on_refusal(self, hook: impl OnRefusal<ContextRefusal>) -> Self {
        self.change(|settings| settings.on_refusal = Arc::new(hook))
    }

    /// The clock of everything inside. Default: the system's.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.change(|settings| settings.clock = clock)
    }

    /// Where events go. Default: [`TracingSink`](crate::TracingSink).
    pub fn sink(self, sink: Arc<dyn EventSink>) -> Self {
        self.change(|settings| settings.sink = sink)
    }

    /// What the sink must promise about authentication, authorisation and key events before the answer goes out, and how
    /// long that may take. Default: nothing. The cost: when the trail is down, log-in answers 503.
    pub fn require(self, delivery: Delivery, deadline: Duration) -> Self {
        self.change(|settings| settings.required = Some((delivery, deadline)))
    }

    /// The window in which refusals of one key become one event. Default: 10 s; zero reports each one, which lets an
    /// attacker fill the trail.
    pub fn coalesce(self, window: Duration) -> Self {
        self.change(|settings| settings.coalesce = window)
    }

    /// Emits the counts of refusals that still wait for their window's end: call it at shutdown, or from a timer
    /// where the last requests of a flood must be seen before the next request comes.
    pub fn flush(&self) {
        if let Some(services) = self.services.get() {
            services.coalescer.flush();
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        // What was applied before keeps its services; what is applied from here on gets the new ones.
        self.services = Arc::default();
        self
    }
}

impl<S> Layer<S> for ContextLayer {
    type Service = ContextService<S>;

    fn layer(&self, inner: S) -> ContextService<S> {
        let settings = &self.settings;
        let services = self.services.get_or_init(|| {
            Arc::new(Services {
                clock: settings.clock.clone(),
                sink: settings.sink.clone(),
                coalescer: Coalescer::new(settings.sink.clone(), settings.coalesce),
                required: settings.required,
            })
        });
        ContextService::new(inner, settings.clone(), services.clone())
    }
}

impl fmt::Debug for ContextLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextLayer")
            .field("address", &self.settings.address)
            .finish_non_exhaustive()
    }
}
