//! What the layer does about blocks.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use sec_core::{
    EventKind, OnRefusal, Outcome, Problem, RequestContext, RequestView, SecurityEvent, refuse,
};

use super::{Banned, Bans};
use crate::Decision;

#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) bans: Bans,
    /// The tiers that only the caller can exhaust.
    own: Arc<[Box<str>]>,
}

impl Hook {
    pub(crate) fn new(bans: Bans, own: Arc<[Box<str>]>) -> Self {
        Self { bans, own }
    }

    /// The answer to a request of who is blocked.
    pub(crate) fn refuse(
        &self,
        view: RequestView<'_>,
        ctx: &RequestContext,
        shadow: bool,
        on_refusal: &dyn OnRefusal<Banned>,
    ) -> Option<Response<Bytes>> {
        if !self.bans.any_open() {
            return None;
        }
        let chain = match self.bans.chain(ctx, view) {
            Ok(chain) => chain,
            Err(missing) => return Some(Problem::from(&missing).respond(view.headers)),
        };
        let over = |event: SecurityEvent| event.with_reason("the time of the block is over");
        let banned = self.bans.look(&chain, |ended| {
            report(ctx, EventKind::BLOCK_ENDED, &ended, shadow, over);
        });
        // Keys that do not come back share one event with a count. It is not about this request's client.
        for ended in self.bans.ended() {
            ctx.refused(("block ended elsewhere", shadow), |_| {
                let event = SecurityEvent::new(EventKind::BLOCK_ENDED, self.bans.clock());
                described(over(event), &ended, shadow)
            });
        }
        let banned = banned?;
        report(ctx, EventKind::BLOCKED, &banned, shadow, |event| {
            event.with_reason("blocked after repeated refusals")
        });
        (!shadow).then(|| refuse(on_refusal, banned, view))
    }

    /// Counts a refusal by a tier that the caller exhausted. Where others share the tier, or the slot of the key, it may
    /// have been them.
    pub(crate) fn strike(
        &self,
        decision: &Decision,
        view: RequestView<'_>,
        ctx: &RequestContext,
        shadow: bool,
    ) {
        let own = |tier: &str| self.own.iter().any(|own| **own == *tier);
        if decision.degraded() || !decision.violated().any(own) {
            return;
        }
        let Ok(chain) = self.bans.chain(ctx, view) else {
            return;
        };
        if let Some(started) = self.bans.struck(&chain) {
            let banned = started.banned;
            report(ctx, EventKind::BLOCK_STARTED, &banned, shadow, |event| {
                event
                    .with_reason("refused too often")
                    .with_detail("seconds", banned.rest().as_secs())
                    .with_detail("blocks", banned.count())
                    .with_detail("widened", started.widened)
            });
        }
    }
}

fn report(
    ctx: &RequestContext,
    kind: EventKind,
    banned: &Banned,
    shadow: bool,
    more: impl Fn(SecurityEvent) -> SecurityEvent,
) {
    ctx.refused((kind.as_str(), banned.id(), shadow), |ctx| {
        described(more(ctx.event(kind.clone())), banned, shadow)
    });
}

fn described(event: SecurityEvent, banned: &Banned, shadow: bool) -> SecurityEvent {
    let event = match banned.address() {
        Some(address) => event.with_entity("address", address.to_string()),
        None => event.with_entity("key", format!("{:016x}", banned.id())),
    };
    if !shadow {
        return event;
    }
    event
        .with_detail("shadow", true)
        .with_outcome(Outcome::Pending)
}
