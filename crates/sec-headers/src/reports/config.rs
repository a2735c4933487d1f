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
    /// Bytes of a body, at most 16777216. Default: 131072.
    pub body_limit: usize,
    /// Reports in a body, at most 10000. Default: 100.
    pub report_limit: usize,
    /// Characters of each text, at most 65536. Default: 512.
    pub text_limit: usize,
    /// For how long equal reports are counted, from one second to a day. Default: `"60s"`.
    #[serde(with = "sec_core::duration")]
    pub window: Duration,
    /// How many different reports of a window are told apart, at most 10000. Default: 64.
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

/// The shortest and the longest window.
pub(super) const WINDOW: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(86_400));

/// How many different reports may be told apart at most.
pub(super) const DIFFERENT: usize = 10_000;

impl ReportsConfig {
    pub(super) fn checked(&self) -> Result<(), PolicyError> {
        let fault = |field, message: String| Fault::new(field, FaultKind::Setting, message);
        let mut faults = Vec::new();
        for (field, limit, most) in [
            ("body_limit", self.body_limit, 16 * 1024 * 1024),
            ("report_limit", self.report_limit, 10_000),
            ("text_limit", self.text_limit, 65_536),
            ("different", self.different, DIFFERENT),
        ] {
            if limit == 0 {
                faults.push(fault(field, "is zero, which refuses everything".to_owned()));
            } else if limit > most {
                let message = format!("is no bound any more: {most} is the most that makes sense");
                faults.push(fault(field, message));
            }
        }
        if self.window < WINDOW.0 {
            let message = "is below one second, which counts nothing together";
            faults.push(fault("window", message.to_owned()));
        } else if self.window > WINDOW.1 {
            let message = "is longer than a day, after which nobody needs the number any more";
            faults.push(fault("window", message.to_owned()));
        }
        PolicyError::unless_empty(faults, ())
    }
}

impl Section for ReportsConfig {
    fn check(&self, faults: &mut FieldFaults) {
        report(self.checked().err(), faults);
    }
}
