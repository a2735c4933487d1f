#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        reason = "a test that overflows or slices wrongly fails"
    )
)]

mod auth;
mod config;
mod key;
mod password;
mod permissions;
mod refresh;
mod service;
mod token;

pub use self::{
    auth::*, config::*, key::*, password::*, permissions::*, refresh::*, service::*, token::*,
};
