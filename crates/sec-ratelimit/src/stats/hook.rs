//! What the layer does about spikes.

use sec_core::{Clock, EventKind, RequestContext, RequestView, SecurityEvent};

use super::spikes::{SpikeChange, Spikes};
use crate::headers::seconds;
use crate::key::route;

impl Spikes {
    /// Counts a request, and tells the trail what it changed.
    pub(crate) fn count(&self, view: RequestView<'_>, ctx: &RequestContext, clock: &dyn Clock) {
        let now = clock.monotonic();
        let route = route(view);
        // A spike is of a route and not of the client whose request happens to be the one too many.
        let tell = |route: &str, change| {
            let _ = ctx.emit(event(route, change, clock));
        };
        if let Some(change) = self.observe(route, now) {
            tell(route, change);
        }
        self.settle(now, tell);
    }
}

fn event(route: &str, change: SpikeChange, clock: &dyn Clock) -> SecurityEvent {
    let event = |kind| SecurityEvent::new(kind, clock).with_entity("route", route);
    match change {
        SpikeChange::Began(spike) => event(EventKind::SPIKE_STARTED)
            .with_reason("far more requests than usual")
            .with_detail("requests", spike.requests())
            .with_detail("usual", spike.usual()),
        SpikeChange::Over(lasted) => event(EventKind::SPIKE_ENDED)
            .with_reason("no more requests than usual")
            .with_detail("seconds", seconds(lasted)),
    }
}
