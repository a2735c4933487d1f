//! The limiter's functions that take their keys from a request.

use sec_core::{RequestContext, RequestView};

use crate::decision::TierState;
use crate::tables::{Targets, TierTable};
use crate::{Decision, LimitError, Limiter, Refused, Reservation};

impl Limiter {
    /// [`check`](Self::check) with the keys taken from a request.
    ///
    /// # Errors
    ///
    /// As [`reserve_request`](Self::reserve_request).
    pub fn check_request<'a>(
        &self,
        request: impl Into<RequestView<'a>>,
        cost: u64,
    ) -> Result<Decision, LimitError> {
        let request = request.into();
        let ctx = RequestContext::of(request.extensions).map_err(LimitError::Missing)?;
        let checked = self.check_uncounted(ctx, request, cost);
        self.count_checked(&checked);
        checked
    }

    /// [`check_request`](Self::check_request) for who has looked the context up, and counts it himself.
    #[inline]
    pub(crate) fn check_uncounted(
        &self,
        ctx: &RequestContext,
        request: RequestView<'_>,
        cost: u64,
    ) -> Result<Decision, LimitError> {
        if let Some(state) = self.take_alone(ctx, request, cost)? {
            return self.checked(state, cost);
        }
        let targets = self.request_targets(ctx, request)?;
        let decision = self.0.decide(&targets, cost, true);
        Refused::unless_allowed(decision, cost).map_err(LimitError::Refused)
    }

    /// How the only tier stands after a take; `None` where more than its table decides.
    #[inline]
    pub(crate) fn take_alone(
        &self,
        ctx: &RequestContext,
        request: RequestView<'_>,
        cost: u64,
    ) -> Result<Option<TierState>, LimitError> {
        let ([only], true) = (&*self.0.tiers, self.0.plain) else {
            return Ok(None);
        };
        // A limit of the caller's own is asked for once.
        if only.tier.has_own_limits() {
            return Ok(None);
        }
        let target = only.target(self.0.seed, ctx, request)?;
        Ok(self.0.take_alone(&target, cost))
    }

    /// [`reserve`](Self::reserve) with the keys taken from a request, as the layer does it: a `&Request`,
    /// its `&Parts` or a [`RequestView`]. What a layer would do besides is the handler's to do: tell the trail of a
    /// refusal ([`Refused::report`]), and the client how it stands ([`Fields::write`](crate::Fields::write)).
    ///
    /// ```
    /// use http::{HeaderMap, request::Parts};
    /// use sec_core::{Problem, RequestContext};
    /// use sec_ratelimit::{Fields, LimitError, Limiter};
    ///
    /// /// A handler's: nothing is generated for who has used up their units.
    /// fn generate(limiter: &Limiter, request: &Parts) -> Result<(HeaderMap, String), Problem> {
    ///     let taken = limiter.reserve_request(request, 4_000).map_err(|error| {
    ///         if let (LimitError::Refused(refused), Some(ctx)) =
    ///             (&error, RequestContext::get(&request.extensions))
    ///         {
    ///             refused.report(ctx, "/generate"); // the event, coalesced
    ///         }
    ///         Problem::from(error) // 429 with `Retry-After`
    ///     })?;
    ///     let text = String::from("…"); // the model's work
    ///     let after = taken.commit_actual(1_234);
    ///     let mut headers = HeaderMap::new();
    ///     Fields::IETF.write(&after, &mut headers); // `RateLimit-Policy` and `RateLimit`
    ///     Ok((headers, text))
    /// }
    /// # use sec_ratelimit::{Key, Quota};
    /// # let tokens = Quota::per(10_000, std::time::Duration::from_secs(3600));
    /// # let limiter = Limiter::builder().tier("tokens", tokens, Key::ip()).build()?;
    /// # let (mut parts, ()) = http::Request::new(()).into_parts();
    /// # parts.extensions.insert(RequestContext::builder().build());
    /// # let (headers, _) = generate(&limiter, &parts).unwrap();
    /// # assert!(headers.contains_key("ratelimit"));
    /// # for _ in 0..2 { generate(&limiter, &parts).unwrap(); }
    /// # for _ in 0..3 { let _ = generate(&limiter, &parts); }
    /// # assert!(generate(&limiter, &parts).is_err());
    /// # Ok::<(), sec_ratelimit::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and [`LimitError::Missing`] when the request has no context, or
    /// its caller was never resolved and a key or a limit asks for them.
    pub fn reserve_request<'a>(
        &self,
        request: impl Into<RequestView<'a>>,
        cost: u64,
    ) -> Result<Reservation, LimitError> {
        let request = request.into();
        let ctx = RequestContext::of(request.extensions).map_err(LimitError::Missing)?;
        let reserved = self.reserve_uncounted(ctx, request, cost);
        self.count_reserved(&reserved);
        reserved
    }

    /// [`reserve_request`](Self::reserve_request) for who has looked the context up, and counts it
    /// himself.
    pub(crate) fn reserve_uncounted(
        &self,
        ctx: &RequestContext,
        request: RequestView<'_>,
        cost: u64,
    ) -> Result<Reservation, LimitError> {
        let targets = self.request_targets(ctx, request)?;
        self.reserve_targets(targets, cost)
    }

    /// [`peek`](Self::peek) with the keys taken from a request.
    ///
    /// # Errors
    ///
    /// [`LimitError::Missing`], as [`reserve_request`](Self::reserve_request).
    pub fn peek_request<'a>(
        &self,
        request: impl Into<RequestView<'a>>,
        cost: u64,
    ) -> Result<Decision, LimitError> {
        let request = request.into();
        let ctx = RequestContext::of(request.extensions).map_err(LimitError::Missing)?;
        let targets = self.request_targets(ctx, request)?;
        Ok(self.0.decide(&targets, cost, false))
    }

    fn request_targets(
        &self,
        ctx: &RequestContext,
        request: RequestView<'_>,
    ) -> Result<Targets, LimitError> {
        if let [only] = &*self.0.tiers {
            return Ok(Targets::from_slice(&[only.target(
                self.0.seed,
                ctx,
                request,
            )?]));
        }
        let target = |tier: &TierTable| tier.target(self.0.seed, ctx, request);
        self.targets_by(self.0.tiers.iter().map(target))
    }
}
