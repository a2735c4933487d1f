//! The blocks, as plain functions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sec_core::{
    AddrGrouping, AddrPrefix, Clock, CoarseClock, MissingLayer, RequestContext, RequestView,
};

use super::escalate::{Rules, shorter};
use super::table::{Share, Slot, Standing, Struck, Table, Who};
use super::{Banned, Escalate};
use crate::digest::{Digest, Seed, id};
use crate::quota::nanos;
use crate::{ConfigError, Key, Subject, SubjectError};

/// Who is blocked, and who is about to be. Clones share their state.
///
/// A [`RateLimitLayer`](crate::RateLimitLayer::ban) asks it before anything else, and tells it of refusals. Blocks are
/// kept in this process's memory: while there are none, asking is one atomic load, and else a keyed hash and one short
/// lock; nothing is allocated. What is counted here is apart from all quotas, which a refused request does not
/// change. Processes may share their blocks through a store (`Bans::shared`, with a store's feature).
#[derive(Clone)]
pub struct Bans(
    pub(super) Arc<Inner>,
    #[cfg(feature = "shared")] pub(super) Option<Arc<super::outbox::Presence>>,
);

pub(super) struct Inner {
    pub(super) rules: Rules,
    key: Key,
    pub(super) table: Table,
    seed: Seed,
    clock: Arc<dyn Clock>,
    /// By how much that may be late: blocks are shorter by it, and told as long as they were meant. So who waits
    /// by a clock of his own is not too early for this one.
    late: u64,
    #[cfg(feature = "shared")]
    pub(super) outbox: Option<Arc<super::outbox::Outbox>>,
}

/// One block, as [`Bans::blocks`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    address: Option<AddrPrefix>,
    id: u64,
    rest: Duration,
    count: u32,
    manual: bool,
}

/// Why a block could not be set by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The subject is unusable.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// An address prefix of a length that requests are not looked up by: only IPv4 /16, /24 and /32, and IPv6 /32,
    /// /48 and /64 are. Other networks belong onto an [`AddressList`](crate::AddressList).
    #[error("a network of this length belongs onto an address list")]
    Network,
    /// Three quarters of the table are blocks already.
    #[error("the table of blocks is full")]
    Full,
}

/// A key and the prefixes that may be blocked in its stead.
pub(super) struct Chain {
    pub(super) first: Who,
    coarser: [Option<AddrPrefix>; 3],
}

/// What a refusal led to: the block, and what it is on.
pub(super) struct Started {
    pub(super) banned: Banned,
    pub(super) widened: bool,
}

/// Prefix lengths of wider blocks, IPv4 and IPv6.
const COARSER: [(u8, u8); 2] = [(24, 48), (16, 32)];
/// For a single key, then for each wider one; in eighths of the table.
const SINGLE: Share = Share(2);
const WIDER: [Share; 3] = [Share(3), Share(3), Share(4)];
const BY_HAND: Share = Share(6);

impl Bans {
    /// Nobody is blocked yet.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong, under its name below `ban`.
    pub fn new(escalate: Escalate) -> Result<Self, ConfigError> {
        Self::with_clock(escalate, Arc::new(CoarseClock::new()))
    }

