//! The header fields that tell a client how its quotas stand.
//!
//! `RateLimit-Policy` and `RateLimit` follow draft-ietf-httpapi-ratelimit-headers-10: Lists of Strings
//! with Integer parameters (RFC 9651). The quota unit is left out, since the draft's text and its
//! registry spell the default differently.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::decision::{Policy, TierState};
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
    /// stay, and a `Retry-After` already there is kept.
    ///
    /// Each field's value is two allocations.
    pub fn write(&self, decision: &Decision, headers: &mut HeaderMap) {
        if self.ietf {
            for (name, value) in [
                (POLICY, self.policy(decision)),
                (STATE, self.state(decision)),
            ] {
                // Names are checked when the limiter is built, so every value is one.
                if let Ok(value) = HeaderValue::try_from(value)
                    && !value.is_empty()
                {
                    headers.append(name, value);
                }
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
    fn policy(&self, decision: &Decision) -> String {
        let mut list = List::default();
        for (policy, tier) in decision.each().filter(|(_, tier)| !tier.demanding_only) {
            let window = seconds(policy.window).clamp(1, Quota::MAX);
            list.item(policy, ";q=", tier.quota, ";w=", window);
            self.partition(&mut list, tier);
        }
        list.0
    }

    /// The value of `RateLimit`.
    fn state(&self, decision: &Decision) -> String {
        let mut list = List::default();
        let refused = !decision.is_allowed();
        let wait = decision.retry_after();
        for (policy, tier) in decision.each().filter(|(_, tier)| !tier.demanding_only) {
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
            let until = seconds(Duration::from_nanos(until)).min(Quota::MAX);
            list.item(policy, ";r=", standing.remaining, ";t=", until);
            self.partition(&mut list, tier);
        }
        list.0
    }

    fn partition(&self, list: &mut List, tier: &TierState) {
        if self.partition {
            list.0.push_str(";pk=:");
            STANDARD.encode_string(tier.partition.to_be_bytes(), &mut list.0);
            list.0.push(':');
        }
    }
}

impl Default for Fields {
    /// [`IETF`](Self::IETF).
    fn default() -> Self {
        Self::IETF
    }
}

/// A structured List under construction.
struct List(String);

impl Default for List {
    fn default() -> Self {
        Self(String::with_capacity(64))
    }
}

impl List {
    fn item(&mut self, policy: &Policy, first: &str, one: u64, second: &str, two: u64) {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        let (name, one) = (&policy.name, one.min(Quota::MAX));
        // Writing to a string cannot fail.
        let _ = write!(self.0, "\"{name}\"{first}{one}{second}{two}");
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
