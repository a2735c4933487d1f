//! One configuration for all layers: TOML files, the environment over them, and every fault at once.
//!
//! ```
//! use std::time::Duration;
//!
//! use sec_core::{FieldFaults, Section, config::Loader};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Headers {
//!     #[serde(with = "sec_core::duration")]
//!     hsts_max_age: Duration,
//!     frame_ancestors: Vec<String>,
//! }
//!
//! impl Default for Headers {
//!     fn default() -> Self {
//!         Self { hsts_max_age: Duration::from_secs(31_536_000), frame_ancestors: Vec::new() }
//!     }
//! }
//!
//! impl Section for Headers {
//!     fn check(&self, faults: &mut FieldFaults) {
//!         if self.hsts_max_age < Duration::from_secs(300) {
//!             faults.add("hsts_max_age", "must be at least 5m");
//!         }
//!     }
//! }
//!
//! #[derive(Default, serde::Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Server {
//!     port: u16,
//! }
//!
//! impl Section for Server {}
//!
//! let file = "[headers]\nhsts_max_age = \"180d\"\n\n[server]\nport = 8080\n";
//! let mut load = Loader::new()
//!     .text("sec.toml", file)? // or `.file("sec.toml")?`
//!     .env_prefix("SEC")
//!     .env_alias("PORT", "server.port")
//!     .env_from([("SEC_HEADERS__FRAME_ANCESTORS", "https://a.example, https://b.example"), ("PORT", "80")]);
//! let headers = load.section::<Headers>("headers");
//! let server = load.section::<Server>("server");
//! let (headers, server) = load.finish((headers, server))?;
//! assert_eq!(headers.frame_ancestors, ["https://a.example", "https://b.example"]);
//! assert_eq!(server.port, 80);
//!
//! // What is wrong comes all at once, each with its line or its variable.
//! let file = "[headers]\nhsts_max_age = \"1m\"\nhsts = true\n";
//! let mut load = Loader::new()
//!     .text("sec.toml", file)?
//!     .env_prefix("SEC")
//!     .env_from([("SEC_SERVER__PORT", "70000")]);
//! let headers = load.section::<Headers>("headers");
//! let server = load.section::<Server>("server");
//! let faults = load.finish((headers, server)).err().ok_or("no faults")?;
//! assert_eq!(
//!     faults.to_string(),
//!     "sec.toml:2: headers.hsts_max_age: must be at least 5m\n\
//!      sec.toml:3: headers.hsts: unknown key, expected one of `hsts_max_age`, `frame_ancestors`\n\
//!      SEC_SERVER__PORT: invalid value: integer `70000`, expected u16",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Variables
//!
//! Behind the prefix two underscores separate section and key, in any case: `SEC_HEADERS__HSTS_MAX_AGE`
//! is `headers.hsts_max_age`. A number is the index of an element that the file has:
//! `SEC_RATELIMIT__TIERS__0__LIMIT` is `ratelimit.tiers[0].limit`. A variable wins over the files. Its
//! text is taken as a string; where no string fits, as a boolean or a number; and at last as a list,
//! divided by commas. Tables that are missing are made.
//!
//! # Faults
//!
//! A value of the wrong type, a key that is missing or unknown (also where the struct itself would
//! ignore it), what [`Section::check`](crate::Section::check) finds, a section that the program does not
//! read, a variable that has the prefix and names nothing. Where a known name is near to one that is not
//! known, it is offered first. What stands somewhere comes before what is missing. A section's own check is left out when a key
//! that it needs is missing. One thing serde hides: a variant without fields of an internally tagged
//! enum (`#[serde(tag = "…")]`) takes any further keys. A reason never holds the value of a key whose name contains `password`,
//! `passwd`, `passphrase`, `secret`, `token`, `key`, `pepper` or `credential`, nor the user and password of a URL.

mod de;
mod env;
mod error;
mod fault;
mod guess;
mod loaded;
mod loader;
mod read;
mod redact;
mod segment;
#[cfg(test)]
mod tests;
mod tree;

pub use fault::{Fault, Faults};
pub use loaded::{Loaded, Unlock};
pub use loader::Loader;
