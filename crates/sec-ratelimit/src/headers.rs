//! The header fields that tell a client how its quotas stand.
//!
//! `RateLimit-Policy` and `RateLimit` follow draft-ietf-httpapi-ratelimit-headers-10: Lists of Strings
//! with Integer parameters (RFC 9651). The quota unit is left out, since the draft's text and its
//! registry spell the default differently.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::decision::TierState;
use crate::policies::Policy;
use crate::{Decision, Quota};

/// Which header fields answers carry.
///
/// Tiers that only [demand](crate::OnExceed::Demand) never show: how often others tried an account is
/// not the caller's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    ietf: bool,
    legacy: bool,
    partition: bool,
}

pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(crate) const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl Fields {
    /// None; refusals still carry `Retry-After`.
    pub const NONE: Self = Self {
        ietf: false,
        legacy: false,
        partition: false,
    };
    /// `RateLimit-Policy` and `RateLimit`, with one item per tier; a refusal's `RateLimit` names the
    /// tiers that refused.
    pub const IETF: Self = Self {
        ietf: true,
        ..Self::NONE
    };
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds, rounded up) of the strictest tier.
    pub const LEGACY: Self = Self {
        legacy: true,
        ..Self::NONE
    };

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            ietf: self.ietf || other.ietf,
            legacy: self.legacy || other.legacy,
            partition: self.partition || other.partition,
        }
    }

    /// Adds the partition key `pk` to the IETF fields: 64 bits of a keyed hash of the key, from which
    /// neither the key nor its place in the table can be told. Two answers with the same `pk` draw on
    /// one quota.
    #[must_use]
    pub const fn with_partition(mut self) -> Self {
        self.partition = true;
        self
    }

    /// Writes the fields of a decision, and `Retry-After` if it refused and waiting helps. List
    /// fields are appended to what an inner limiter wrote; of the older fields the stricter ones
    /// stay, and a `Retry-After` already there is kept: the layer alone knows whose it is, and
    /// lengthens an inner limiter's where a tier of this one is used up for longer.
    ///
    /// Each value is one allocation, save for a `RateLimit-Policy` in which no key has a limit of its
    /// own: that is made once, with the limiter.
    pub fn write(&self, decision: &Decision, headers: &mut HeaderMap) {
        if self.ietf {
            if let Some(value) = self.policy(decision) {
                headers.append(POLICY, value);
            }
            if let Some(value) = self.state(decision) {
                headers.append(STATE, value);
            }
        }
        if self.legacy {
            write_legacy(decision, headers);
        }
        if let Some(wait) = decision.retry_after()
            && !headers.contains_key(RETRY_AFTER)
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(wait).max(1)));
        }
    }

    /// The value of `RateLimit-Policy`.
    fn policy(&self, decision: &Decision) -> Option<HeaderValue> {
        let as_configured = |(policy, tier): (&Policy, &TierState)| policy.quota == tier.quota;
        if !self.partition && decision.each().all(as_configured) {
            return decision.policies.field.clone();
        }
        let mut list = List::default();
        for (policy, tier) in decision.each().filter(|(_, tier)| !tier.demands_only()) {
            list.policy(policy, tier.quota);
            self.partition(&mut list, decision, tier);
        }
        list.value()
    }

    /// The value of `RateLimit`.
    fn state(&self, decision: &Decision) -> Option<HeaderValue> {
        let mut list = List::default();
        let refused = !decision.is_allowed();
        let wait = decision.retry_after();
        for (policy, tier) in decision.each().filter(|(_, tier)| !tier.demands_only()) {
            if refused && tier.verdict == crate::decision::Verdict::Admitted {
                continue; // its `t` says nothing about when to come back
            }
            let standing = tier.standing;
            let until = if standing.remaining == 0 {
                standing.next
            } else {
                standing.reset
            };
            // Retry-After should not precede `t` (draft, section 6): nor does it then.
            let until = wait.map_or(until, |wait| until.min(crate::quota::nanos(wait)));
            let until = seconds(Duration::from_nanos(until));
            list.next();
            list.push(&policy.remaining);
            list.number(standing.remaining);
            list.push(";t=");
            list.number(until);
            self.partition(&mut list, decision, tier);
        }
        list.value()
    }

    fn partition(&self, list: &mut List, decision: &Decision, tier: &TierState) {
        if self.partition {
            let shown = match decision.policies.veil {
                Some(veil) => veil.veil(tier.partition),
                None => tier.partition,
            };
            list.push(";pk=:");
            list.push(&STANDARD.encode(shown.to_be_bytes()));
            list.push(":");
        }
    }
}

