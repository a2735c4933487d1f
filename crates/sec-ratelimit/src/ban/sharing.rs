//! Blocks that several processes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sec_core::{Clock, CoarseClock, EventSink, Secret, TracingSink};

use super::follow::BanFollower;
use super::outbox::{BanSharingState, Outbox, Presence};
use super::{Bans, Escalate};
use crate::digest::Seed;
use crate::shared::{BlockStore, is_store_name};
use crate::{ConfigError, ConfigErrorKind};

/// With whom, and how, [blocks are shared](Bans::shared).
#[must_use = "settings do nothing until they are given to `Bans::shared`"]
pub struct BanSharing {
    terms: SharingTerms,
    store: Arc<dyn BlockStore>,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn EventSink>,
}

/// What must be right of it.
#[derive(Clone)]
pub(super) struct SharingTerms {
    pub(super) list: String,
    pub(super) secret: Secret<Vec<u8>>,
    pub(super) poll: Duration,
    pub(super) deadline: Duration,
}

impl BanSharing {
    /// Through a list of a store. `list`, 1 to 64 of `a-z`, `0-9`, `-`, `_` and `.`, and `secret`, at least 32 bytes, are the
    /// same for all processes that share their blocks. Keys are hashed under both, and nothing else of them reaches the
    /// store; the address or network is written beside the hash where it is what is blocked.
    pub fn new(
        list: impl Into<String>,
        store: Arc<dyn BlockStore>,
        secret: impl Into<Secret<Vec<u8>>>,
    ) -> Self {
        Self::on(SharingTerms::new(list.into(), secret.into()), store)
    }

    pub(super) fn on(terms: SharingTerms, store: Arc<dyn BlockStore>) -> Self {
        Self {
            terms,
            store,
            clock: Arc::new(CoarseClock::new()),
            sink: Arc::new(TracingSink),
        }
    }

    /// How often the store is asked for changes. Default: one second; from 10 ms to a minute. Each process asks once in
    /// this time, whatever the traffic.
    pub fn poll(mut self, every: Duration) -> Self {
        self.terms.poll = every;
        self
    }

    /// How long one call of the store may take. Default: 500 ms; from 1 ms to 10 s. No request waits for it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.terms.deadline = deadline;
        self
    }

    /// Where blocks take their time from in this process. Default: the system's [coarse clock](CoarseClock).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where it is reported that the exchange fails, recovers, or does not run. Default: `tracing`. The kind is
    /// `rate_limit_store`, with the list as `blocks` and `failing`, `recovered` or `not running` as `state`.
    pub fn sink(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.sink = sink;
        self
    }
}

impl SharingTerms {
    pub(super) fn new(list: String, secret: Secret<Vec<u8>>) -> Self {
        Self {
            list,
            secret,
            poll: Duration::from_secs(1),
            deadline: Duration::from_millis(500),
        }
    }

    /// The one set of rules, all faults at once.
    pub(super) fn faults(&self) -> Vec<ConfigError> {
        let checks = [
            (
                is_store_name(&self.list),
                "list",
                ConfigErrorKind::StoreName,
            ),
            (
                self.secret.expose().len() >= 32,
                "secret",
                ConfigErrorKind::ShortKey,
            ),
            (
                (10..=60_000).contains(&self.poll.as_millis()),
                "poll",
                ConfigErrorKind::Misused("must be from 10 ms to a minute"),
            ),
            (
                (1..=10_000).contains(&self.deadline.as_millis()),
                "deadline",
                ConfigErrorKind::Misused("must be from 1 ms to 10 s"),
            ),
        ];
        let wrong = checks.into_iter().filter(|(right, ..)| !right);
        wrong
            .map(|(_, field, kind)| ConfigError::new(field, kind))
            .collect()
    }
}

impl Bans {
    /// Blocks that several processes share: what is blocked or lifted in one is soon so in all.
    ///
    /// Asking stays what it is, a look into this process's memory; no request waits for the store. The second
    /// value carries the blocks to and from it: the host spawns its [`run`](BanFollower::run).
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// use sec_ratelimit::{BanSharing, Bans, Escalate, Key, Limiter, MemoryStore, Quota, RateLimitLayer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, secret) = (Arc::new(MemoryStore::new()), vec![7; 32]);
    /// let escalate = Escalate::after(3, [Duration::from_secs(300), Duration::from_secs(3600)]);
    /// let (bans, follower) = Bans::shared(escalate, BanSharing::new("web", store, secret))?;
    /// tokio::spawn(follower.run());
    /// let limiter = Limiter::builder().tier("api", Quota::api(), Key::ip()).build()?;
    /// let layer = RateLimitLayer::new(limiter)?.ban_with(bans);
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// - A block holds at once where it begins, and in every other process at the latest one
    ///   [poll](BanSharing::poll) and two [deadlines](BanSharing::deadline) later. So does a lift.
    /// - Refusals are counted by each process: with n of them a caller may be refused n times as often before
    ///   a block begins. How many blocks a key had is shared, so that its next one is longer wherever it begins.
    /// - While the store does not answer, each process goes on with the blocks that it has. What it could not write it
    ///   writes later; what it has not read it reads later. A store that lost its data, or went back to an older state of
    ///   them, is given the blocks again by the processes in which they began.
    /// - Blocks of others and one's own have the same [share](Escalate::widen) of the table together. Those that
    ///   find no room are [counted](BanSharingState::unheard).
    /// - The event that a block begins comes from the process where it does, that of its end from each.
    /// - All processes need the same [key](Escalate::key), [`forgive_after`](Escalate::forgive_after) and address grouping. A layer in
    ///   [shadow](crate::RateLimitLayer::shadow) mode needs a list of its own: its blocks would be real elsewhere.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong.
    pub fn shared(
        escalate: Escalate,
        sharing: BanSharing,
    ) -> Result<(Self, BanFollower), ConfigError> {
        let terms = sharing.terms;
        if let Some(fault) = terms.faults().into_iter().next() {
            return Err(fault);
        }
        let seed = Seed::of_list(terms.secret.expose(), &terms.list);
        let list = terms.list.into_boxed_str();
        let outbox = Arc::new(Outbox::new(list, sharing.clock.clone(), sharing.sink));
        let mut inner = Self::inner(escalate, sharing.clock, seed)?;
        inner.outbox = Some(outbox.clone());
        let inner = Arc::new(inner);
        let follower = BanFollower {
            bans: inner.clone(),
            outbox: outbox.clone(),
            store: sharing.store,
            poll: terms.poll,
            deadline: terms.deadline,
            cursor: 0,
            epoch: 0,
            begun: false,
        };
        Ok((Self(inner, Some(Arc::new(Presence(outbox)))), follower))
    }

    /// How the exchange with other processes goes; `None` for blocks that are not shared.
    #[must_use]
    pub fn sharing(&self) -> Option<BanSharingState> {
        self.1.as_ref().map(|presence| presence.0.state())
    }
}

impl fmt::Debug for BanSharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BanSharing")
            .field("list", &self.terms.list)
            .field("store", &self.store)
            .field("poll", &self.terms.poll)
            .field("deadline", &self.terms.deadline)
            .finish_non_exhaustive()
    }
}
