//! Where the states of keys are kept.

mod ask;
mod fast;
mod layout;
mod memory;
mod packed;
mod seats;
mod slot;
mod sync;

#[cfg(all(test, sec_loom))]
use ask::Left;
pub(crate) use ask::{Ask, Seen};
pub(crate) use fast::{FastTable, bytes_for as fast_bytes_for};
use memory::{BUCKET, scale};
pub(crate) use memory::{Place, Shard, Table, bytes_for};
pub(crate) use packed::{HORIZON, ORIGIN, Packed, Take};
pub(crate) use slot::Hold;

#[cfg(test)]
#[cfg(not(sec_loom))]
mod fast_tests;
#[cfg(test)]
#[cfg(sec_loom)]
mod loom_tests;
#[cfg(test)]
mod tests;
