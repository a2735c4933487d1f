//! Errors that tell the caller nothing internal and the trail everything.

mod cause;
mod convert;
mod future;
mod handler;
mod layer;
mod settings;

#[cfg(test)]
mod tests;

pub use cause::ErrorCause;
pub use future::ErrorFuture;
pub use handler::HandlerError;
pub use layer::{ErrorLayer, ErrorService};