/// Lengthens the `Retry-After` of an inner limiter's refusal to the `t` of an outer tier that is used up: who came back
/// before would be refused by that one. What a refusal hook shortened is left to it.
pub(crate) fn lengthen_retry_after(inner: &Decision, outer: &Decision, headers: &mut HeaderMap) {
    let Some(wait) = inner.retry_after() else {
        return;
    };
    let used_up = outer
        .each()
        .filter(|(_, tier)| !tier.demands_only() && tier.standing.remaining == 0)
        .map(|(_, tier)| tier.standing.next);
    let Some(next) = used_up.max() else { return };
    let told = headers.get(RETRY_AFTER).and_then(|value| {
        let text = value.to_str().ok()?;
        text.parse::<u64>().ok()
    });
    let next = seconds(Duration::from_nanos(next));
    if told.is_some_and(|told| told >= seconds(wait) && told < next) {
        headers.insert(RETRY_AFTER, HeaderValue::from(next));
    }
}

/// The value of `RateLimit-Policy` for keys without limits of their own.
pub(crate) fn policies(policies: &[Policy]) -> Option<HeaderValue> {
    let mut list = List::default();
    for policy in policies.iter().filter(|policy| !policy.demanding_only) {
        list.policy(policy, policy.quota);
    }
    list.value()
}

impl Default for Fields {
    /// [`IETF`](Self::IETF).
    fn default() -> Self {
        Self::IETF
    }
}

/// A structured List under construction, off the heap if it is not long.
#[derive(Default)]
struct List(SmallVec<[u8; 128]>);

impl List {
    fn policy(&mut self, policy: &Policy, quota: u64) {
        self.next();
        for text in ["\"", &policy.name, "\";q="] {
            self.push(text);
        }
        self.number(quota);
        self.push(";w=");
        self.number(seconds(policy.window).max(1));
    }

    fn next(&mut self) {
        if !self.0.is_empty() {
            self.push(", ");
        }
    }

    fn number(&mut self, number: u64) {
        self.push(itoa::Buffer::new().format(number.min(Quota::MAX)));
    }

    #[inline]
    fn push(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Names are checked when the limiter is built, so every value that is not empty is one.
    fn value(&self) -> Option<HeaderValue> {
        let value = HeaderValue::from_bytes(&self.0).ok();
        value.filter(|value| !value.is_empty())
    }
}

fn write_legacy(decision: &Decision, headers: &mut HeaderMap) {
    let Some((_, tier)) = decision.strictest() else {
        return;
    };
    let standing = tier.standing;
    let inner = headers.get(LEGACY_REMAINING).and_then(|value| {
        let text = value.to_str().ok()?;
        text.parse::<u64>().ok()
    });
    if inner.is_some_and(|inner| inner < standing.remaining) {
        return;
    }
    let reset = seconds(Duration::from_nanos(standing.reset));
    for (name, value) in [
        (LEGACY_LIMIT, standing.limit),
        (LEGACY_REMAINING, standing.remaining),
        (LEGACY_RESET, reset),
    ] {
        headers.insert(name, HeaderValue::from(value.min(Quota::MAX)));
    }
}

/// Whole seconds, rounded up: who waits that long is never too early.
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}
