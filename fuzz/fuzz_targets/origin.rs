//! The first line is an origin from a configuration, the second what a browser might send.
//!
//! What is taken for an origin is that origin to the URL standard as well (crate `url`), and names
//! itself however it is spelt; a header names it only if it is the same origin to that standard.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sec_headers::Origin;
use url::Url;

fuzz_target!(|text: &str| {
    let (said, header) = text.split_once('\n').unwrap_or((text, text));
    let Ok(origin) = Origin::parse(said) else {
        return;
    };
    let written = origin.to_string();
    assert_eq!(Origin::parse(&written).as_ref(), Ok(&origin), "{said:?}");
    for spelling in [said, &written, &written.to_ascii_uppercase()] {
        assert!(origin.is_named_by(spelling), "{said:?}: {spelling:?}");
    }

    let standard = Url::parse(said).ok();
    if let Some(url) = &standard {
        assert!(url.username().is_empty() && url.password().is_none());
        assert!(["http", "https"].contains(&url.scheme()), "{said:?}");
        assert!(url.path() == "/" && url.query().is_none() && url.fragment().is_none());
        let port = origin.authority().port();
        let default = origin.scheme().default_port();
        assert_eq!(
            url.port_or_known_default(),
            Some(port.unwrap_or(default)),
            "{said:?}"
        );
    }

    let named = origin.is_named_by(header);
    // Both readings of a header agree: what parses as this origin names it, and nothing else does.
    if let Ok(other) = Origin::parse(header) {
        assert_eq!(named, other == origin, "{said:?} and {header:?}");
    }
    if let (true, Some(url)) = (named, &standard) {
        let other = Url::parse(header).expect("equal text is equally a URL");
        assert_eq!(other.origin(), url.origin(), "{said:?} and {header:?}");
        assert!(other.username().is_empty() && other.password().is_none());
    }
});
