//! The agreement with Mozilla's HTTP Observatory, over the answers that its scanner gave.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::{Check, Redirect};
use crate::Scheme;

const TABLE: &str = include_str!("observatory.txt");
/// The `Origin` that the scanner sends.
const ORIGIN: &str = "https://http-observatory.security.mozilla.org";

#[derive(Default)]
struct Row<'a> {
    headers: HeaderMap,
    cors: Option<HeaderMap>,
    route: Option<Vec<&'a str>>,
    http_only: bool,
    untrusted: bool,
    html: String,
    score: i32,
    grade: &'a str,
    codes: Vec<&'a str>,
}

/// The codes of an answer without headers come first; a row names those that differ.
fn rows() -> (Vec<&'static str>, Vec<(&'static str, Row<'static>)>) {
    let mut common = Vec::new();
    let mut rows = Vec::new();
    for block in TABLE.split("\n\n") {
        let mut row = Row::default();
        let mut told = false;
        for line in block.lines().filter(|line| !line.starts_with('#')) {
            if let Some(header) = line.strip_prefix("> ") {
                append(&mut row.headers, header);
            } else if let Some(header) = line.strip_prefix("cors> ") {
                append(row.cors.get_or_insert_default(), header);
            } else if line == "cors refused" {
                row.cors = Some(HeaderMap::new());
            } else if let Some(route) = line.strip_prefix("route") {
                row.route = Some(route.split_ascii_whitespace().collect());
            } else if line == "http only" {
                row.http_only = true;
            } else if line == "untrusted" {
                row.untrusted = true;
            } else if let Some(html) = line.strip_prefix("html ") {
                row.html = html.replace("\\n", "\n");
            } else if let Some(all) = line.strip_prefix("all ") {
                common = all.split(' ').collect();
            } else if let Some(told_line) = line.strip_prefix("= ") {
                let mut words = told_line.split(' ');
                row.score = words.next().unwrap().parse().unwrap();
                row.grade = words.next().unwrap();
                row.codes = words.collect();
                told = true;
            } else {
                panic!("cannot read {line}");
            }
        }
        if told {
            rows.push((block, row));
        }
    }
    (common, rows)
}

fn append(headers: &mut HeaderMap, line: &str) {
    let (name, value) = line.split_once(':').unwrap();
    let value = value.strip_prefix(' ').unwrap_or(value);
    headers.append(
        name.parse::<HeaderName>().unwrap(),
        HeaderValue::from_bytes(value.as_bytes()).unwrap(),
    );
}

#[test]
fn agrees_on_score_grade_and_every_outcome() {
    let (common, rows) = rows();
    assert_eq!(common.len(), 10);
    assert!(rows.len() > 900, "{}", rows.len());
    let mut wrong = Vec::new();
    for (text, row) in &rows {
        let mut check = Check::new(&row.headers)
            .host("www.example.com")
            .html(&row.html);
        if let Some(cors) = &row.cors {
            check = check.cors(ORIGIN, cors);
        }
        if let Some(route) = &row.route {
            check = check.redirect(Redirect::of(route));
        }
        if row.http_only {
            check = check.scheme(Scheme::Http);
        }
        if row.untrusted {
            check = check.untrusted_certificate();
        }
        let report = check.run();
        let codes: Vec<_> = report
            .outcomes()
            .iter()
            .map(|outcome| outcome.code())
            .collect();
        let differing: Vec<_> = codes
            .iter()
            .copied()
            .filter(|code| !common.contains(code))
            .collect();
        if (report.score(), report.grade().as_str(), &differing)
            != (row.score, row.grade, &row.codes)
        {
            wrong.push(format!(
                "{text}\n! {} {} {}",
                report.score(),
                report.grade(),
                differing.join(" ")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n\n")
    );
}
