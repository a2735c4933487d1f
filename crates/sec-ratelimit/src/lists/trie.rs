//! The tree of one family of addresses: built once from sorted entries, then only read.

use super::{AddressRule, Entry};

/// A node stands for the addresses that begin with its `prefix` of `depth` bits and branches by the next six.
/// Since a verdict is one of three, the verdicts of all 64 slots are two masks and need no leaves.
#[derive(Clone, Debug)]
struct Node {
    prefix: u128,
    /// Slots that a child decides.
    children: u64,
    allow: u64,
    block: u64,
    /// Where the children begin, one after another in the order of their slots.
    base: u32,
    depth: u8,
    /// The verdict on addresses that come here and do not begin with the prefix: bits between the parent's and this
    /// node's are not branched on, as no entry ends among them.
    outside: Option<AddressRule>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    /// The root first; none when there is no entry.
    nodes: Vec<Node>,
    /// The verdict of the entry for everything, of no bits.
    everything: Option<AddressRule>,
}

/// Bits per node.
const STRIDE: u8 = 6;

impl Trie {
    /// The tree of entries that are sorted and distinct.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut trie = Self::default();
        let mut entries = entries;
        if let Some((first, rest)) = entries.split_first()
            && first.network.bits() == 0
        {
            trie.everything = Some(first.rule);
            entries = rest;
        }
        if !entries.is_empty() {
            trie.nodes.push(Node::EMPTY);
            trie.fill(0, entries, trie.everything);
            trie.nodes.shrink_to_fit();
        }
        trie
    }

    pub(super) fn rule(&self, address: u128) -> Option<AddressRule> {
        let Some(mut node) = self.nodes.first() else {
            return self.everything;
        };
        loop {
            // A shift by 128 bits, at depth 0, compares nothing.
            let above = 128_u32.saturating_sub(node.depth.into());
            if (address ^ node.prefix).checked_shr(above).unwrap_or(0) != 0 {
                return node.outside;
            }
            let bit = bit(slot(address, node.depth));
            if node.children & bit == 0 {
                return node.verdict(bit);
            }
            let earlier = (node.children & bit.wrapping_sub(1)).count_ones();
            let child = node.base.wrapping_add(earlier);
            node = self.nodes.get(usize::try_from(child).ok()?)?;
        }
    }

    /// Fills the node at `index` with entries that are not empty, sorted, and all longer than what led here.
    fn fill(&mut self, index: usize, entries: &[Entry], outside: Option<AddressRule>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        let prefix = first.network.prefix();
        // What the first and the last share, all between share.
        let shared = (prefix ^ last.network.prefix()).leading_zeros();
        let shortest = entries.iter().map(|entry| entry.network.bits()).min();
        let depth = shortest
            .unwrap_or(1)
            .saturating_sub(1)
            .min(u8::try_from(shared).unwrap_or(128));
        let mut node = Node {
            prefix: first.network.cut(depth).prefix(),
            depth,
            outside,
            ..Node::EMPTY
        };
        node.set(u64::MAX, outside);
        let end = depth.saturating_add(STRIDE);
        // Shorter entries first, so that longer ones overwrite them.
        for bits in depth.saturating_add(1)..=end {
            for entry in entries.iter().filter(|e| e.network.bits() == bits) {
                let width = 1_u32 << end.saturating_sub(bits);
                let ones = u64::MAX >> 64_u32.saturating_sub(width);
                let slots = ones << slot(entry.network.prefix(), depth);
                node.set(slots, Some(entry.rule));
            }
        }
        let longer: Vec<Entry> = entries
            .iter()
            .filter(|entry| entry.network.bits() > end)
            .copied()
            .collect();
        let slot_of = |entry: &Entry| slot(entry.network.prefix(), depth);
        let groups = longer.chunk_by(|one, other| slot_of(one) == slot_of(other));
        let base = self.nodes.len();
        for group in groups.clone() {
            node.children |= group.first().map_or(0, |entry| bit(slot_of(entry)));
            self.nodes.push(Node::EMPTY);
        }
        node.base = u32::try_from(base).unwrap_or(u32::MAX);
        let verdicts = node.clone();
        if let Some(place) = self.nodes.get_mut(index) {
            *place = node;
        }
        for (child, group) in (base..).zip(groups) {
            let outside = group
                .first()
                .and_then(|entry| verdicts.verdict(bit(slot_of(entry))));
            self.fill(child, group, outside);
        }
    }
}

impl Node {
    const EMPTY: Self = Self {
        prefix: 0,
        children: 0,
        allow: 0,
        block: 0,
        base: 0,
        depth: 0,
        outside: None,
    };

    const fn verdict(&self, bit: u64) -> Option<AddressRule> {
        if self.block & bit != 0 {
            Some(AddressRule::Block)
        } else if self.allow & bit != 0 {
            Some(AddressRule::Allow)
        } else {
            None
        }
    }

    const fn set(&mut self, slots: u64, rule: Option<AddressRule>) {
        self.allow &= !slots;
        self.block &= !slots;
        match rule {
            Some(AddressRule::Allow) => self.allow |= slots,
            Some(AddressRule::Block) => self.block |= slots,
            None => {}
        }
    }
}

/// The six bits after the first `depth`; beyond the address there are zeros.
fn slot(address: u128, depth: u8) -> u32 {
    let six = address.checked_shl(depth.into()).unwrap_or(0) >> (128 - STRIDE);
    u32::try_from(six).unwrap_or(0)
}

const fn bit(slot: u32) -> u64 {
    1_u64.wrapping_shl(slot)
}
