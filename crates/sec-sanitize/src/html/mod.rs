//! HTML from strangers: policies on ammonia, with a budget in front.

mod budget;
mod builder;
mod error;
mod names;
mod policy;
mod presets;
mod safe;
mod scan;
mod token;
mod url;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use builder::{HtmlPolicyBuilder, LinkTarget};
pub use error::{BudgetConfigError, BudgetError, BudgetKind, PolicyError};
pub use policy::HtmlPolicy;
pub use safe::SafeHtml;
pub use scan::{Scan, scan};
pub use url::check_link;

#[cfg(test)]
use policy::policy_passes;
