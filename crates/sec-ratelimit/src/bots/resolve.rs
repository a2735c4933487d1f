//! Forward-confirmed reverse DNS.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// The host's DNS library, as far as bots need it. Called in the background only.
pub trait Resolver: Send + Sync + 'static {
    /// The names of an address: its PTR records.
    fn names(&self, address: IpAddr) -> Lookup<'_, String>;

    /// The addresses of a name: its A and AAAA records. The name is in lower case, without a last dot.
    fn addresses<'a>(&'a self, name: &'a str) -> Lookup<'a, IpAddr>;
}

/// The future of a look-up.
pub type Lookup<'a, T> = Pin<Box<dyn Future<Output = Result<Vec<T>, ResolveError>> + Send + 'a>>;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The name, or a record of the kind, does not exist (`NXDOMAIN`, no data): that is an answer.
    #[error("there is no such record")]
    NotFound,
    /// Nobody knows (`SERVFAIL`, no connection): it is tried again later.
    #[error("the look-up failed")]
    Failed,
}

pub(super) enum Confirmed {
    Yes,
    No,
}

/// More names than this no crawler's address has.
const MOST_NAMES: usize = 8;

/// Whether a name of the address lies under one of the domains and resolves to the address.
pub(super) async fn confirm(
    resolver: &dyn Resolver,
    address: IpAddr,
    domains: &[Box<str>],
) -> Result<Confirmed, ResolveError> {
    let names = match resolver.names(address).await {
        Ok(names) => names,
        Err(ResolveError::NotFound) => return Ok(Confirmed::No),
        Err(error) => return Err(error),
    };
    let mut failed = None;
    for name in names.iter().take(MOST_NAMES) {
        let Some(name) = host_name(name) else {
            continue;
        };
        if !domains.iter().any(|domain| is_under(&name, domain)) {
            continue;
        }
        match resolver.addresses(&name).await {
            Ok(found) => {
                let same = |found: &IpAddr| found.to_canonical() == address;
                if found.iter().any(same) {
                    return Ok(Confirmed::Yes);
                }
            }
            Err(ResolveError::NotFound) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(Confirmed::No), Err)
}

/// The name in lower case, without a last dot; none for what is not a host's name (RFC 1123 §2.1).
pub(super) fn host_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_name = name.len() <= 253 && name.split('.').all(is_label);
    is_name.then(|| name.to_ascii_lowercase())
}

/// Whole labels: `evilgooglebot.com` is not under `googlebot.com`.
fn is_under(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}