    /// With a clock of the host's. Default: the system's [coarse clock](CoarseClock): a block may end up
    /// to two of its ticks, at most 20 ms, early, and lasts at least until the next one.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_clock(escalate: Escalate, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let inner = Self::inner(escalate, clock, Seed::random())?;
        Ok(Self(
            Arc::new(inner),
            #[cfg(feature = "shared")]
            None,
        ))
    }

    pub(super) fn inner(
        escalate: Escalate,
        clock: Arc<dyn Clock>,
        seed: Seed,
    ) -> Result<Inner, ConfigError> {
        let late = nanos(clock.resolution());
        let rules = escalate.rules()?.shorter_by(late);
        Ok(Inner {
            table: Table::new(rules.capacity),
            rules,
            key: escalate.key,
            seed,
            late,
            clock,
            #[cfg(feature = "shared")]
            outbox: None,
        })
    }

    /// Whether a subject, or a network around its address, is blocked, and for how long.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when the subject is unusable.
    pub fn check(&self, subject: &Subject<'_>) -> Result<Option<Banned>, SubjectError> {
        if !self.0.table.any_open() {
            return Ok(None);
        }
        Ok(self.look(&self.chain_of(subject)?, |_| {}))
    }

    /// Counts a refusal of a subject, and gives the block if one begins.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when the subject is unusable.
    pub fn strike(&self, subject: &Subject<'_>) -> Result<Option<Banned>, SubjectError> {
        let chain = self.chain_of(subject)?;
        Ok(self.struck(&chain).map(|started| started.banned))
    }

    /// Blocks a subject from now for so long, whatever was before. A subject of one address means its
    /// group: all of an IPv4 address, the /64 of an IPv6 one.
    ///
    /// # Errors
    ///
    /// [`BlockError`] when the subject is unusable, or the table is full of blocks.
    pub fn block(&self, subject: &Subject<'_>, length: Duration) -> Result<(), BlockError> {
        let mut who = self.chain_of(subject)?.first;
        if let Some(prefix) = who.shown {
            let v4 = prefix.network().is_ipv4();
            who.wide = COARSER
                .iter()
                .any(|(four, six)| prefix.bits() == if v4 { *four } else { *six });
            if !who.wide && prefix.bits() != if v4 { 32 } else { 64 } {
                return Err(BlockError::Network);
            }
            // Where the key is another one, the address is looked up as a coarser one.
            who.wide |= !self.0.key.is_ip();
        }
        let length = Some(shorter(nanos(length), self.0.late));
        let (table, rules) = (&self.0.table, &self.0.rules);
        match table.block(who, self.0.now(), length, rules, BY_HAND) {
            Struck::Started(..) => {
                self.0.tell(who.digest);
                Ok(())
            }
            Struck::Counted | Struck::Full => Err(BlockError::Full),
        }
    }

    /// Lifts the block of a subject and forgets its refusals; whether it was blocked. A block around it stays.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when the subject is unusable.
    pub fn unblock(&self, subject: &Subject<'_>) -> Result<bool, SubjectError> {
        let digest = subject.digest(&self.0.seed)?;
        #[cfg(feature = "shared")]
        if let Some(outbox) = &self.0.outbox {
            // First: what is read of others meanwhile must not bring it back.
            outbox.lifted(digest);
        }
        Ok(self.0.table.unblock(digest, self.0.now()))
    }

    /// All blocks, the longest first. Walks the whole table: for an operator's page, not for requests.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        let now = self.0.now();
        let slots = self.0.table.blocks(now);
        let mut blocks: Vec<_> = slots
            .into_iter()
            .map(|slot| Block::of(&slot, self.0.told(slot.until.saturating_sub(now))))
            .collect();
        blocks.sort_by_key(|block| std::cmp::Reverse(block.rest));
        blocks
    }

    /// Whether anybody may be blocked: false as long as nobody was.
    pub(super) fn any_open(&self) -> bool {
        self.0.table.any_open()
    }

    pub(super) fn look(&self, chain: &Chain, mut ended: impl FnMut(Banned)) -> Option<Banned> {
        let now = self.0.now();
        let mut one = |who: Who| match self.0.table.standing(who.digest, now) {
            Standing::Free => None,
            Standing::Blocked(rest, count) => Some(Banned::new(who, self.0.told(rest), count)),
            Standing::Ended => {
                ended(Banned::new(who, 0, 0));
                None
            }
        };
        if let Some(banned) = one(chain.first) {
            return Some(banned);
        }
        if !self.0.table.any_wide() {
            return None;
        }
        let mut wider = chain.coarser.iter().flatten();
        wider.find_map(|prefix| one(self.wide(*prefix)?))
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// Some of the blocks that are over and whose keys did not come back.
    pub(super) fn ended(&self) -> impl Iterator<Item = Banned> {
        let ended = self.0.table.sweep_some(self.0.now());
        let whole = ended.into_iter().flatten();
        whole.map(|who| Banned::new(who, 0, 0))
    }

    pub(super) fn struck(&self, chain: &Chain) -> Option<Started> {
        let now = self.0.now();
        let (table, rules) = (&self.0.table, &self.0.rules);
        match table.strike(chain.first, now, rules, SINGLE) {
            Struck::Counted => return None,
            Struck::Started(length, count) => {
                self.0.tell(chain.first.digest);
                return Some(Started {
                    banned: Banned::new(chain.first, self.0.told(length), count),
                    widened: false,
                });
            }
            Struck::Full if !rules.widen => return None,
            Struck::Full => {}
        }
        for (prefix, share) in chain.coarser.iter().zip(WIDER) {
            let Some(who) = prefix.and_then(|prefix| self.wide(prefix)) else {
                continue;
            };
            match table.block(who, now, None, rules, share) {
                Struck::Started(length, count) => {
                    self.0.tell(who.digest);
                    return Some(Started {
                        banned: Banned::new(who, self.0.told(length), count),
                        widened: true,
                    });
                }
                // Another thread was first.
                Struck::Counted => return None,
                Struck::Full => {}
            }
        }
        None
    }

    /// Who a request counts for.
    pub(super) fn chain(
        &self,
        ctx: &RequestContext,
        request: RequestView<'_>,
    ) -> Result<Chain, MissingLayer> {
        let digest = self.0.key.digest(self.0.seed, ctx, request)?;
        let group = ctx.client_group();
        let own = self.0.key.is_ip();
        Ok(Chain::new(digest, own.then_some(group), Some(group)))
    }

    fn chain_of(&self, subject: &Subject<'_>) -> Result<Chain, SubjectError> {
        let group = subject.group();
        Ok(Chain::new(subject.digest(&self.0.seed)?, group, group))
    }

    fn wide(&self, prefix: AddrPrefix) -> Option<Who> {
        Some(Who {
            digest: Subject::of(prefix).digest(&self.0.seed).ok()?,
            shown: Some(prefix),
            wide: true,
        })
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.0.table.slots()
    }
}

