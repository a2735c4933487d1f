#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

mod address;
mod body;
mod clock;
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub mod config;
mod context;
pub mod duration;
mod event;
mod facts;
pub mod gate;
mod identity;
mod near;
pub mod path;
pub mod problem;
mod secret;
pub mod section;
pub mod text;

pub use self::address::{
    AddrGrouping, AddrGroupingError, AddrPrefix, Authority, AuthorityError, ClientAddress,
    Forwarding, ForwardingError, PeerAddr, ProxyError, Scheme, TrustedProxies,
};
pub use self::body::{Body, BodyEnd, BodyObserver};
pub use self::clock::{Clock, CoarseClock, ManualClock, SystemClock};
pub use self::context::{
    ContextConfig, ContextFuture, ContextLayer, ContextRefusal, ContextService, MissingLayer,
    MissingPeer, NotRecorded, RequestContext, RequestContextBuilder,
};
pub use self::event::{
    CollectingSink, Delivery, EventKind, EventKindError, EventSink, FanOut, Outcome, Receipt,
    SecurityEvent, Severity, TracingSink, UnknownName,
};
pub use self::identity::{AuthMethod, Identity, Principal};
pub use self::path::{PathMap, PathMatch, PathRuleError, PathRules};
pub use self::problem::{OnRefusal, Problem, ProblemRefusal, RequestView, refuse};
pub use self::secret::{Secret, SecretString, constant_time_eq};
pub use self::section::{FieldFault, FieldFaults, Section};
