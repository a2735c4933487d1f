//! Limits that have to be looked up: in a database, at a billing service.
//!
//! `cache.rs` remembers what was found, `layer.rs` asks for a request.

mod cache;
mod layer;
mod limits;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sec_core::{Clock, SystemClock};
use tokio::sync::watch;
use tokio::time::timeout;

use self::cache::{Cache, Known};
pub use self::layer::{LimitLookupFuture, LimitLookupLayer, LimitLookupService};
pub use self::limits::Limits;
use crate::{ConfigError, ConfigErrorKind, Quota};

/// Looks up the limits of callers, each at most once at a time, and remembers them.
///
/// `K` says who: an account's number, an API key's id. What is found counts for a
/// [while](Self::remember), so that a change of plan is seen that much later; a failure counts for a
/// [shorter one](Self::retry_after). While a look-up runs, all who ask for the same caller wait for it,
/// and one who goes away does not stop it. Clones share what is known.
///
/// A key that clients choose freely, such as a header's text, lets them make this be asked as often as they
/// like: take what authentication has made of it. No more look-ups run at once than callers are remembered, or 64
/// where that is more; who finds so many running has [no answer](LookupError::Busy), and the tiers' own limits.
///
/// ```
/// use sec_ratelimit::{LimitLookup, Limits};
///
/// # async fn plan_of(_: u64) -> Result<Option<u64>, std::io::Error> { Ok(Some(600)) }
/// let plans = LimitLookup::new(|account: u64| async move { plan_of(account).await.map(Limits::from) });
/// # let _ = plans;
/// ```
pub struct LimitLookup<K>(Arc<Inner<K>>);

struct Inner<K> {
    find: Arc<Find<K>>,
    known: Mutex<Cache<K>>,
    remember: Duration,
    retry_after: Duration,
    deadline: Duration,
    clock: Arc<dyn Clock>,
}

type Find<K> = dyn Fn(K) -> Finding + Send + Sync;
type Finding = Pin<Box<dyn Future<Output = Result<Limits, Box<dyn Error + Send + Sync>>> + Send>>;

/// What a look-up said: the limits, or why there are none.
pub(crate) type Found = Result<Limits, LookupError>;

/// A look-up that runs.
type Coming = watch::Receiver<Option<Found>>;

