//! What is known of a request and never changes.

use std::net::IpAddr;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method};

use crate::{AddrPrefix, Authority, Scheme};

/// The immutable part; events hold it on.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) peer: IpAddr,
    pub(crate) client: IpAddr,
    pub(crate) client_group: AddrPrefix,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) request_id: HeaderValue,
    pub(crate) user_agent: Option<Box<str>>,
    pub(crate) method: Method,
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) tenant: Option<Box<str>>,
}

impl Facts {
    pub(crate) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.target.as_ref().map_or("", PathAndQuery::path)
    }
}
