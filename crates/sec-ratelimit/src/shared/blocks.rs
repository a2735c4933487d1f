//! What blocks ask of a store that several processes share.

use std::fmt;
use std::time::Instant;

use sec_core::AddrPrefix;

use super::store::StoreFuture;
use crate::digest::Digest;

/// A store of [blocks](crate::Bans) that several processes share: lists of records, one per key, whose
/// changes every process reads in their order.
///
/// Each call is one atomic step and one round trip, on the store's own clock. No request waits for it.
/// Times are microseconds.
///
/// **Numbers.** Each change of a list has a number, larger than all before it; the first is the store's
/// time in microseconds, and the next is at least one more. So a list that was lost and begun anew goes on
/// above the old numbers. Whoever has read up to a number must never find a smaller one later: a store whose
/// writers can finish out of order has to serialise them.
///
/// **Loss.** A store whose list begins after `since`, or ends before it, or is gone, has lost what a reader
/// knew. It answers from the beginning and says [`lost`](BlockChanges::lost). The reader keeps the blocks that it has, for
/// a loss lifts nobody, and writes those that began with it again. A store may forget a list in which
/// nothing is left; the same answer then does no harm.
///
/// That shows only until somebody writes: a store that went back to a snapshot goes on above the numbers that it lost. So it
/// says with each answer which of its [epochs](BlockChanges::epoch) it is in, and a new one is a loss.
///
/// **Memory.** A list keeps at most [`MOST`](SharedBlock::MOST) records. Where a further one comes, the one that would go
/// first by itself goes. Records go when [`memory`](SharedBlock::memory) is over, without anybody's doing.
pub trait BlockStore: fmt::Debug + Send + Sync + 'static {
    /// Writes a block. One set by hand replaces what the list has of its key. An automatic one never
    /// shortens: where the block that is there ends later, or at the same time, it stays as it is. Either way the larger
    /// [`count`](SharedBlock::count) and the longer [`memory`](SharedBlock::memory) are kept, and the change gets a number.
    /// A key that was lifted counts as one without a record.
    fn put<'a>(
        &'a self,
        list: &'a str,
        block: &'a SharedBlock,
        deadline: Instant,
    ) -> StoreFuture<'a, ()>;

    /// Lifts the block of a key and forgets how many it had. What is kept for the readers, instead of the
    /// record and for as long as it would have been, is that it was lifted. Nothing happens, and there
    /// is no number, where the list has no record of the key.
    fn lift<'a>(&'a self, list: &'a str, digest: Digest, deadline: Instant) -> StoreFuture<'a, ()>;

    /// What changed after `since`, oldest first, at most `most`; blocks as they stand now. A key
    /// that changed several times is told of once, at its last number. `since` is 0, or what an earlier call
    /// answered as [`next`](BlockChanges::next).
    fn changes<'a>(
        &'a self,
        list: &'a str,
        since: u64,
        most: u32,
        deadline: Instant,
    ) -> StoreFuture<'a, BlockChanges>;
}

/// A block as processes tell one another of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "stores outside of this crate make it"
)]
pub struct SharedBlock {
    /// Whom it blocks, as a digest under the secret of the list.
    pub digest: Digest,
    /// The address or network, where the key is one.
    pub shown: Option<AddrPrefix>,
    /// For how long it still blocks; 0 when it is over and only its count is remembered.
    pub rest: u64,
    /// For how long the record is kept, at least [`rest`](Self::rest): so long the key's next block is a longer one.
    pub memory: u64,
    /// How many blocks the key has had, this one included.
    pub count: u32,
    /// It was set by hand.
    pub manual: bool,
    /// It is a network that is looked up behind the key itself.
    pub wide: bool,
}

/// What changed in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "stores outside of this crate make it"
)]
pub struct BlockChanges {
    /// Oldest first.
    pub entries: Vec<BlockChange>,
    /// What to ask for next time: the number of the last entry, or the list's last one when all was told; 0 for a
    /// list that does not exist.
    pub next: u64,
    /// Whether there is more than fitted.
    pub more: bool,
    /// The list is not the one that `since` is of; the entries are those from its beginning.
    pub lost: bool,
    /// Any number that is another one after each event in which the store may have lost what it had acknowledged, such as
    /// its start, or a fail-over. 0 where the store does not know.
    pub epoch: u64,
    /// How many records could not be read, and are left out.
    pub unreadable: u64,
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a reader must do both, and there is no third"
)]
pub enum BlockChange {
    /// A block began, or changed.
    Put(SharedBlock),
    /// A key was lifted, and its blocks are forgotten.
    Lifted(Digest),
}

impl SharedBlock {
    /// How many records a list has at most: 32 768, half of a table of blocks of the default size.
    pub const MOST: usize = 32_768;
}

/// What the `Display` of a prefix wrote.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(super) fn prefix_of(text: &str) -> Option<AddrPrefix> {
    use std::net::IpAddr;

    let (network, bits) = text.split_once('/')?;
    let (network, bits): (IpAddr, u8) = (network.parse().ok()?, bits.parse().ok()?);
    let grouping = match network {
        IpAddr::V4(_) => sec_core::AddrGrouping::new(bits, 128),
        IpAddr::V6(_) => sec_core::AddrGrouping::new(32, bits),
    };
    Some(grouping.ok()?.group(network))
}
