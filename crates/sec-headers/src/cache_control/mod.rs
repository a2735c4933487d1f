//! The value of `Cache-Control`.

mod parse;

#[cfg(test)]
mod tests;

use std::time::Duration;

use http::HeaderValue;

use crate::error::{Fault, FaultKind, PolicyError};

/// What recipients must be able to count to (RFC 9111, section 1.2.2); more means the same.
const MOST: u64 = 2_147_483_648;

/// The value of `Cache-Control` in an answer (RFC 9111, section 5.2.2; `immutable` from RFC 8246,
/// the `stale-` directives from RFC 5861).
///
/// Durations are written in whole seconds. What contradicts itself is refused by
/// [`header`](Self::header) and [`SecHeaders::build`](crate::SecHeaders::build). It can be read from
/// text as configuration files hold it: `"public, max-age=86400"`. There, `immutable` and `images`
/// alone stand for [`immutable_assets`](Self::immutable_assets) and [`images`](Self::images).
///
/// ```
/// use std::time::Duration;
/// use sec_headers::CacheControl;
///
/// let hour = Duration::from_secs(3_600);
/// let news = CacheControl::public(hour).stale_while_revalidate(hour);
/// assert_eq!(news.header()?, "public, max-age=3600, stale-while-revalidate=3600");
/// assert!(CacheControl::no_store().immutable().header().is_err());
/// # Ok::<(), sec_headers::PolicyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct CacheControl {
    public: bool,
    private: bool,
    no_store: bool,
    no_cache: bool,
    no_transform: bool,
    must_revalidate: bool,
    proxy_revalidate: bool,
    immutable: bool,
    max_age: Option<u64>,
    s_maxage: Option<u64>,
    stale_while_revalidate: Option<u64>,
    stale_if_error: Option<u64>,
}

impl CacheControl {
    const EMPTY: Self = Self {
        public: false,
        private: false,
        no_store: false,
        no_cache: false,
        no_transform: false,
        must_revalidate: false,
        proxy_revalidate: false,
        immutable: false,
        max_age: None,
        s_maxage: None,
        stale_while_revalidate: None,
        stale_if_error: None,
    };

    /// `no-store`: no cache keeps it, neither the browser's nor one on the way. For what depends on
    /// who asks: APIs, account pages, media that were paid for.
    pub const fn no_store() -> Self {
        let mut value = Self::EMPTY;
        value.no_store = true;
        value
    }

    /// `no-cache`: kept, and asked for again before every use, which a 304 answers cheaply. Caches
    /// on the way may keep it too; see [`private_no_cache`](Self::private_no_cache).
    pub const fn no_cache() -> Self {
        let mut value = Self::EMPTY;
        value.no_cache = true;
        value
    }

    /// `private, no-cache`: kept by the browser alone, and asked for again before every use.
    pub const fn private_no_cache() -> Self {
        let mut value = Self::no_cache();
        value.private = true;
        value
    }

    /// `private, max-age=…`: kept by the browser alone.
    pub const fn private(max_age: Duration) -> Self {
        let mut value = Self::EMPTY;
        value.private = true;
        value.max_age = Some(max_age.as_secs());
        value
    }

    /// `public, max-age=…`: kept by everybody, also where the request was authorised (RFC 9111,
    /// section 5.2.2.9). Only for what is the same for everyone.
    pub const fn public(max_age: Duration) -> Self {
        let mut value = Self::EMPTY;
        value.public = true;
        value.max_age = Some(max_age.as_secs());
        value
    }

    /// `public, max-age=31536000, immutable`, for files whose name changes with their content
    /// (`app.3f9c1e.js`). Anything else stays wrong in browsers for a year once it was wrong.
    pub const fn immutable_assets() -> Self {
        Self::public(Duration::from_secs(31_536_000)).immutable()
    }

    /// `public, max-age=86400`: one day, for images that are the same for everyone.
    pub const fn images() -> Self {
        Self::public(Duration::from_secs(86_400))
    }

    /// `s-maxage`: caches on the way keep it for so long instead of `max-age`.
    pub const fn shared_max_age(mut self, age: Duration) -> Self {
        self.s_maxage = Some(age.as_secs());
        self
    }

    /// `immutable`: not even asked for again when the page is reloaded, while it is fresh.
    pub const fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// `must-revalidate`: never used stale, not even when this service cannot be reached.
    pub const fn must_revalidate(mut self) -> Self {
        self.must_revalidate = true;
        self
    }

    /// `proxy-revalidate`: as [`must_revalidate`](Self::must_revalidate), for caches on the way alone.
    pub const fn proxy_revalidate(mut self) -> Self {
        self.proxy_revalidate = true;
        self
    }

