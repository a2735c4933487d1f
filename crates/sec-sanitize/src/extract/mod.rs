//! Bodies and queries that become values only when all is right with them.

mod read;
mod refused;
#[cfg(feature = "axum")]
mod valid;

#[cfg(test)]
#[cfg(feature = "axum")]
mod tests;

pub use read::{read_form, read_json, read_query};
pub use refused::InputRefusal;
#[cfg(feature = "axum")]
pub use valid::{InputRejection, Valid};
