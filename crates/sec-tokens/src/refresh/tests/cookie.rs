//! The cookie alone.

use http::{HeaderMap, HeaderValue, header};
use sec_core::{Authority, Scheme};

use super::*;

#[test]
fn the_cookie_is_locked_down() {
    let token = RefreshToken::generate().unwrap();
    let text = token.expose().to_string();
    let cookie = RefreshCookie::new();
    let set = cookie.set(&token, Duration::from_secs(90));
    assert!(set.is_sensitive());
    assert_eq!(
        set,
        format!("__Host-refresh={text}; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Strict")
    );
    let clear = cookie.clear();
    assert_eq!(
        clear,
        "__Host-refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
    );

    let development = cookie.insecure_for_loopback_development();
    let set = development.set(&token, Duration::from_secs(90));
    assert_eq!(
        set,
        format!("refresh={text}; Path=/; Max-Age=90; HttpOnly; SameSite=Strict")
    );
}

#[test]
fn the_development_cookie_never_leaves_the_loopback() {
    let secure = RefreshCookie::new();
    let development = secure.insecure_for_loopback_development();
    let client = |cookie: RefreshCookie, scheme, host| {
        cookie.for_client(scheme, &Authority::parse(host, scheme).unwrap())
    };
    for host in [
        "localhost",
        "localhost:3000",
        "app.localhost",
        "127.0.0.1:80",
        "[::1]:3000",
    ] {
        assert_eq!(
            client(development, Scheme::Http, host),
            development,
            "{host}"
        );
        assert_eq!(client(development, Scheme::Https, host), secure, "{host}");
        assert_eq!(client(secure, Scheme::Http, host), secure, "{host}");
    }
    for host in [
        "example.com",
        "localhost.example.com",
        "notlocalhost",
        "192.168.0.1",
        "0.0.0.0",
    ] {
        assert_eq!(client(development, Scheme::Http, host), secure, "{host}");
    }
}

#[test]
fn the_cookie_is_found_in_any_line_and_never_guessed() {
    let token = RefreshToken::generate().unwrap();
    let text = token.expose().to_string();
    let read = |lines: &[String]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                header::COOKIE,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        let read = RefreshCookie::new().read(&headers);
        read.map(|token| token.map(|token| token.expose().to_string()))
    };
    let one = format!("__Host-refresh={text}");
    let found = Ok(Some(text.clone()));
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&["a=b; c".into()]), Ok(None));
    assert_eq!(read(&[format!("a=b;{one};c=d")]), found);
    assert_eq!(read(&["a=b".into(), "x=y; q=é".into(), one.clone()]), found);
    // Names that only look like it (`__host-` is another name; `refresh` can be planted).
    for other in [
        "refresh",
        "__host-refresh",
        "__Host-refresh2",
        "x__Host-refresh",
    ] {
        assert_eq!(read(&[format!("{other}={text}")]), Ok(None), "{other}");
    }
    assert_eq!(
        read(&[format!("{one}; {one}")]),
        Err(CookieError::Duplicate)
    );
    assert_eq!(
        read(&[one.clone(), "__Host-refresh=x".into()]),
        Err(CookieError::Duplicate)
    );
    for bad in ["", "x", &format!("\"{text}\""), &format!("{text}="), "é"] {
        assert_eq!(
            read(&[format!("__Host-refresh={bad}")]),
            Err(CookieError::Malformed),
            "{bad}"
        );
    }
}
