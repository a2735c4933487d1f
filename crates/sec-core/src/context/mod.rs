//! What is known of a request (C1): resolved once by one layer, read by all others.

mod builder;
mod config;
mod layer;
mod refusal;
mod request;
mod resolve;
mod service;
mod services;
mod settings;
#[cfg(test)]
mod tests;

pub use self::builder::RequestContextBuilder;
pub use self::config::ContextConfig;
pub use self::layer::ContextLayer;
pub use self::refusal::{ContextRefusal, MissingLayer, NotRecorded};
pub use self::request::RequestContext;
pub use self::service::{ContextFuture, ContextService};
pub use self::settings::MissingPeer;
