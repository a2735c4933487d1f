use std::borrow::Cow;
use std::fmt;

use http::HeaderName;
use sec_core::text::log_safe;
use serde::Serialize;

use super::Input;
use super::score::{Grade, Outcome, score};

/// How many findings without points a report holds; whoever has more knows enough. With those of the
/// ten tests, which are always there, it makes 200.
const MAX_UNSCORED: usize = 190;
/// How much of a header is repeated in a finding.
const MAX_EXCERPT: usize = 60;

/// What [`check`](super::check()) found. Its `Display` tells all of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    grade: Grade,
    score: i32,
    findings: Vec<Finding>,
    /// Findings beyond the number that a report holds.
    left_out: usize,
    outcomes: Vec<Outcome>,
    assumed: Vec<&'static str>,
}

impl Report {
    pub(super) fn new(
        mut outcomes: Vec<Outcome>,
        findings: Findings,
        accepted: &[&str],
        assumed: Vec<&'static str>,
    ) -> Self {
        let score = score(&outcomes);
        let Findings {
            mut list, left_out, ..
        } = findings;
        list.retain(|finding| !accepted.contains(&finding.code));
        for outcome in &mut outcomes {
            outcome.compare(&list);
        }
        // Stable: within a severity they stay in the order of the headers.
        list.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.points));
        Self {
            grade: Grade::of(score),
            score,
            findings: list,
            left_out,
            outcomes,
            assumed,
        }
    }

    /// The grade, by the Observatory's chart.
    #[must_use]
    pub const fn grade(&self) -> Grade {
        self.grade
    }

    /// The score, from 0; 100 and more is A+.
    #[must_use]
    pub const fn score(&self) -> i32 {
        self.score
    }

    /// What is wrong, the worst first. At most 200.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How the tests of the Observatory ended, passed ones included.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// What was taken for granted because nobody said it.
    #[must_use]
    pub fn assumed(&self) -> &[&'static str] {
        &self.assumed
    }

    /// Whether nothing was found, with points or without.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.left_out == 0
    }

    /// Whether there is a finding of this [code](Finding::code).
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "grade {}, {} points", self.grade, self.score)?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if self.left_out > 0 {
            writeln!(f, "and {} more", self.left_out)?;
        }
        for assumed in &self.assumed {
            writeln!(f, "assumed: {assumed}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    severity: Severity,
    header: &'static str,
    code: &'static str,
    why: Cow<'static, str>,
    mend: &'static str,
    points: i32,
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// The header that it is about.
    #[must_use]
    pub const fn header(&self) -> &'static str {
        self.header
    }

    /// A stable name: the Observatory's where it costs points there.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong. What it repeats of a header is bounded and safe to log.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What would be right.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        self.mend
    }

    /// Points that it takes off: 0 or less.
    #[must_use]
    pub const fn points(&self) -> i32 {
        self.points
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<6} {}: {}", self.severity, self.header, self.why)?;
        if self.points != 0 {
            write!(f, " ({} points)", self.points)?;
        }
        write!(f, ". {} [{}]", self.mend, self.code)
    }
}

/// How bad a [`Finding`] is. `High` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Untidy, or a help to an attacker who has something else.
    Low,
    /// A defence is missing or has no effect.
    Medium,
    /// An attack is open.
    High,
}

impl Severity {
    /// As it is written: `high`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Findings while they are collected.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    unscored: usize,
    left_out: usize,
}

impl Findings {
    pub(super) fn has(&self, code: &str) -> bool {
        self.list.iter().any(|finding| finding.code == code)
    }

    /// One that the Observatory does not have.
    pub(super) fn add(
        &mut self,
        severity: Severity,
        header: &'static str,
        code: &'static str,
        why: impl Into<Cow<'static, str>>,
        mend: &'static str,
    ) {
        if self.unscored < MAX_UNSCORED {
            let known = self.list.len();
            self.scored(severity, header, code, why, mend, 0);
            if self.list.len() > known {
                self.unscored = self.unscored.saturating_add(1);
            }
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// One of the Observatory's. The same one is told once.
    pub(super) fn scored(
        &mut self,
        severity: Severity,
        header: &'static str,
        code: &'static str,
        why: impl Into<Cow<'static, str>>,
        mend: &'static str,
        points: i32,
    ) {
        #[cfg(test)]
        assert!(super::CODES.contains(&code), "{code} is not listed");
        let finding = Finding {
            severity,
            header,
            code,
            why: why.into(),
            mend,
            points,
        };
        if !self.list.contains(&finding) {
            self.list.push(finding);
        }
    }
}

/// Why a header that says one thing, once, was not read.
pub(super) fn not_read(input: &Input<'_>, name: HeaderName, what: &str) -> String {
    let values: Vec<_> = input.values(name).collect();
    match values.as_slice() {
        [value] => format!("{} is {what}", excerpt(value)),
        _ => format!("was sent {} times", values.len()),
    }
}

/// What a header said, to be repeated in a finding.
pub(super) fn excerpt(text: &str) -> String {
    // `log_safe` reads no further than it writes, but the copy should not be long either.
    let head: String = text.chars().take(MAX_EXCERPT.saturating_add(1)).collect();
    format!("`{}`", log_safe(&head, MAX_EXCERPT))
}
