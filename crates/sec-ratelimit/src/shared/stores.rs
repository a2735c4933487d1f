//! The stores of a service by the names that its configuration file uses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::blocks::BlockStore;
use super::store::SharedStore;
use crate::{ConfigError, ConfigErrorKind};

/// The stores that a service has, by name: a configuration file says `store = "redis"`, and code says
/// what that is.
///
/// ```
/// use std::sync::Arc;
/// use sec_ratelimit::{MemoryStore, SharedLimitConfig, SharedStores};
///
/// let stores = SharedStores::new().with("redis", Arc::new(MemoryStore::new()));
/// let config: SharedLimitConfig = serde_json::from_str(r#"{
///     "name": "api",
///     "store": "redis",
///     "secret": "0123456789abcdef0123456789abcdef",
///     "on_store_error": {"local": 3},
///     "tiers": [
///         {"name": "service", "limit": 5000, "per": "1s", "algorithm": "gcra", "key": "global",
///          "lease": {"units": 100, "for_at_most": "500ms"}},
///         {"name": "caller", "preset": "api", "key": "principal-or-ip"}
///     ]
/// }"#)?;
/// let layer = config.layer(&stores)?;
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct SharedStores {
    counters: BTreeMap<String, Arc<dyn SharedStore>>,
    blocks: BTreeMap<String, Arc<dyn BlockStore>>,
}

impl SharedStores {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a store. A name that was there before means this one now.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, store: Arc<dyn SharedStore>) -> Self {
        self.counters.insert(name.into(), store);
        self
    }

    /// Adds a store for the blocks that processes share, such as a [`MemoryStore`](crate::MemoryStore) again, which is
    /// both. A name that was there before means this one now.
    #[must_use]
    pub fn with_blocks(mut self, name: impl Into<String>, store: Arc<dyn BlockStore>) -> Self {
        self.blocks.insert(name.into(), store);
        self
    }

    /// The store of this name.
    ///
    /// # Errors
    ///
    /// When there is none, with the names that there are.
    pub fn get(&self, name: &str) -> Result<Arc<dyn SharedStore>, ConfigError> {
        named(&self.counters, name)
    }

    /// The store for blocks of this name.
    ///
    /// # Errors
    ///
    /// When there is none, with the names that there are.
    pub fn blocks(&self, name: &str) -> Result<Arc<dyn BlockStore>, ConfigError> {
        named(&self.blocks, name)
    }
}

fn named<S: Clone>(stores: &BTreeMap<String, S>, name: &str) -> Result<S, ConfigError> {
    stores.get(name).cloned().ok_or_else(|| {
        let names: Vec<_> = stores.keys().map(String::as_str).collect();
        let expected = if names.is_empty() {
            "no name, since the service has registered no such store".into()
        } else {
            names.join(", ")
        };
        let name = name.to_owned();
        ConfigError::new("store", ConfigErrorKind::NoSuchStore { name, expected })
    })
}

impl fmt::Debug for SharedStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStores")
            .field("counters", &self.counters.keys())
            .field("blocks", &self.blocks.keys())
            .finish()
    }
}