/// Why a look-up found nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// It took longer than its [deadline](LimitLookup::deadline).
    #[error("the look-up of limits took too long")]
    Deadline,
    /// Too many others run: as many as callers are [remembered](LimitLookup::remember), and 64 at least.
    #[error("too many look-ups of limits run")]
    Busy,
    /// It failed, with these words.
    #[error("the look-up of limits failed: {0}")]
    Failed(String),
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> LimitLookup<K> {
    /// Asks `find`, such as a query of the host's database. A caller whom it does not know has
    /// [`Limits::own`]; an error is for what keeps it from knowing.
    #[must_use]
    pub fn new<F, Fut, E>(find: F) -> Self
    where
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Limits, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Arc::new(Inner {
            find: Arc::new(move |key| {
                let finding = find(key);
                Box::pin(async move { finding.await.map_err(Into::into) })
            }),
            known: Mutex::new(Cache::new(4096)),
            remember: Duration::from_secs(60),
            retry_after: Duration::from_secs(1),
            deadline: Duration::from_millis(200),
            clock: SystemClock::shared(),
        }))
    }

    /// How many callers are remembered, and for how long. Default: 4096, and one minute. The oldest makes
    /// place for a new one.
    ///
    /// # Errors
    ///
    /// When there is no room for one, or no time.
    pub fn remember(self, callers: usize, time: Duration) -> Result<Self, ConfigError> {
        const MOST: usize = 1 << 24;
        if callers == 0 || callers > MOST {
            let (least, most) = (1, MOST as u64);
            let kind = ConfigErrorKind::OutOfRange { least, most };
            return Err(ConfigError::new("remember.callers", kind));
        }
        in_time("remember.time", time, Quota::MAX_PER)?;
        Ok(self.with(|inner| {
            inner.known = Mutex::new(Cache::new(callers));
            inner.remember = time;
        }))
    }

    /// For how long a failed look-up of a caller is not repeated. Default: one second.
    ///
    /// # Errors
    ///
    /// When it is no time.
    pub fn retry_after(self, time: Duration) -> Result<Self, ConfigError> {
        in_time("retry_after", time, Quota::MAX_PER)?;
        Ok(self.with(|inner| inner.retry_after = time))
    }

    /// How long a look-up may take, by the timer of Tokio's runtime. Default: 200 ms, at most a minute. A
    /// request waits for no longer.
    ///
    /// # Errors
    ///
    /// When it is no time or more than a minute.
    pub fn deadline(self, deadline: Duration) -> Result<Self, ConfigError> {
        in_time("deadline", deadline, Duration::from_secs(60))?;
        Ok(self.with(|inner| inner.deadline = deadline))
    }

    /// Where the time comes from by which things are remembered. Default: the system's monotonic clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.with(|inner| inner.clock = clock)
    }

    /// The limits of a caller, from memory or looked up.
    ///
    /// # Errors
    ///
    /// When the look-up failed, now or a moment ago.
    pub async fn limits(&self, key: &K) -> Result<Limits, LookupError> {
        match self.known_or_coming(key) {
            Known::Found(found) => found,
            Known::Coming(coming) => arrived(coming).await,
        }
    }

    /// Forgets what is known of a caller, such as after a change of plan.
    pub fn forget(&self, key: &K) {
        self.lock().forget(key);
    }

    /// What is known, or the look-up that runs, begun if there is none.
    fn known_or_coming(&self, key: &K) -> Known {
        let mut cache = self.lock();
        if let Some(known) = cache.get(key, self.0.clock.monotonic()) {
            return known;
        }
        let (told, coming) = watch::channel(None);
        let Some(number) = cache.begin(key.clone(), coming.clone()) else {
            return Known::Found(Err(LookupError::Busy));
        };
        drop(cache);
        let run = UnderWay {
            lookup: self.clone(),
            key: key.clone(),
            number,
        };
        let finding = (self.0.find)(key.clone());
        // A task of its own: who goes away does not take the answer from those who wait too.
        tokio::spawn(async move {
            let inner = &run.lookup.0;
            let found = match timeout(inner.deadline, finding).await {
                Ok(Ok(limits)) => Ok(limits),
                Ok(Err(error)) => Err(LookupError::Failed(error.to_string())),
                Err(_) => Err(LookupError::Deadline),
            };
            let counts_for = match &found {
                Ok(_) => inner.remember,
                Err(_) => inner.retry_after,
            };
            let until = inner.clock.monotonic().saturating_add(counts_for);
            let mut cache = run.lookup.lock();
            cache.found(&run.key, run.number, found.clone(), until);
            drop(cache);
            drop(run);
            told.send_replace(Some(found));
        });
        Known::Coming(coming)
    }

    /// How many callers it has in memory.
    #[cfg(test)]
    pub(crate) fn callers(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Cache<K>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another one with a setting changed; it knows nothing yet.
    fn with(self, change: impl FnOnce(&mut Inner<K>)) -> Self {
        let mut inner = Inner {
            find: self.0.find.clone(),
            known: Mutex::new(self.lock().emptied()),
            remember: self.0.remember,
            retry_after: self.0.retry_after,
            deadline: self.0.deadline,
            clock: self.0.clock.clone(),
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

/// A look-up that runs, until it has ended in whatever way: a panic, or the end of its runtime.
struct UnderWay<K: Clone + Eq + Hash + Send + Sync + 'static> {
    lookup: LimitLookup<K>,
    key: K,
    number: u64,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Drop for UnderWay<K> {
    fn drop(&mut self) {
        self.lookup.lock().end(&self.key, self.number);
    }
}

async fn arrived(mut coming: Coming) -> Found {
    match coming.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(found)) => found.clone(),
        // The look-up panicked, or its runtime is gone.
        _ => Err(LookupError::Failed("it was given up".into())),
    }
}

fn in_time(field: &str, time: Duration, most: Duration) -> Result<(), ConfigError> {
    if time.is_zero() || time > most {
        let kind = if most == Quota::MAX_PER {
            ConfigErrorKind::Window
        } else {
            ConfigErrorKind::Misused("must be longer than zero and at most a minute")
        };
        return Err(ConfigError::new(field, kind));
    }
    Ok(())
}

impl<K> Clone for LimitLookup<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> fmt::Debug for LimitLookup<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLookup")
            .field("remember", &self.0.remember)
            .field("retry_after", &self.0.retry_after)
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}
