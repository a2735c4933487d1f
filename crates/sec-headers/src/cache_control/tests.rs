use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn values_are_written_as_meant() {
    for (value, text) in [
        (CacheControl::no_store(), "no-store"),
        (CacheControl::no_cache(), "no-cache"),
        (CacheControl::private_no_cache(), "private, no-cache"),
        (CacheControl::private(MINUTE), "private, max-age=60"),
        (CacheControl::public(MINUTE), "public, max-age=60"),
        (
            CacheControl::immutable_assets(),
            "public, max-age=31536000, immutable",
        ),
        (CacheControl::images(), "public, max-age=86400"),
        (
            CacheControl::public(MINUTE)
                .shared_max_age(MINUTE * 2)
                .stale_while_revalidate(MINUTE * 3)
                .stale_if_error(MINUTE * 4)
                .proxy_revalidate()
                .no_transform(),
            "public, max-age=60, s-maxage=120, stale-while-revalidate=180, stale-if-error=240, \
             proxy-revalidate, no-transform",
        ),
        (
            CacheControl::public(Duration::from_millis(1_999)).must_revalidate(),
            "public, max-age=1, must-revalidate",
        ),
    ] {
        assert_eq!(value.header().unwrap(), text);
        assert_eq!(text.parse::<CacheControl>().unwrap(), value, "{text}");
    }
}

#[test]
fn text_is_read_as_caches_read_it() {
    for (text, written) in [
        ("immutable", "public, max-age=31536000, immutable"),
        ("images", "public, max-age=86400"),
        ("Max-Age=60, PUBLIC", "public, max-age=60"),
        ("public,max-age=060", "public, max-age=60"),
        // The belt and braces of older recipes are redundant, not contradictory.
        (
            "no-store, no-cache, must-revalidate, private, max-age=0",
            "private, no-store, no-cache, max-age=0, must-revalidate",
        ),
        ("max-age=0, must-revalidate", "max-age=0, must-revalidate"),
        ("public, no-cache", "public, no-cache"),
    ] {
        let value: CacheControl = text.parse().unwrap();
        assert_eq!(value.header().unwrap(), written, "{text}");
    }
}

#[test]
fn what_contradicts_itself_or_is_unknown_is_refused() {
    for (text, why) in [
        ("", "is no directive"),
        ("public, max-age=60,", "is no directive"),
        ("public max-age=60", "is no directive"),
        ("publik, max-age=60", "`publik` is no directive"),
        // RFC 9111 section 5.2.2: the argument is one or more digits, without quotes when sent.
        ("max-age=", "whole number"),
        ("max-age=+60", "whole number"),
        ("max-age=-1", "whole number"),
        ("max-age=1h", "whole number"),
        ("max-age=\"60\"", "whole number"),
        ("max-age= 60", "whole number"),
        ("max-age", "needs a number"),
        ("max-age=99999999999999999999", "whole number"),
        ("max-age=2147483649", "above 2147483648"),
        ("max-age=1, max-age=2", "stands twice"),
        ("public, public, max-age=1", "stands twice"),
        ("no-cache=\"set-cookie\"", "takes a value here"),
        ("no-store, public", "`no-store` stands beside"),
        ("no-store, max-age=60", "`no-store` stands beside"),
        ("no-store, immutable", "`no-store` stands beside"),
        ("public, private, max-age=60", "exclude each other"),
        ("private, s-maxage=60", "for shared caches"),
        ("private, max-age=60, proxy-revalidate", "for shared caches"),
        ("public", "needs `max-age`"),
        ("no-cache, max-age=60", "`no-cache` is asked for again"),
        // RFC 8246 section 2: while it is fresh.
        ("public, immutable, s-maxage=60", "while `max-age` lasts"),
        ("max-age=0, immutable", "while `max-age` lasts"),
        // RFC 9111 section 4.2.4.
        (
            "max-age=60, must-revalidate, stale-while-revalidate=60",
            "forbids",
        ),
        ("private, stale-if-error=60", "need `max-age`"),
        ("public, max-age=60\r\nset-cookie: a=b", "whole number"),
    ] {
        let error = text.parse::<CacheControl>().unwrap_err();
        assert!(error.to_string().contains(why), "{text:?}: {error}");
        assert!(error.has(FaultKind::Setting), "{text:?}");
    }
    let error = CacheControl::no_store().immutable().header().unwrap_err();
    assert!(error.has(FaultKind::Setting));
}

proptest! {
    #[test]
    fn what_is_accepted_reads_back_the_same(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "public", "private", "no-store", "no-cache", "immutable", "must-revalidate",
                "proxy-revalidate", "no-transform", "max-age=0", "max-age=60", "s-maxage=60",
                "stale-while-revalidate=5", "stale-if-error=5", "max-age", "x", "",
            ]),
            0..6,
        )
    ) {
        if let Ok(value) = words.join(", ").parse::<CacheControl>() {
            let header = value.header().unwrap();
            let again: CacheControl = header.to_str().unwrap().parse().unwrap();
            prop_assert_eq!(value, again);
            prop_assert!(!(value.is_no_store() && value.is_shared()));
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = text.parse::<CacheControl>();
    }
}
