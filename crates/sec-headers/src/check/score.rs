use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::frames::FRAMED_BY_ANYONE;
use super::report::{Finding, Findings, Severity};

/// Where everybody starts.
const BASE: i32 = 100;
/// Below this, bonus points are not counted.
const FOR_BONUS: i32 = 90;

/// The ten tests of the HTTP Observatory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Test {
    /// `Content-Security-Policy`, in the header and in `<meta>`.
    ContentSecurityPolicy,
    /// `Set-Cookie`.
    Cookies,
    /// `Access-Control-Allow-Origin`.
    CrossOriginResourceSharing,
    /// From http to https.
    Redirection,
    /// `Referrer-Policy`.
    ReferrerPolicy,
    /// `Strict-Transport-Security`.
    StrictTransportSecurity,
    /// `integrity` of scripts.
    SubresourceIntegrity,
    /// `X-Content-Type-Options`.
    XContentTypeOptions,
    /// `X-Frame-Options`, or `frame-ancestors`.
    XFrameOptions,
    /// `Cross-Origin-Resource-Policy`.
    CrossOriginResourcePolicy,
}

/// How one test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outcome {
    test: Test,
    code: &'static str,
    points: i32,
    standing: Standing,
    #[serde(skip)]
    header: &'static str,
}

/// What an [`Outcome`] is worth to a reader. Points do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Standing {
    /// The answer does what the test asks for.
    Met,
    /// There is nothing to judge, which costs nothing: no cookie, no header.
    NotThere,
    /// It follows from what was [assumed](super::Report::assumed), not from the answer.
    Assumed,
    /// It costs nothing there, but a finding of at least [`Severity::Medium`] is about the same header.
    Contradicted,
    /// A finding says what is wrong, unless it was [accepted](super::Check::accept).
    Missed,
}

impl Outcome {
    /// Which test.
    #[must_use]
    pub const fn test(&self) -> Test {
        self.test
    }

    /// The Observatory's name of the outcome: `csp-not-implemented`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Points that it takes off, or adds where 90 are left.
    #[must_use]
    pub const fn points(&self) -> i32 {
        self.points
    }

    /// Whether it was met, was not there, was only assumed, is contradicted, or was missed.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// The same, where nobody asked for what would have told it.
    pub(super) const fn assumed_if(mut self, assumed: bool) -> Self {
        if assumed && matches!(self.standing, Standing::Met | Standing::NotThere) {
            self.standing = Standing::Assumed;
        }
        self
    }

    /// Takes into account what else was found of its header.
    pub(super) fn compare(&mut self, findings: &[Finding]) {
        let contradicts = |finding: &Finding| {
            let same = finding.header() == self.header
                || self.test == Test::XFrameOptions && finding.code() == FRAMED_BY_ANYONE;
            same && finding.severity() >= Severity::Medium
        };
        let open = matches!(self.standing, Standing::Met | Standing::NotThere);
        if open && findings.iter().any(contradicts) {
            self.standing = Standing::Contradicted;
        }
    }
}

/// One line of the Observatory's score table, and what we say of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    code: &'static str,
    points: i32,
    absent: bool,
    /// Severity, what is wrong, how to mend it; `None` where nothing is wrong.
    fault: Option<(Severity, &'static str, &'static str)>,
}

impl Verdict {
    pub(super) const fn good(code: &'static str, points: i32) -> Self {
        Self {
            code,
            points,
            absent: false,
            fault: None,
        }
    }

    /// Nothing is there, and nothing is wrong with that.
    pub(super) const fn absent(code: &'static str) -> Self {
        Self {
            code,
            points: 0,
            absent: true,
            fault: None,
        }
    }

    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, and with what.
    pub(super) fn why_of(&self, what: &str) -> Option<String> {
        self.fault.map(|(_, why, _)| format!("{what}: {why}"))
    }

    pub(super) const fn bad(
        severity: Severity,
        code: &'static str,
        points: i32,
        why: &'static str,
        mend: &'static str,
    ) -> Self {
        Self {
            code,
            points,
            absent: false,
            fault: Some((severity, why, mend)),
        }
    }

