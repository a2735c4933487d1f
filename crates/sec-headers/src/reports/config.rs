use std::time::Duration;

use sec_core::{FieldFaults, Section};
use serde::Deserialize;

use super::ReportLimits;
use crate::config::report;
use crate::error::{Fault, FaultKind, PolicyError};

/// The section `[reports]`: the bounds of [`ReportReceiver`](crate::ReportReceiver).
///
/// ```toml
/// [reports]
/// window = "5m"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ReportsConfig {
    /// Bytes of a body. Default: 131072.
    pub body_limit: usize,
    /// Reports in a body. Default: 100.
    pub report_limit: usize,
    /// Characters of each text. Default: 512.
    pub text_limit: usize,
    /// For how long equal reports are counted. Default: `"60s"`.
    #[serde(with = "sec_core::duration")]
    pub window: Duration,
    /// How many different reports of a window are told apart. Default: 64.
    pub different: usize,
}

impl Default for ReportsConfig {
    fn default() -> Self {
        let limits = ReportLimits::default();
        Self {
            body_limit: limits.body,
            report_limit: limits.reports,
            text_limit: limits.text,
            window: Duration::from_secs(60),
            different: 64,
        }
    }
}

impl ReportsConfig {
    pub(super) fn checked(&self) -> Result<(), PolicyError> {
        let faults = [
            ("body_limit", self.body_limit),
            ("report_limit", self.report_limit),
            ("text_limit", self.text_limit),
            ("different", self.different),
        ]
        .into_iter()
        .filter(|(_, limit)| *limit == 0)
        .map(|(field, _)| {
            Fault::new(
                field,
                FaultKind::Setting,
                "is zero, which refuses everything",
            )
        });
        PolicyError::unless_empty(faults.collect(), ())
    }
}

impl Section for ReportsConfig {
    fn check(&self, faults: &mut FieldFaults) {
        report(self.checked().err(), faults);
    }
}
