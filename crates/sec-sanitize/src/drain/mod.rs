//! Refusals that reach clients which are still sending.
//!
//! A server that answers before it has read the whole body, and then closes, makes the client's system drop the answer
//! along with the connection: a client that writes first and reads later sees a reset instead of the 413, 401 or
//! 429 (RFC 9112 §9.6 describes the hazard). [`DrainLayer`] reads on, and throws away, up to a bound, before the answer goes
//! out.

mod body;
mod bounds;
mod future;
mod layer;
#[cfg(test)]
mod tests;

pub use self::body::DrainBody;
pub use self::future::DrainFuture;
pub use self::layer::{DrainLayer, DrainService};
