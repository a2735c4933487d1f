//! Bots: those that are not wanted, and those whose claim to be a well-known one is checked.

mod cache;
mod config;
mod layer;
mod resolve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Extensions;
use sec_core::{Clock, RequestContext, SystemClock};

use self::cache::{Cache, Key, State};
pub use self::config::{BotsConfig, GoodBot, OnSpoofed};
pub use self::layer::{BotLayer, BotRefused, BotService};
use self::resolve::Confirmed;
pub use self::resolve::{Lookup, ResolveError, Resolver};
use crate::ConfigError;

/// Classifies requests by user agent, and believes the name of a good bot only after its address was confirmed.
///
/// A search engine's crawler is verified as the search engines themselves describe it ("Verifying Googlebot", Google Search
/// Central): the name that the address resolves to must lie under the engine's domain, *and* that name must resolve to the address
/// again, since whoever owns an address can call it what he likes.
///
/// Look-ups never happen while a request waits. [`classify`](Self::classify) reads a table; what is not in it is
/// [`Pending`](BotVerdict::Pending) and put into a queue, which [`refresh`](Self::refresh) works through, in tasks of the
/// [`spawner`](Self::spawner) or wherever the host awaits it. Table and queue are bounded. A result that is half as old as it may
/// become is renewed while it still counts.
///
/// A request that claims nothing costs the search of its agent for the listed words, without allocation or lock; a claim
/// costs one short lock.
///
/// ```
/// # use std::net::IpAddr;
/// use sec_ratelimit::{Bots, BotsConfig, Lookup, ResolveError, Resolver};
///
/// struct Dns; // around the host's DNS library
/// impl Resolver for Dns {
///     fn names(&self, _address: IpAddr) -> Lookup<'_, String> {
///         Box::pin(async { Err(ResolveError::Failed) })
///     }
///     fn addresses<'a>(&'a self, _name: &'a str) -> Lookup<'a, IpAddr> {
///         Box::pin(async { Err(ResolveError::Failed) })
///     }
/// }
///
/// let bots = Bots::new(&BotsConfig::default(), Dns)?.spawner(|work| {
///     tokio::spawn(work);
/// });
/// # let _ = bots;
/// # Ok::<(), sec_ratelimit::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Bots(Arc<Inner>);

/// What a request is. The name is that of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BotVerdict {
    /// It claims to be no listed bot, which says nothing about who it is.
    Unclaimed,
    /// Its agent has a word that is not wanted.
    Bad(Arc<str>),
    /// It is the good bot that it says it is.
    Verified(Arc<str>),
    /// It says it is a good bot, and the address is not that bot's.
    Spoofed(Arc<str>),
    /// It says it is a good bot, and nobody knows yet, or the look-up failed. Treat it like everyone.
    Pending(Arc<str>),
}

struct Inner {
    good: Vec<Good>,
    bad: Vec<Arc<str>>,
    resolver: Arc<dyn Resolver>,
    spawner: Option<Spawner>,
    clock: Arc<dyn Clock>,
    times: Times,
    cache: Mutex<Cache>,
    workers: AtomicU32,
}

type Spawner = Arc<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

#[derive(Clone)]
struct Good {
    name: Arc<str>,
    /// In lower case.
    agent: Box<str>,
    domains: Arc<[Box<str>]>,
}

#[derive(Clone, Copy)]
struct Times {
    verified: Duration,
    spoofed: Duration,
    failed: Duration,
    timeout: Duration,
}

/// How many look-ups run at once.
const WORKERS: u32 = 4;

