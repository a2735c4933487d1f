//! Spikes of each route.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::spike::{Spike, SpikeDetector};
use crate::quota::nanos;
use crate::{ConfigError, ConfigErrorKind};

/// Watches each route for [spikes](SpikeDetector), in bounded memory. Clones share what they have seen.
///
/// [`RateLimitLayer::spikes`](crate::RateLimitLayer::spikes) counts requests into it and emits the events;
/// [`observe`](Self::observe) is the plain function. A spike begins once, however many windows it lasts, and is over
/// when a whole window has passed without one.
///
/// Observing costs one hash and one short lock of the route, and allocates nothing but, once per route, its
/// name. Once per window one request looks at all routes, for those which nobody asks for any more.
///
/// ```
/// use std::time::Duration;
/// use sec_ratelimit::{SpikeChange, SpikeDetector, Spikes};
///
/// let window = Duration::from_secs(10);
/// let spikes = Spikes::new(SpikeDetector::new(4, window, 100)?);
/// let mut at = |seconds: u64, requests: usize| {
///     let now = Duration::from_secs(seconds);
///     (0..requests).filter_map(|_| spikes.observe("/search", now)).last()
/// };
/// assert!(at(0, 50).is_none());
/// assert!(matches!(at(10, 500), Some(SpikeChange::Began(spike)) if spike.usual() == 50));
/// assert!(at(20, 50).is_none());
/// assert!(matches!(at(30, 1), Some(SpikeChange::Over(_))));
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Spikes(Arc<Inner>);

struct Inner {
    fresh: SpikeDetector,
    places: Box<[Mutex<Option<Route>>]>,
    hasher: RandomState,
    /// When all routes are looked at next, in nanoseconds.
    look_at: AtomicU64,
}

struct Route {
    name: Box<str>,
    detector: SpikeDetector,
    /// When the spike began, if there is one.
    began: Option<Duration>,
}

/// What happened to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpikeChange {
    /// A spike began.
    Began(Spike),
    /// It is over, so long after it began.
    Over(Duration),
}

pub(super) const ROUTES: usize = 256;
/// A route has one of so many places.
const WAYS: usize = 8;
/// Templates are shorter; a host that gives a path as one does not fill the memory.
const LONGEST_NAME: usize = 256;
/// The name that routes without a place share.
const OTHERS: &str = "<others>";

impl Spikes {
    /// The most routes that can be watched.
    pub const MAX_ROUTES: usize = 1 << 16;

    /// Watches up to 256 routes, each as `detector` does.
    #[must_use]
    pub fn new(detector: SpikeDetector) -> Self {
        Self::over(detector, ROUTES)
    }

    /// Watches so many routes, rounded up to a multiple of 8. Further ones are watched together, as one named `<others>`; and
    /// so may be a few before, where more than 8 meet at one place. About 120 bytes each, and its name.
    ///
    /// # Errors
    ///
    /// None, or more than [`MAX_ROUTES`](Self::MAX_ROUTES).
    pub fn with_routes(detector: SpikeDetector, routes: usize) -> Result<Self, ConfigError> {
        Self::check_routes(routes)?;
        Ok(Self::over(detector, routes))
    }

    pub(super) fn check_routes(routes: usize) -> Result<(), ConfigError> {
        if (1..=Self::MAX_ROUTES).contains(&routes) {
            return Ok(());
        }
        let most = Self::MAX_ROUTES as u64;
        let kind = ConfigErrorKind::OutOfRange { least: 1, most };
        Err(ConfigError::new("routes", kind))
    }

    fn over(fresh: SpikeDetector, routes: usize) -> Self {
        let places = routes.div_ceil(WAYS).saturating_mul(WAYS);
        // One more, for those without a place.
        let places = std::iter::repeat_with(|| Mutex::new(None)).take(places.saturating_add(1));
        Self(Arc::new(Inner {
            fresh,
            places: places.collect(),
            hasher: RandomState::new(),
            look_at: AtomicU64::new(0),
        }))
    }

    /// Counts one request of a route, at a monotonic instant, and tells if a spike begins or is over with it.
    ///
    /// `route` is a template, such as axum's matched path, and never a raw path: see
    /// [`Key::route`](crate::Key::route).
    #[must_use = "a change is told once"]
    pub fn observe(&self, route: &str, now: Duration) -> Option<SpikeChange> {
        let name = cut(route);
        let (others, places) = self.0.places.split_last()?;
        let sets = places.len().checked_div(WAYS)?;
        let hash = usize::try_from(self.0.hasher.hash_one(name) >> 32).unwrap_or(0);
        let set = hash.checked_rem(sets)?.saturating_mul(WAYS);
        for place in places.iter().skip(set).take(WAYS) {
            if let Some(change) = self.watch(place, name, now) {
                return change;
            }
        }
        self.watch(others, OTHERS, now).flatten()
    }

    /// Tells of the spikes that are over on routes which nobody asks for any more: at most once per window, for
    /// whoever comes first. All other times it is one atomic load.
    pub fn settle(&self, now: Duration, mut tell: impl FnMut(&str, SpikeChange)) {
        let due = self.0.look_at.load(Ordering::Relaxed);
        let next = nanos(now).saturating_add(self.0.fresh.window());
        let (ours, then) = (Ordering::Relaxed, Ordering::Relaxed);
        if nanos(now) < due
            || self
                .0
                .look_at
                .compare_exchange(due, next, ours, then)
                .is_err()
        {
            return;
        }
        for place in &self.0.places {
            let mut held = lock(place);
            let over = held
                .as_mut()
                .and_then(|route| Some((route.settle(now)?, &route.name)));
            if let Some((change, name)) = over {
                // Outside of the lock: what is told is foreign code.
                let name = name.clone();
                drop(held);
                tell(&name, change);
            }
        }
    }

    /// What became of the request, if the place is this route's.
    fn watch(
        &self,
        place: &Mutex<Option<Route>>,
        name: &str,
        now: Duration,
    ) -> Option<Option<SpikeChange>> {
        let mut held = lock(place);
        let route = held.get_or_insert_with(|| Route {
            name: name.into(),
            detector: self.0.fresh.clone(),
            began: None,
        });
        (*route.name == *name).then(|| route.watch(now))
    }
}

impl Route {
    fn watch(&mut self, now: Duration) -> Option<SpikeChange> {
        let quiet = self.detector.pass(now);
        match (self.began, self.detector.count_one()) {
            (None, Some(spike)) => {
                self.began = Some(now);
                Some(SpikeChange::Began(spike))
            }
            (Some(began), None) if quiet => Some(self.over(began, now)),
            _ => None,
        }
    }

    fn settle(&mut self, now: Duration) -> Option<SpikeChange> {
        let began = self.began?;
        self.detector.pass(now).then(|| self.over(began, now))
    }

    fn over(&mut self, began: Duration, now: Duration) -> SpikeChange {
        self.began = None;
        SpikeChange::Over(now.saturating_sub(began))
    }
}

fn cut(route: &str) -> &str {
    let mut end = route.len().min(LONGEST_NAME);
    while !route.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    route.get(..end).unwrap_or_default()
}

fn lock(place: &Mutex<Option<Route>>) -> MutexGuard<'_, Option<Route>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Spikes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spikes")
            .field("detector", &self.0.fresh)
            .finish_non_exhaustive()
    }
}
