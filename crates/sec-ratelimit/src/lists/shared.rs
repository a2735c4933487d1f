//! A list that can be replaced while it is read.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{AddressList, AddressRule};

/// An [`AddressList`] that layers share and that can be replaced at any time. Clones are the same list.
///
/// [`replace`](Self::replace) swaps a pointer: requests take no lock and never wait for a new list, and each sees
/// the old list or the new one as a whole. Build the new list on a thread where that may take its time (100 000 entries
/// take some tens of milliseconds). When parsing fails, keep what is there.
///
/// ```
/// use sec_ratelimit::{AddressList, SharedAddressList};
///
/// let lists = SharedAddressList::new(AddressList::blocking("203.0.113.0/24")?);
/// let in_the_layer = lists.clone();
/// lists.replace(AddressList::blocking("198.51.100.0/24")?);
/// assert!(in_the_layer.blocks("198.51.100.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SharedAddressList(Arc<ArcSwap<AddressList>>);

impl SharedAddressList {
    /// Shares a list.
    #[must_use]
    pub fn new(list: AddressList) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(list)))
    }

    /// Puts another list in its place, for all clones.
    pub fn replace(&self, list: AddressList) {
        self.0.store(Arc::new(list));
    }

    /// The list of this moment.
    #[must_use]
    pub fn current(&self) -> Arc<AddressList> {
        self.0.load_full()
    }

    /// What [`AddressList::rule`] says at this moment.
    #[must_use]
    pub fn rule(&self, address: IpAddr) -> Option<AddressRule> {
        self.0.load().rule(address)
    }

    /// What [`AddressList::blocks`] says at this moment.
    #[must_use]
    pub fn blocks(&self, address: IpAddr) -> bool {
        self.0.load().blocks(address)
    }
}

impl From<AddressList> for SharedAddressList {
    fn from(list: AddressList) -> Self {
        Self::new(list)
    }
}
