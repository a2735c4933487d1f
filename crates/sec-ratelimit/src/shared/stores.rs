//! The stores of a service by the names that its configuration file uses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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
pub struct SharedStores(BTreeMap<String, Arc<dyn SharedStore>>);

impl SharedStores {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a store. A name that was there before means this one now.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, store: Arc<dyn SharedStore>) -> Self {
        self.0.insert(name.into(), store);
        self
    }

    /// The store of this name.
    ///
    /// # Errors
    ///
    /// When there is none, with the names that there are.
    pub fn get(&self, name: &str) -> Result<Arc<dyn SharedStore>, ConfigError> {
        self.0.get(name).cloned().ok_or_else(|| {
            let names: Vec<_> = self.0.keys().map(String::as_str).collect();
            let expected = if names.is_empty() {
                "no name, since the service has registered no store".into()
            } else {
                names.join(", ")
            };
            ConfigError::new("store", ConfigErrorKind::Unknown { expected })
        })
    }
}

impl fmt::Debug for SharedStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