impl Inner {
    pub(super) fn now(&self) -> u64 {
        nanos(self.clock.monotonic())
    }

    /// A rest of a block as others are told it.
    fn told(&self, rest: u64) -> u64 {
        rest.saturating_add(self.late)
    }

    /// A block began, which other processes are to hear of.
    #[cfg_attr(
        not(feature = "shared"),
        allow(clippy::unused_self, reason = "nobody hears")
    )]
    fn tell(&self, digest: Digest) {
        #[cfg(feature = "shared")]
        if let Some(outbox) = &self.outbox {
            outbox.begun(digest);
        }
        #[cfg(not(feature = "shared"))]
        let _ = digest;
    }
}

impl Chain {
    fn new(digest: Digest, shown: Option<AddrPrefix>, group: Option<AddrPrefix>) -> Self {
        let mut coarser = [None; 3];
        if let Some(group) = group {
            let [itself, rest @ ..] = &mut coarser;
            *itself = shown.is_none().then_some(group);
            for (slot, (v4, v6)) in rest.iter_mut().zip(COARSER) {
                let cut = AddrGrouping::new(v4, v6).unwrap_or_default();
                let prefix = cut.group(group.network());
                *slot = (prefix.bits() < group.bits()).then_some(prefix);
            }
        }
        Self {
            first: Who {
                digest,
                shown,
                wide: false,
            },
            coarser,
        }
    }
}

impl Block {
    fn of(slot: &Slot, rest: u64) -> Self {
        Self {
            address: slot.shown,
            id: id(slot.digest),
            rest: Duration::from_nanos(rest),
            count: slot.blocks,
            manual: slot.manual,
        }
    }

    /// The address or network, where it is one. Other keys are not kept.
    #[must_use]
    pub const fn address(&self) -> Option<AddrPrefix> {
        self.address
    }

    /// A keyed hash of the key: the same for one key as long as the process lives, and in all processes that
    /// share their blocks.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// For how long it is still blocked.
    #[must_use]
    pub const fn rest(&self) -> Duration {
        self.rest
    }

    /// How many blocks this key has had, this one included.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether it was set by hand.
    #[must_use]
    pub const fn is_manual(&self) -> bool {
        self.manual
    }
}

impl fmt::Debug for Bans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bans")
            .field("rules", &self.0.rules)
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}
