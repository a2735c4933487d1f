//! The layer of the lists.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use sec_core::gate::{Decide, GateService};
use sec_core::{
    EventKind, OnRefusal, Outcome, Problem, ProblemRefusal, RequestContext, RequestView, refuse,
};
use tower_layer::Layer;

use super::{AddressBlocked, AddressListConfig, AddressListError, SharedAddressList};

/// Refuses clients whose address is [blocked](crate::AddressList): 403 `address-blocked` and an event of kind
/// `excess_block`, coalesced by client.
///
/// It stands inside of [`ContextLayer`](sec_core::ContextLayer) (without it: 500, and a log entry that says so),
/// outside of everything that costs. It sees the address that the context resolved, whole, not the group of it.
///
/// A request that passes costs one look-up and no allocation.
///
/// ```
/// use sec_ratelimit::{AddressList, AddressListLayer};
///
/// # let feed = "203.0.113.0/24\n";
/// let list = AddressList::blocking(feed)?.allowing("203.0.113.7")?; // such as std::fs::read_to_string("blocked.txt")
/// let layer = AddressListLayer::new(list);
/// # let _ = layer;
/// # Ok::<(), sec_ratelimit::AddressListError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct AddressListLayer(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    lists: SharedAddressList,
    enabled: bool,
    shadow: bool,
    on_refusal: Arc<dyn OnRefusal<AddressBlocked>>,
}

impl AddressListLayer {
    /// Refuses what these lists block. Keep a clone to replace them.
    pub fn new(lists: impl Into<SharedAddressList>) -> Self {
        Self(Arc::new(Inner {
            lists: lists.into(),
            enabled: true,
            shadow: false,
            on_refusal: Arc::new(ProblemRefusal),
        }))
    }

    /// The layer that a configuration section describes.
    ///
    /// # Errors
    ///
    /// Every entry that is wrong.
    pub fn from_config(config: &AddressListConfig) -> Result<Self, AddressListError> {
        Ok(Self::new(config.list()?)
            .enabled(config.enabled)
            .shadow(config.shadow))
    }

    /// Whether it does anything. Default: true.
    pub fn enabled(self, enabled: bool) -> Self {
        self.change(|inner| inner.enabled = enabled)
    }

    /// Whether refusals are only reported, to try a list out. Default: false.
    pub fn shadow(self, shadow: bool) -> Self {
        self.change(|inner| inner.shadow = shadow)
    }

    /// Answers refusals in another way. Default: the problem.
    pub fn on_refusal(self, hook: impl OnRefusal<AddressBlocked>) -> Self {
        self.change(|inner| inner.on_refusal = Arc::new(hook))
    }

    /// The lists, to replace them.
    #[must_use]
    pub fn lists(&self) -> &SharedAddressList {
        &self.0.lists
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Inner {
    fn decide(&self, request: RequestView<'_>) -> Result<(), Box<Response<Bytes>>> {
        if !self.enabled {
            return Ok(());
        }
        let ctx = match RequestContext::of(request.extensions) {
            Ok(ctx) => ctx,
            Err(missing) => {
                return Err(Box::new(Problem::from(&missing).respond(request.headers)));
            }
        };
        if !self.lists.blocks(ctx.client()) {
            return Ok(());
        }
        self.report(ctx);
        if self.shadow {
            return Ok(());
        }
        Err(Box::new(refuse(&*self.on_refusal, AddressBlocked, request)))
    }

    fn report(&self, ctx: &RequestContext) {
        let key = ("address-list", ctx.client_group(), self.shadow);
        ctx.refused(key, |ctx| {
            let mut event = ctx
                .event(EventKind::BLOCKED)
                .with_reason("the address is on a block list");
            if let Some((entry, _)) = self.lists.current().deciding(ctx.client()) {
                event = event.with_detail("entry", entry);
            }
            if self.shadow {
                event = event
                    .with_detail("shadow", true)
                    .with_outcome(Outcome::Pending);
            }
            event
        });
    }
}

impl fmt::Debug for AddressListLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressListLayer")
            .field("lists", &self.0.lists.current())
            .field("enabled", &self.0.enabled)
            .field("shadow", &self.0.shadow)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AddressListLayer {
    type Service = AddressListService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(inner, self.clone())
    }
}

/// The service of [`AddressListLayer`].
pub type AddressListService<S> = GateService<S, AddressListLayer>;

impl Decide for AddressListLayer {
    type Finish = ();

    fn decide<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response<Bytes>>> {
        self.0.decide(RequestView::from(&*request))
    }
}
