//! Lists of addresses that are always or never served.

mod config;
mod layer;
mod parse;
mod refusal;
mod shared;
mod trie;

pub use self::config::AddressListConfig;
pub use self::layer::{AddressListLayer, AddressListService};
pub use self::parse::{AddressFault, AddressFaultKind, AddressListError};
pub use self::refusal::AddressBlocked;
pub use self::shared::SharedAddressList;

use std::fmt;
use std::net::IpAddr;

use self::parse::Network;
use self::trie::Trie;

/// Networks that are allowed and networks that are blocked.
///
/// The **most specific** entry that holds an address decides; where the same network is on both lists,
/// **allowed wins**, so an operator can always open what a foreign block list closes. To serve only
/// certain networks, block `0.0.0.0/0` and `::/0` and allow those. An IPv4-mapped IPv6 address is the
/// IPv4 address, in the lists and in what is looked up.
///
/// A look-up walks a path-compressed tree that branches 64 ways at a node, whose verdicts and children are bit
/// masks (after Asai and Ohara, "Poptrie", 2015). It takes no lock and allocates nothing, and reads at
/// most one node for each six bits in which entries differ. Memory: 24 bytes per entry, and 48 per node; there
/// are fewer than two nodes per entry.
///
/// ```
/// use sec_ratelimit::{AddressList, AddressRule};
///
/// let list = AddressList::blocking("# from an abuse feed\n203.0.113.0/24\n2001:db8::/32\n")?
///     .allowing("203.0.113.7  # the office\n")?;
/// assert_eq!(list.rule("203.0.113.7".parse()?), Some(AddressRule::Allow));
/// assert_eq!(list.rule("203.0.113.8".parse()?), Some(AddressRule::Block));
/// assert_eq!(list.rule("198.51.100.1".parse()?), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct AddressList {
    v4: Trie,
    v6: Trie,
    /// Sorted, each network once.
    entries: Box<[Entry]>,
}

/// What a list says about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AddressRule {
    /// Served, whatever a wider entry says.
    Allow,
    /// Not served.
    Block,
}

/// A network with its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    network: Network,
    rule: AddressRule,
}

impl AddressList {
    /// Blocks what a text lists, with one network or address per line; the form is that of [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// Every line that is wrong.
    pub fn blocking(text: &str) -> Result<Self, AddressListError> {
        Self::parse("", text)
    }

    /// Allows what a text lists, beside what is listed already. Makes the list anew: give everything in one text.
    ///
    /// # Errors
    ///
    /// Every line that is wrong.
    pub fn allowing(self, text: &str) -> Result<Self, AddressListError> {
        let allowed = Self::parse(text, "")?;
        Ok(Self::of([self.entries, allowed.entries].concat()))
    }

    /// Reads two lists, **what is allowed first**: [`blocking`](Self::blocking) and [`allowing`](Self::allowing) name them,
    /// this one tells the faults of both at once. Each has with one network or address per line.
    /// `#` and `;` begin a comment; empty lines are passed over. Either text may be empty.
    ///
    /// # Errors
    ///
    /// Every line that is wrong, with its number: text that is no network, a prefix that is too long, and a
    /// network with bits beyond its prefix, which is more likely a slip than a wish (`203.0.113.7/2`).
    pub fn parse(allow: &str, block: &str) -> Result<Self, AddressListError> {
        let mut entries = Vec::new();
        let mut faults = Vec::new();
        for (text, rule) in [(allow, AddressRule::Allow), (block, AddressRule::Block)] {
            for (index, line) in text.lines().enumerate() {
                let Some(entry) = parse::content(line) else {
                    continue;
                };
                match Network::parse(entry) {
                    Ok(network) => entries.push(Entry { network, rule }),
                    Err(kind) => faults.push(AddressFault::new(rule, index, entry, kind)),
                }
            }
        }
        AddressListError::unless_empty(faults)?;
        Ok(Self::of(entries))
    }

    /// The rule for an address; `None` when no entry holds it.
    #[must_use]
    pub fn rule(&self, address: IpAddr) -> Option<AddressRule> {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.rule(u128::from(v4.to_bits()) << 96),
            IpAddr::V6(v6) => self.v6.rule(v6.to_bits()),
        }
    }

    /// Whether an address is not served.
    #[must_use]
    pub fn blocks(&self, address: IpAddr) -> bool {
        self.rule(address) == Some(AddressRule::Block)
    }

    /// The network that decides about an address, as text, for the trail. A binary search per prefix length:
    /// not for every request.
    #[must_use]
    pub fn deciding(&self, address: IpAddr) -> Option<(String, AddressRule)> {
        let address = Network::host(address.to_canonical());
        (0..=address.bits()).rev().find_map(|bits| {
            let network = address.cut(bits);
            let found = self
                .entries
                .binary_search_by(|entry| entry.network.cmp(&network));
            let entry = self.entries.get(found.ok()?)?;
            Some((entry.network.to_string(), entry.rule))
        })
    }

    /// How many networks are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no network is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn of(mut entries: Vec<Entry>) -> Self {
        // Allowed sorts first and so survives.
        entries.sort_unstable();
        entries.dedup_by_key(|entry| entry.network);
        let v6 = entries.partition_point(|entry| !entry.network.is_v6());
        let (v4, v6) = entries.split_at(v6);
        Self {
            v4: Trie::of(v4),
            v6: Trie::of(v6),
            entries: entries.into(),
        }
    }
}

impl fmt::Debug for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressList")
            .field("entries", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
