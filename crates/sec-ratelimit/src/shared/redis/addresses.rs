//! Where a store's servers are.

#[cfg(feature = "redis-cluster")]
use super::cluster::Cluster;
use super::sentinel::Sentinel;
use super::server::{Server, is_secure};
#[cfg(feature = "redis-tls")]
use super::tls::{Tls, TlsSettings};
use super::width::Width;
use super::{RedisStoreError, Servers};

/// The addresses that a host has given. They may hold passwords.
#[derive(Clone)]
pub(super) enum Addresses {
    One(String),
    #[cfg(feature = "redis-cluster")]
    Cluster(Vec<String>),
    Sentinel {
        sentinels: Vec<String>,
        master: String,
    },
}

impl Addresses {
    /// Who answers there. Connects to nothing yet.
    pub(super) fn servers(
        &self,
        width: Width,
        #[cfg(feature = "redis-tls")] settings: &TlsSettings,
    ) -> Result<Servers, RedisStoreError> {
        #[cfg(feature = "redis-tls")]
        let tls = self.tls(settings)?;
        #[cfg(not(feature = "redis-tls"))]
        if self.is_secure() {
            return Err(RedisStoreError::TlsFeature);
        }
        let parse = |url: &str| {
            Server::parse(
                url,
                #[cfg(feature = "redis-tls")]
                tls.as_ref(),
            )
        };
        match self {
            Self::One(url) => {
                let server = parse(url);
                let lanes = server.and_then(|server| width.to(server));
                lanes.map(Servers::One).map_err(RedisStoreError::Url)
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(urls) => {
                let servers: Result<_, _> = urls.iter().map(|url| parse(url)).collect();
                let cluster = servers.and_then(|servers| Cluster::new(servers, width));
                cluster.map(Servers::Cluster).map_err(RedisStoreError::Url)
            }
            Self::Sentinel { sentinels, master } => {
                let of_master = if master.contains("://") {
                    parse(master)
                } else if self.is_secure() {
                    parse(&format!("rediss://{master}"))
                } else {
                    parse(&format!("redis://{master}"))
                };
                let sentinels = sentinels.iter().map(|url| parse(url)).collect();
                let sentinels: Result<Vec<_>, _> = sentinels;
                let sentinel = Sentinel::new(
                    sentinels.map_err(RedisStoreError::Sentinels)?,
                    of_master.map_err(RedisStoreError::Master)?,
                    width.connect_within,
                )?;
                Ok(Servers::One(width.to_master_of(sentinel)))
            }
        }
    }

    /// Read once for all connections; needed by one of the addresses, or a mistake.
    #[cfg(feature = "redis-tls")]
    fn tls(&self, settings: &TlsSettings) -> Result<Option<Tls>, RedisStoreError> {
        if self.is_secure() {
            Tls::new(settings).map(Some)
        } else if settings.is_set() {
            let why = "certificates are set, and no address is `rediss://`";
            Err(RedisStoreError::Tls(why.into()))
        } else {
            Ok(None)
        }
    }

    fn is_secure(&self) -> bool {
        match self {
            Self::One(url) => is_secure(url),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(urls) => urls.iter().any(|url| is_secure(url)),
            Self::Sentinel { sentinels, master } => {
                is_secure(master) || sentinels.iter().any(|url| is_secure(url))
            }
        }
    }
}
