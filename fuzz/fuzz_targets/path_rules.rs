//! The first line of the input is the path; each further line is a rule, included behind `+` and
//! excluded behind `-`.
//!
//! However the next hop may read a path: when what it reads is protected, so is the path as it came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sec_core::path::PathRules;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let path = lines.next().unwrap_or_default();
    let (mut include, mut exclude) = (Vec::new(), Vec::new());
    for line in lines {
        match line.split_at_checked(1) {
            // An encoded rule is compared as it is written: it has no reading of its own.
            Some((_, rule)) if rule.contains('%') => {}
            Some(("+", rule)) => include.push(rule),
            Some(("-", rule)) => exclude.push(rule),
            _ => {}
        }
    }
    let Ok(rules) = PathRules::from_lists(&include, &exclude) else {
        return;
    };
    let is_protected = |path: &str| {
        (include.is_empty() || include.iter().any(|rule| covers(rule, path)))
            && !exclude.iter().any(|rule| covers(rule, path))
    };
    for reading in readings(path) {
        assert!(
            !is_protected(&reading) || rules.applies(path),
            "{path:?} is not protected and can be read as {reading:?}, which is"
        );
    }
    // The honest neighbour: a plain path means what it says.
    let is_plain = path.starts_with('/')
        && !path.contains("//")
        && path
            .bytes()
            .all(|byte| byte == b'/' || byte.is_ascii_alphanumeric());
    if is_plain {
        assert_eq!(rules.applies(path), is_protected(path), "{path:?}");
    }
});

fn covers(rule: &str, path: &str) -> bool {
    let prefix = rule.trim_end_matches('*').trim_end_matches('/');
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What servers, proxies and file systems are known to make of a path, in any combination.
fn readings(path: &str) -> Vec<String> {
    let steps: [fn(&str) -> Option<String>; 7] = [
        decode,
        decode,
        |path| Some(path.replace('\\', "/")),
        |path| Some(path.split(['?', '#', '\0']).next()?.to_owned()),
        |path| Some(each_segment(path, |part| part.split(';').next())),
        |path| {
            Some(format!(
                "/{}",
                each_segment(path, |part| Some(part).filter(|p| !p.is_empty()))
            ))
        },
        |path| Some(without_dots(path)),
    ];
    let mut readings = vec![path.to_owned()];
    for step in steps {
        let more: Vec<_> = readings.iter().filter_map(|path| step(path)).collect();
        readings.extend(more);
        readings.sort();
        readings.dedup();
    }
    readings
}

fn each_segment<'a>(path: &'a str, keep: impl Fn(&'a str) -> Option<&'a str>) -> String {
    path.split('/')
        .filter_map(keep)
        .collect::<Vec<_>>()
        .join("/")
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." if kept.len() > 1 => drop(kept.pop()),
            ".." => {}
            segment => kept.push(segment),
        }
    }
    kept.join("/")
}

/// Percent-decoded once; `None` when that is no text.
fn decode(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let mut digit = || char::from(ahead.next()?).to_digit(16);
        match (byte, digit(), digit()) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).ok()?);
                bytes = ahead;
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok()
}
