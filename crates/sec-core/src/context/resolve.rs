//! From a request to its facts.

use std::net::IpAddr;

use http::header::{HOST, HeaderMap, USER_AGENT};
use http::{HeaderName, HeaderValue, Uri};
use uuid::Uuid;

use super::refusal::ContextRefusal;
use super::settings::Settings;
use crate::address::Resolved;
use crate::facts::Facts;
use crate::problem::RequestView;
use crate::{Authority, PeerAddr, Scheme, text};

const MOST_AGENT_CHARS: usize = 256;
const MOST_ID_BYTES: usize = 128;

/// The plain decision behind the layer.
pub(super) fn facts(
    settings: &Settings,
    request: RequestView<'_>,
) -> Result<Facts, ContextRefusal> {
    let peer = peer(request)
        .or(settings.missing_peer)
        .ok_or(ContextRefusal::NoPeer)?
        .to_canonical();
    let Resolved {
        client,
        scheme,
        host,
        trusted_peer,
    } = settings.address.resolve(peer, request.headers);
    let scheme = scheme.unwrap_or(settings.connection);
    let own = own_authority(request.uri, request.headers, scheme)?;
    let authority = match host {
        Some(host) => Authority::parse(&host, scheme)?,
        None => own,
    };
    let given = || accepted_id(request.headers, &settings.request_id);
    let request_id = if trusted_peer { given() } else { None };
    let tenant = settings
        .tenant
        .as_ref()
        .and_then(|find| find(request, &authority));
    Ok(Facts {
        peer,
        client,
        client_group: settings.grouping.group(client),
        scheme,
        authority,
        request_id: request_id.unwrap_or_else(fresh_request_id),
        user_agent: user_agent(request.headers),
        method: request.method.clone(),
        target: request.uri.path_and_query().cloned(),
        tenant: tenant.map(Into::into),
    })
}

pub(super) fn peer(request: RequestView<'_>) -> Option<IpAddr> {
    let own = request.extensions.get::<PeerAddr>().map(|peer| peer.0.ip());
    #[cfg(feature = "axum")]
    let own = own.or_else(|| {
        let info = request
            .extensions
            .get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()?;
        Some(info.0.ip())
    });
    own
}

/// `:authority` or the absolute form, else `Host`; never a choice between two that differ.
fn own_authority(
    uri: &Uri,
    headers: &HeaderMap,
    scheme: Scheme,
) -> Result<Authority, ContextRefusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(ContextRefusal::RepeatedHost);
    }
    let host = host
        .map(|host| host.to_str().map_err(|_| crate::AuthorityError::Host))
        .transpose()?;
    let host = host
        .map(|host| Authority::parse(host, scheme))
        .transpose()?;
    let target = uri
        .authority()
        .map(|target| Authority::parse(target.as_str(), scheme))
        .transpose()?;
    match (target, host) {
        (Some(target), Some(host)) if target != host => Err(ContextRefusal::ConflictingHost),
        (Some(authority), _) | (None, Some(authority)) => Ok(authority),
        (None, None) => Err(ContextRefusal::NoHost),
    }
}

/// An id from a trusted proxy, when it is one that a log line and a header can hold.
fn accepted_id(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let id = lines.next().filter(|_| lines.next().is_none())?;
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let bytes = id.as_bytes();
    (!bytes.is_empty() && bytes.len() <= MOST_ID_BYTES && bytes.iter().all(allowed))
        .then(|| id.clone())
}

pub(super) fn fresh_request_id() -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text = Uuid::now_v7().as_hyphenated().encode_lower(&mut buffer);
    // Hexadecimal digits and hyphens are always a header value.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

fn user_agent(headers: &HeaderMap) -> Option<Box<str>> {
    let agent = headers.get(USER_AGENT)?;
    Some(bounded_agent(&String::from_utf8_lossy(agent.as_bytes())))
}

pub(super) fn bounded_agent(agent: &str) -> Box<str> {
    text::log_safe(agent, MOST_AGENT_CHARS).into()
}