    /// `no-transform`: nothing on the way converts the content, images say.
    pub const fn no_transform(mut self) -> Self {
        self.no_transform = true;
        self
    }

    /// `stale-while-revalidate`: for so long after it went stale it is used once more while it is
    /// fetched anew.
    pub const fn stale_while_revalidate(mut self, period: Duration) -> Self {
        self.stale_while_revalidate = Some(period.as_secs());
        self
    }

    /// `stale-if-error`: for so long after it went stale it is used when fetching it anew fails.
    pub const fn stale_if_error(mut self, period: Duration) -> Self {
        self.stale_if_error = Some(period.as_secs());
        self
    }

    /// The header's value.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Setting`] for every contradiction: `no-store` beside what only means something
    /// for a stored answer, `public` with `private`, `immutable` without an age, a `stale-` directive
    /// with `must-revalidate`, and the like.
    pub fn header(&self) -> Result<HeaderValue, PolicyError> {
        let faults: Vec<Fault> = self
            .contradictions()
            .map(|why| Fault::new("", FaultKind::Setting, why))
            .collect();
        // The text is of our own making: names and digits.
        let value = HeaderValue::try_from(self.text())
            .map_err(|error| PolicyError::one("", FaultKind::Header, error.to_string()))?;
        PolicyError::unless_empty(faults, value)
    }

    /// Whether no cache may keep the answer.
    pub(crate) const fn is_no_store(&self) -> bool {
        self.no_store
    }

    /// Whether caches other than the browser's may keep the answer.
    pub(crate) const fn is_shared(&self) -> bool {
        !self.no_store && !self.private
    }

    fn contradictions(&self) -> impl Iterator<Item = &'static str> {
        let aged = self.max_age.is_some() || self.s_maxage.is_some();
        let lives = self.max_age > Some(0) || self.s_maxage > Some(0);
        let stale = self.stale_while_revalidate.is_some() || self.stale_if_error.is_some();
        let ages = [
            self.max_age,
            self.s_maxage,
            self.stale_while_revalidate,
            self.stale_if_error,
        ];
        let for_shared = self.s_maxage.is_some() || self.proxy_revalidate;
        let stored = self.public || self.immutable || for_shared || stale || lives;
        [
            (*self == Self::EMPTY, "says nothing"),
            (
                self.no_store && stored,
                "`no-store` stands beside what only means something for a stored answer",
            ),
            (
                self.public && self.private,
                "`public` and `private` exclude each other",
            ),
            (
                self.private && for_shared,
                "`s-maxage` and `proxy-revalidate` are for shared caches, which `private` excludes",
            ),
            (
                self.public && !aged && !self.no_cache,
                "`public` needs `max-age`: caches would guess how long",
            ),
            (
                self.no_cache && (lives || self.immutable || stale),
                "`no-cache` is asked for again before every use, so that an age has no effect",
            ),
            (
                self.immutable && self.max_age.is_none_or(|age| age == 0) && !self.no_store,
                "`immutable` only means something while `max-age` lasts",
            ),
            (
                stale && self.must_revalidate,
                "`must-revalidate` forbids what the `stale-` directives allow",
            ),
            (
                stale && !aged && !self.no_store && !self.no_cache,
                "the `stale-` directives need `max-age`",
            ),
            (
                ages.into_iter().flatten().any(|age| age > MOST),
                "a time above 2147483648 seconds is not read by every cache",
            ),
        ]
        .into_iter()
        .filter_map(|(wrong, why)| wrong.then_some(why))
    }

    fn text(&self) -> String {
        let flags = |flags: &[(bool, &str)], words: &mut Vec<String>| {
            words.extend(
                flags
                    .iter()
                    .filter(|(set, _)| *set)
                    .map(|(_, name)| (*name).to_owned()),
            );
        };
        let mut words = Vec::new();
        flags(
            &[
                (self.public, "public"),
                (self.private, "private"),
                (self.no_store, "no-store"),
                (self.no_cache, "no-cache"),
            ],
            &mut words,
        );
        for (name, seconds) in [
            ("max-age", self.max_age),
            ("s-maxage", self.s_maxage),
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
        ] {
            words.extend(seconds.map(|seconds| format!("{name}={seconds}")));
        }
        flags(
            &[
                (self.must_revalidate, "must-revalidate"),
                (self.proxy_revalidate, "proxy-revalidate"),
                (self.no_transform, "no-transform"),
                (self.immutable, "immutable"),
            ],
            &mut words,
        );
        words.join(", ")
    }
}
