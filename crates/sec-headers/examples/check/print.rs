//! The report for people and for programs.

use std::fmt::Write as _;

use http::header::CONTENT_TYPE;
use sec_headers::check::{Grade, Report, Severity, Standing};

use super::client::Answer;

const WIDTH: usize = 6;

/// With what was not asked, so that nobody takes it for tested.
pub(crate) fn json(
    answer: &Answer,
    report: &Report,
    untested: &[String],
    doubt: Option<&str>,
) -> String {
    let value = serde_json::json!({
        "url": answer.uri.to_string(),
        "status": answer.status.as_u16(),
        "graded": no_page(answer),
        "report": report,
        "note": doubt,
        "untested": untested,
    });
    format!("{value:#}\n")
}

/// What was graded, if it is not a page that somebody sees: its grade says little of the pages.
fn no_page(answer: &Answer) -> Option<String> {
    let kind = answer.headers.get(CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or("no content type");
    let kind = kind.split(';').next().unwrap_or(kind).trim();
    let pages = ["text/html", "application/xhtml+xml"];
    let html = pages.iter().any(|page| page.eq_ignore_ascii_case(kind));
    let what = match (html, answer.status.is_success()) {
        (true, true) => return None,
        (true, false) => "not a success",
        (false, _) => "not a page",
    };
    Some(format!("{}, {kind}: {what}", answer.status.as_u16()))
}

pub(crate) fn text(
    answer: &Answer,
    report: &Report,
    untested: &[String],
    doubt: Option<&str>,
    colours: bool,
) -> String {
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
    if let Some(what) = no_page(answer) {
        let _ = writeln!(out, "{} {what}", paint.plain(YELLOW, "graded:"));
    }
    if let Some(doubt) = doubt {
        let _ = writeln!(out, "{} {doubt}", paint.plain(YELLOW, "note:"));
    }
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
    let _ = writeln!(out);
    let mut bonus = false;
    for outcome in report.outcomes() {
        let word = match outcome.standing() {
            Standing::Met => paint.plain(GREEN, "ok    "),
            Standing::NotThere => paint.dim("none  "),
            _ => continue,
        };
        let points = match outcome.points() {
            0 => String::new(),
            points => format!(" (+{points})"),
        };
        bonus |= outcome.points() > 0;
        let _ = writeln!(out, "{word} {}{points}", outcome.code());
    }
    for what in untested {
        let _ = writeln!(out, "{} {what}", paint.dim("not tested:"));
    }
    for what in report.assumed() {
        let _ = writeln!(out, "{} {what}", paint.dim("assumed:"));
    }
    if bonus {
        let _ = writeln!(
            out,
            "{} (+…) counts only where 90 points are left after all that is taken off",
            paint.dim("points:")
        );
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
