//! Points in time as they are stored and written: UTC, whole microseconds, always the same width.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last microsecond that RFC 3339 can say with four digits for the year.
const LAST: Duration = Duration::new(253_402_300_799, 999_999_000);

/// Cuts a time to whole microseconds between 1970 and 9999.
///
/// Microseconds are what databases keep (a finer time comes back changed, and a hash over it would call
/// an untouched entry tampered with); the range is what the text form can hold.
pub(crate) fn cut(at: SystemTime) -> SystemTime {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().min(LAST);
    let micros = since.subsec_micros().saturating_mul(1000);
    UNIX_EPOCH
        .checked_add(Duration::new(since.as_secs(), micros))
        .unwrap_or(UNIX_EPOCH)
}

/// `2026-01-02T03:04:05.000006Z`, as RFC 3339 has it.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_micros(cut(at)).to_string()
}

/// `20260102T030405Z`, for file names.
pub(crate) fn compact(at: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(cut(at)).to_string();
    text.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// Reads RFC 3339 in UTC (`Z` or `+00:00`), and a bare day as its first moment.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    if text.len() == 10 {
        return humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok();
    }
    humantime::parse_rfc3339(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_the_same_width() {
        let base = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        for (nanos, text) in [
            (0, "2026-01-02T03:04:05.000000Z"),
            (6_000, "2026-01-02T03:04:05.000006Z"),
            (123_456_789, "2026-01-02T03:04:05.123456Z"),
        ] {
            assert_eq!(rfc3339(base + Duration::from_nanos(nanos)), text);
        }
        assert_eq!(compact(base), "20260102T030405Z");
    }

    /// A clock before 1970 or far in the future makes `humantime` panic or fail.
    #[test]
    fn a_wild_clock_is_no_panic() {
        assert_eq!(
            rfc3339(UNIX_EPOCH - Duration::from_secs(9)),
            "1970-01-01T00:00:00.000000Z"
        );
        let far = UNIX_EPOCH + Duration::from_secs(300_000_000_000);
        assert_eq!(rfc3339(far), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let at = cut(SystemTime::now());
        assert_eq!(parse(&rfc3339(at)), Some(at));
        assert_eq!(
            parse("2026-01-02").map(rfc3339).as_deref(),
            Some("2026-01-02T00:00:00.000000Z")
        );
        for wrong in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-01-02T03:04:05+02:00",
            "١٠-٠١-٢٠٢٦ ٠٣:٠٤",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
