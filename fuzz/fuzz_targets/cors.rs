//! The first line of the input is a list of origins as `ALLOWED_ORIGINS` has it; each further line is
//! an `Origin` header.
//!
//! What the list takes it also grants, what is granted is an origin that the list names or covers, and
//! nothing is granted that a browser would read as another host.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, Method, Request, header};
use libfuzzer_sys::fuzz_target;
use sec_core::{RequestContext, RequestView, Scheme};
use sec_headers::{Cors, CorsVerdict, Origin};

const APP: &str = "https://app.example";
const BELOW: &str = ".tenants.example";

static FIXED: LazyLock<Cors> = LazyLock::new(|| {
    let cors = Cors::builder().origins([APP, "https://*.tenants.example"]);
    cors.credentials(true).mirror_headers().build().unwrap()
});
static CONTEXT: LazyLock<RequestContext> = LazyLock::new(|| {
    let context = RequestContext::builder().scheme(Scheme::Https);
    context.authority("api.example").unwrap().build()
});

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    if let Ok(list) = std::str::from_utf8(lines.next().unwrap_or_default())
        && let Ok(cors) = Cors::builder().origins_text(list).build()
    {
        for entry in list.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let meant = entry.replace('*', "a");
            if let Ok(origin) = HeaderValue::from_str(&meant)
                && meant.len() < 200
            {
                let verdict = decide(&cors, origin);
                assert!(matches!(verdict, CorsVerdict::Allowed(_)), "{entry}");
            }
        }
    }
    for line in lines {
        let Ok(origin) = HeaderValue::from_bytes(line) else {
            continue;
        };
        let verdict = decide(&FIXED, origin.clone());
        let mut headers = HeaderMap::new();
        FIXED.apply(&mut headers, &verdict);
        let granted = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        let trusted = headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        assert_eq!(granted.is_some(), trusted);
        assert_eq!(headers[header::VARY], "Origin");

        // The same line as a list of request headers: it comes back whole, or not at all.
        let mut asked = HeaderMap::new();
        asked.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, origin.clone());
        let mut answer = HeaderMap::new();
        FIXED.apply_preflight(&mut answer, &asked, &CorsVerdict::Allowed(origin));
        if let Some(names) = answer.get(header::ACCESS_CONTROL_ALLOW_HEADERS) {
            let names = names.to_str().unwrap().split(',');
            for name in names.map(|name| name.trim_matches([' ', '\t'])) {
                assert!(name != "*" && Method::from_bytes(name.as_bytes()).is_ok());
            }
        }
        let Some(granted) = granted else {
            continue;
        };
        let granted = Origin::parse(granted.to_str().unwrap()).unwrap();
        let host = granted.authority().host();
        let below = host.strip_suffix(BELOW).is_some_and(|labels| {
            labels.split('.').all(|label| {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                !label.is_empty() && label.bytes().all(allowed)
            })
        });
        assert!(granted.scheme().is_https() && granted.authority().port().is_none());
        assert!(host == "app.example" || below, "{host}");
    }
});

fn decide(cors: &Cors, origin: HeaderValue) -> CorsVerdict {
    let mut request = Request::new(());
    request.headers_mut().insert(header::ORIGIN, origin);
    cors.decide(RequestView::from(&request), &CONTEXT)
}
