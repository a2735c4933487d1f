//! One tier of a limiter: a name, a quota and a key.

use std::fmt;
use std::sync::Arc;

use sec_core::{MissingLayer, Principal, RequestContext, RequestView};

use crate::key::caller;
use crate::policies::Policy;
use crate::{Key, Limits, Quota};

/// One tier of a [`Limiter`](crate::Limiter).
///
/// ```
/// use sec_ratelimit::{Key, OnExceed, Quota, Tier};
///
/// let api = Tier::new("api", Quota::per_minute(10), Key::principal().or_ip())
///     .limit_for(|caller| match caller {
///         Some(caller) if caller.has_role("admin") => Some(100),
///         Some(caller) if caller.has_role("moderator") => Some(50),
///         _ => None,
///     });
/// let account = Tier::new("account", Quota::per_minute(5), Key::given("account"))
///     .on_exceed(OnExceed::Demand);
/// # let _ = (api, account);
/// ```
#[derive(Clone)]
#[must_use = "add it to a `LimiterBuilder`"]
pub struct Tier {
    pub(crate) name: String,
    pub(crate) quota: Quota,
    pub(crate) key: Key,
    pub(crate) on_exceed: OnExceed,
    pub(crate) limit_for: Option<LimitFor>,
    looked_up: bool,
    pub(crate) capacity: Option<usize>,
}

/// A limit by caller, `None` for the quota's own.
pub(crate) type LimitFor = Arc<dyn Fn(Option<&Principal>) -> Option<u64> + Send + Sync>;

/// What a tier does when its quota is exhausted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnExceed {
    /// The request is refused. The default.
    #[default]
    Refuse,
    /// The request is admitted and counted, and the decision names the tier among its
    /// [demands](crate::Decision::demands): the caller of the limiter must ask for more, such as a
    /// [proof of work](crate::ProofOfWork). For keys which others can exhaust, such as an account
    /// at a log-in, where a refusal would let anyone lock the owner out.
    ///
    /// A bucket stays at most empty, a log and a window of counts at most full, so that a flood of attempts
    /// prolongs the demand by about one window after its end and no more.
    Demand,
}

impl Tier {
    /// A tier. `name` becomes the policy's name in header fields, problems and events: 1 to 64
    /// printable ASCII characters.
    pub fn new(name: impl Into<String>, quota: Quota, key: impl Into<Key>) -> Self {
        Self {
            name: name.into(),
            quota,
            key: key.into(),
            on_exceed: OnExceed::default(),
            limit_for: None,
            looked_up: false,
            capacity: None,
        }
    }

    /// What to do when the quota is exhausted. Default: [`OnExceed::Refuse`].
    pub fn on_exceed(mut self, on_exceed: OnExceed) -> Self {
        self.on_exceed = on_exceed;
        self
    }

    /// A limit by caller (`None` for an anonymous one); where the closure answers `None`, the
    /// quota's own. The window stays. A limit of 0 admits nothing, `u64::MAX` everything. The burst
    /// of a bucket follows the limit unless it was set. An exact quota cannot grow: for it, larger
    /// limits, `u64::MAX` too, count and are told as its own. Default: none.
    ///
    /// With it, a request whose caller was never resolved is answered 500, as with
    /// [`Key::principal`], which shows how one's own authentication says who asks. The plain functions with subjects have
    /// [`Subject::limited_to`](crate::Subject::limited_to) instead.
    pub fn limit_for<F>(mut self, limit: F) -> Self
    where
        F: Fn(Option<&Principal>) -> Option<u64> + Send + Sync + 'static,
    {
        self.limit_for = Some(Arc::new(limit));
        self
    }

    /// Takes the limit from the [`Limits`] in the request's extensions, where
    /// [`LimitLookupLayer`](crate::LimitLookupLayer) put them; where they say nothing of this tier, that of
    /// [`limit_for`](Self::limit_for), or the quota's own. What a limit means is as there. Default: no.
    ///
    /// With it, a request without such an extension is answered 500: the layer is missing.
    pub fn limit_looked_up(mut self) -> Self {
        self.looked_up = true;
        self
    }

    /// Whether callers may have limits of their own.
    pub(crate) fn has_own_limits(&self) -> bool {
        self.looked_up || self.limit_for.is_some()
    }

    /// The limit of who makes the request, if it is not the quota's.
    #[inline]
    pub(crate) fn limit_of(
        &self,
        ctx: &RequestContext,
        request: RequestView<'_>,
    ) -> Result<Option<u64>, MissingLayer> {
        if self.looked_up {
            let limits = request.extensions.get::<Limits>();
            let missing = || MissingLayer::new("sec_ratelimit::LimitLookupLayer");
            if let Some(limit) = limits.ok_or_else(missing)?.of(&self.name) {
                return Ok(Some(limit));
            }
        }
        match &self.limit_for {
            Some(limit_for) => {
                let identity = ctx.identity();
                Ok(limit_for(caller(&identity)?.map(|principal| &**principal)))
            }
            None => Ok(None),
        }
    }

    /// How many keys this tier remembers at least. Default: the limiter's
    /// [capacity](crate::LimiterBuilder::capacity).
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = Some(keys);
        self
    }
}

impl Tier {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            name: self.name.as_str().into(),
            remaining: format!("\"{}\";r=", self.name).into(),
            key: self.key.label().into(),
            quota: self.quota.limit(),
            window: self.quota.window(),
            demanding_only: self.on_exceed == OnExceed::Demand,
        }
    }
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tier")
            .field("name", &self.name)
            .field("quota", &self.quota)
            .field("key", &self.key)
            .field("on_exceed", &self.on_exceed)
            .field("limit_for", &self.limit_for.as_ref().map(|_| ".."))
            .field("capacity", &self.capacity)
            .finish()
    }
}