impl Bots {
    /// Bots by the rules of a configuration, looked up by `resolver`.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn new(config: &BotsConfig, resolver: impl Resolver) -> Result<Self, ConfigError> {
        config.bots(Arc::new(resolver))
    }

    /// What runs look-ups in the background, for example `tokio::spawn`. Default: nothing, and the host awaits
    /// [`refresh`](Self::refresh). At most four of these run at once; each ends when the queue is empty. Call it while
    /// setting up.
    #[must_use]
    pub fn spawner<F>(self, spawner: F) -> Self
    where
        F: Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    {
        self.rebuilt(|inner| inner.spawner = Some(Arc::new(spawner)))
    }

    /// Where the age of results comes from. Default: the system. Call it while setting up.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.rebuilt(|inner| inner.clock = clock)
    }

    /// What this request is, by its context's user agent (of which the context keeps a bounded start) and client address.
    /// Unwanted words go first.
    #[must_use]
    pub fn classify(&self, ctx: &RequestContext) -> BotVerdict {
        let inner = &*self.0;
        let agent = ctx.user_agent().unwrap_or_default().as_bytes();
        if let Some(bad) = inner.bad.iter().find(|word| has_word(agent, word)) {
            return BotVerdict::Bad(bad.clone());
        }
        let claim = inner
            .good
            .iter()
            .position(|good| has_word(agent, &good.agent));
        let Some((index, good)) = claim.and_then(|index| Some((index, inner.good.get(index)?)))
        else {
            return BotVerdict::Unclaimed;
        };
        let key = (ctx.client().to_canonical(), index);
        let (state, waiting) = inner.cache().look_up(key, inner.clock.monotonic());
        if waiting {
            self.spawn();
        }
        let name = good.name.clone();
        match state {
            Some(State::Verified) => BotVerdict::Verified(name),
            Some(State::Spoofed) => BotVerdict::Spoofed(name),
            Some(State::Failed) | None => BotVerdict::Pending(name),
        }
    }

    /// Looks up what is queued, one after the other, and returns when nothing is. Needs a Tokio runtime with its timer.
    /// It can be dropped at any time, and run several times at once.
    pub async fn refresh(&self) {
        let inner = &*self.0;
        loop {
            let Some(key) = inner.cache().next() else {
                return;
            };
            let working = Working { inner, key };
            let state = inner.verify(key).await;
            let now = inner.clock.monotonic();
            let keep = match state {
                State::Verified => inner.times.verified,
                State::Spoofed => inner.times.spoofed,
                State::Failed => inner.times.failed,
            };
            inner.cache().store(key, state, now, keep);
            drop(working);
        }
    }

    /// How many results are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.0.cache().len()
    }

    /// How many look-ups wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.cache().waiting()
    }

    fn spawn(&self) {
        let Some(spawner) = &self.0.spawner else {
            return;
        };
        let more = |workers: u32| (workers < WORKERS).then(|| workers.saturating_add(1));
        let workers = &self.0.workers;
        if workers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .is_err()
        {
            return;
        }
        // Also counted down when the future is dropped before it was ever polled.
        let worker = Worker(self.clone());
        spawner(Box::pin(async move {
            worker.0.refresh().await;
            drop(worker);
        }));
    }

    fn rebuilt(self, change: impl FnOnce(&mut Inner)) -> Self {
        let old = &*self.0;
        let mut inner = Inner {
            good: old.good.clone(),
            bad: old.bad.clone(),
            resolver: old.resolver.clone(),
            spawner: old.spawner.clone(),
            clock: old.clock.clone(),
            times: old.times,
            cache: Mutex::new(old.cache().emptied()),
            workers: AtomicU32::new(0),
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

impl BotVerdict {
    /// The verdict that a [`BotLayer`] further out left with the request.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The name of the rule, if one matched.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Unclaimed => None,
            Self::Bad(name) | Self::Verified(name) | Self::Spoofed(name) | Self::Pending(name) => {
                Some(name)
            }
        }
    }
}

impl Inner {
    fn new(
        good: Vec<Good>,
        bad: Vec<Arc<str>>,
        resolver: Arc<dyn Resolver>,
        times: Times,
        cache: Cache,
    ) -> Self {
        Self {
            good,
            bad,
            resolver,
            spawner: None,
            clock: SystemClock::shared(),
            times,
            cache: Mutex::new(cache),
            workers: AtomicU32::new(0),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn verify(&self, (address, index): (IpAddr, usize)) -> State {
        let Some(good) = self.good.get(index) else {
            return State::Failed;
        };
        let looked_up = resolve::confirm(&*self.resolver, address, &good.domains);
        match tokio::time::timeout(self.times.timeout, looked_up).await {
            Ok(Ok(Confirmed::Yes)) => State::Verified,
            Ok(Ok(Confirmed::No)) => State::Spoofed,
            Ok(Err(_)) | Err(_) => State::Failed,
        }
    }
}

/// One key that is being looked up; free to be queued again afterwards, however that ended.
struct Working<'a> {
    inner: &'a Inner,
    key: Key,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.inner.cache().done(self.key);
    }
}

struct Worker(Bots);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.0.workers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether the agent has the word, which is in lower case, in any case.
fn has_word(agent: &[u8], word: &str) -> bool {
    agent
        .windows(word.len().max(1))
        .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

impl fmt::Debug for Bots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let good: Vec<_> = self.0.good.iter().map(|good| &good.name).collect();
        f.debug_struct("Bots")
            .field("good", &good)
            .field("bad", &self.0.bad)
            .finish_non_exhaustive()
    }
}