    /// Writes down the finding, if it is one.
    pub(super) fn record(self, test: Test, header: &'static str, to: &mut Findings) -> Outcome {
        self.record_because(None, test, header, to)
    }

    /// The same, with the cause that applied where there are several.
    pub(super) fn record_because(
        self,
        cause: Option<String>,
        test: Test,
        header: &'static str,
        to: &mut Findings,
    ) -> Outcome {
        if let Some((severity, why, mend)) = self.fault {
            let why = cause.map_or(Cow::Borrowed(why), Cow::Owned);
            to.scored(severity, header, self.code, why, mend, self.points);
        }
        Outcome {
            test,
            code: self.code,
            points: self.points,
            standing: match self.fault {
                Some(_) => Standing::Missed,
                None if self.absent => Standing::NotThere,
                None => Standing::Met,
            },
            header,
        }
    }
}

/// The score of these outcomes; never below 0.
pub(super) fn score(outcomes: &[Outcome]) -> i32 {
    let sum = |keep: fn(i32) -> bool| -> i32 {
        let points = outcomes.iter().map(|outcome| outcome.points);
        points.filter(|points| keep(*points)).sum()
    };
    let base = BASE.saturating_add(sum(|points| points < 0));
    let all = if base >= FOR_BONUS {
        base.saturating_add(sum(|points| points > 0))
    } else {
        base
    };
    all.max(0)
}

/// A letter for a score, by the Observatory's chart. `APlus` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum Grade {
    /// Below 25.
    F,
    /// 25 to 29.
    #[serde(rename = "D-")]
    DMinus,
    /// 30 to 39.
    D,
    /// 40 to 44.
    #[serde(rename = "D+")]
    DPlus,
    /// 45 to 49.
    #[serde(rename = "C-")]
    CMinus,
    /// 50 to 59.
    C,
    /// 60 to 64.
    #[serde(rename = "C+")]
    CPlus,
    /// 65 to 69.
    #[serde(rename = "B-")]
    BMinus,
    /// 70 to 79.
    B,
    /// 80 to 84.
    #[serde(rename = "B+")]
    BPlus,
    /// 85 to 89.
    #[serde(rename = "A-")]
    AMinus,
    /// 90 to 99.
    A,
    /// 100 and more.
    #[serde(rename = "A+")]
    APlus,
}

impl Grade {
    const ALL: [(Self, i32, &'static str); 13] = [
        (Self::APlus, 100, "A+"),
        (Self::A, 90, "A"),
        (Self::AMinus, 85, "A-"),
        (Self::BPlus, 80, "B+"),
        (Self::B, 70, "B"),
        (Self::BMinus, 65, "B-"),
        (Self::CPlus, 60, "C+"),
        (Self::C, 50, "C"),
        (Self::CMinus, 45, "C-"),
        (Self::DPlus, 40, "D+"),
        (Self::D, 30, "D"),
        (Self::DMinus, 25, "D-"),
        (Self::F, 0, "F"),
    ];

    /// The grade of a score.
    #[must_use]
    pub fn of(score: i32) -> Self {
        let row = Self::ALL.iter().find(|(_, from, _)| score >= *from);
        row.map_or(Self::F, |(grade, _, _)| *grade)
    }

    /// As it is written: `A+`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let row = Self::ALL.iter().find(|(grade, _, _)| *grade == self);
        row.map_or("F", |(_, _, text)| text)
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Grade {
    type Err = UnknownGrade;

    /// Reads `A+` to `F`, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownGrade> {
        let row = Self::ALL
            .iter()
            .find(|(_, _, name)| name.eq_ignore_ascii_case(text));
        row.map(|(grade, _, _)| *grade).ok_or(UnknownGrade(()))
    }
}

/// A text that is no [`Grade`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownGrade(());

impl fmt::Display for UnknownGrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a grade is one of A+ A A- B+ B B- C+ C C- D+ D D- F")
    }
}

impl std::error::Error for UnknownGrade {}
