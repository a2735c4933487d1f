#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod drain;
pub mod errors;
pub mod escape;
pub mod extract;
pub mod html;
pub mod json;
mod problem;
pub mod rules;
pub mod text;

pub use self::config::{HtmlConfig, JsonConfig, SanitizeConfig, SanitizeLimits};
pub use self::drain::{DrainBody, DrainFuture, DrainLayer, DrainService};
pub use self::errors::{ErrorLayer, HandlerError};
pub use self::extract::InputRefusal;
#[cfg(feature = "axum")]
pub use self::extract::Valid;
pub use self::html::{Budget, BudgetError, HtmlPolicy, SafeHtml};
pub use self::json::{FieldError, InputError, JsonLimits};
