//! The report for people and for programs.

use std::fmt::Write as _;

use sec_headers::check::{Grade, Report, Severity};

use super::client::Answer;

const WIDTH: usize = 6;

/// With what was not asked, so that nobody takes it for tested.
pub(crate) fn json(answer: &Answer, report: &Report, untested: &[String]) -> String {
    let value = serde_json::json!({
        "url": answer.uri.to_string(),
        "status": answer.status.as_u16(),
        "report": report,
        "untested": untested,
    });
    format!("{value:#}\n")
}

pub(crate) fn text(answer: &Answer, report: &Report, untested: &[String], colours: bool) -> String {
    let paint = Paint(colours);
    let mut out = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(
        out,
        "{}  {} points  {} ({})",
        paint.bold(
            grade_colour(report.grade()),
            &format!(" {} ", report.grade())
        ),
        report.score(),
        answer.uri,
        answer.status.as_u16(),
    );
    for finding in report.findings() {
        let severity = format!("{:<WIDTH$}", finding.severity().as_str());
        let points = match finding.points() {
            0 => String::new(),
            points => format!(" ({points})"),
        };
        let _ = writeln!(
            out,
            "\n{} {}: {}{points}\n{:WIDTH$} {} {}",
            paint.bold(severity_colour(finding.severity()), &severity),
            finding.header(),
            finding.why(),
            "",
            finding.mend(),
            paint.dim(&format!("[{}]", finding.code())),
        );
    }
    let good = report
        .outcomes()
        .iter()
        .filter(|outcome| !report.has(outcome.code()));
    let _ = writeln!(out);
    for outcome in good {
        let points = match outcome.points() {
            0 => String::new(),
            points => format!(" (+{points} where 90 are left)"),
        };
        let _ = writeln!(
            out,
            "{} {}{points}",
            paint.plain(GREEN, "ok    "),
            outcome.code()
        );
    }
    for what in untested {
        let _ = writeln!(out, "{} {what}", paint.dim("not tested:"));
    }
    for what in report.assumed() {
        let _ = writeln!(out, "{} {what}", paint.dim("assumed:"));
    }
    out
}

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const BLUE: u8 = 34;

fn grade_colour(grade: Grade) -> u8 {
    if grade >= Grade::AMinus {
        GREEN
    } else if grade >= Grade::CMinus {
        YELLOW
    } else {
        RED
    }
}

fn severity_colour(severity: Severity) -> u8 {
    match severity {
        Severity::High => RED,
        Severity::Medium => YELLOW,
        _ => BLUE,
    }
}

/// ANSI sequences, or nothing.
struct Paint(bool);

impl Paint {
    fn bold(&self, colour: u8, text: &str) -> String {
        self.wrap(&format!("1;{colour}"), text)
    }

    fn plain(&self, colour: u8, text: &str) -> String {
        self.wrap(&colour.to_string(), text)
    }

    fn dim(&self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(&self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
