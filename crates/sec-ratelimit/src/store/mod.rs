//! Where the states of keys are kept.

mod memory;
mod slot;

pub(crate) use memory::{Place, Shard, Table, bytes_for};
pub(crate) use slot::Hold;

#[cfg(test)]
mod tests;
