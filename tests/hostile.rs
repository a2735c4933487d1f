//! Every route under requests that no honest client sends: always an answer, never a 5xx, and the service lives on.

use crate::support::{Running, raw};

const ROUTES: [(&str, &str); 17] = [
    ("GET", "/"),
    ("POST", "/auth/signup"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("GET", "/me"),
    ("GET", "/comments"),
    ("POST", "/comments"),
    ("DELETE", "/comments/1"),
    ("GET", "/admin/audit"),
    ("GET", "/admin/audit/export"),
    ("GET", "/admin/limits"),
    ("POST", "/admin/limits/blocks"),
    ("DELETE", "/admin/limits/blocks"),
    ("POST", "/csp-report"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/healthz"),
];

/// What is done to a request: its name, further header lines, the body, and whether *every* route must refuse it.
struct Attack {
    name: &'static str,
    lines: Vec<u8>,
    body: Vec<u8>,
    refused: bool,
}

fn attack(name: &'static str, lines: impl AsRef<[u8]>, body: impl Into<Vec<u8>>) -> Attack {
    Attack {
        name,
        lines: lines.as_ref().to_vec(),
        body: body.into(),
        refused: false,
    }
}

fn refused(name: &'static str, lines: impl AsRef<[u8]>, body: impl Into<Vec<u8>>) -> Attack {
    Attack {
        refused: true,
        ..attack(name, lines, body)
    }
}

fn attacks() -> Vec<Attack> {
    const JSON: &str = "content-type: application/json\r\n";
    let json = |name, body: Vec<u8>| attack(name, JSON, body);
    vec![
        json("no body", vec![]),
        json("not JSON", b"username=x".to_vec()),
        json("JSON that ends early", b"{\"username\":\"".to_vec()),
        json("an array", b"[]".to_vec()),
        json("null", b"null".to_vec()),
        json(
            "wrong types",
            br#"{"username":1,"email":[],"password":{},"body":null}"#.to_vec(),
        ),
        json(
            "unknown keys",
            br#"{"username":"x","role":"admin"}"#.to_vec(),
        ),
        json(
            "the same key twice",
            br#"{"username":"a","username":"b","body":"a","body":"b"}"#.to_vec(),
        ),
        json(
            "NULs",
            b"{\"username\":\"a\\u0000b\",\"body\":\"\0\"}".to_vec(),
        ),
        json("not UTF-8", b"{\"username\":\"\xff\xfe\"}".to_vec()),
        json(
            "a lone surrogate",
            br#"{"username":"\ud800","body":"\udc00"}"#.to_vec(),
        ),
        json(
            "a number beyond any type",
            br#"{"username":1e999999,"body":-1e-999999}"#.to_vec(),
        ),
        json(
            "20,000 levels",
            [b"[".repeat(20_000), b"]".repeat(20_000)].concat(),
        ),
        json("10 MB", vec![b' '; 10_000_000]),
        json(
            "10 MB in one string",
            [
                br#"{"body":""#.as_slice(),
                &vec![b'a'; 10_000_000],
                br#""}"#,
            ]
            .concat(),
        ),
        json(
            "100,000 tags",
            format!("{{\"body\":\"{}\"}}", "<b><p>".repeat(8_000)).into_bytes(),
        ),
        attack(
            "another media type",
            "content-type: text/plain\r\n",
            b"{}".to_vec(),
        ),
        attack(
            "a charset of old",
            "content-type: application/json; charset=utf-7\r\n",
            b"{}".to_vec(),
        ),
        attack(
            "compression",
            "content-type: application/json\r\ncontent-encoding: gzip\r\n",
            b"\x1f\x8b\x08".to_vec(),
        ),
        attack(
            "two content types",
            "content-type: application/json\r\ncontent-type: text/html\r\n",
            b"{}".to_vec(),
        ),
        attack(
            "a header that is not UTF-8",
            b"x-name: \xff\xfe\r\nuser-agent: \x80\r\n",
            vec![],
        ),
        attack(
            "control characters in a header",
            b"user-agent: a\x0bb\r\n",
            vec![],
        ),
        attack(
            "a header of 20 KB",
            format!("x-long: {}\r\n", "a".repeat(20_000)),
            vec![],
        ),
        refused("200 headers", "x-many: 1\r\n".repeat(200), vec![]),
        refused(
            "a token that is none",
            "authorization: Bearer aaaa.bbbb.cccc\r\n",
            vec![],
        ),
        refused(
            "a token of NULs and quotes",
            "authorization: Bearer '\"<>%00\r\n",
            vec![],
        ),
        refused(
            "two tokens",
            "authorization: Bearer a\r\nauthorization: Bearer b\r\n",
            vec![],
        ),
        attack("another scheme", "authorization: Basic YTpi\r\n", vec![]),
        attack(
            "cookies",
            format!(
                "cookie: __Host-refresh=a; __Host-refresh=b; {}\r\n",
                "c=d; ".repeat(500)
            ),
            vec![],
        ),
        attack(
            "another site's origin",
            "origin: https://evil.test\r\nsec-fetch-site: cross-site\r\n",
            vec![],
        ),
        attack(
            "an origin that is none",
            "origin: https://a@b:c/\r\n",
            vec![],
        ),
        attack(
            "forwarding headers",
            "x-forwarded-for: ' OR 1=1, ::1\r\nforwarded: for=\"\r\nx-forwarded-host: evil.test\r\n",
            vec![],
        ),
        refused("a second Host", "host: evil.test\r\n", vec![]),
        attack(
            "an odd Accept",
            "accept: ;;q=9,*/*;q=x\r\naccept-language: \x01\r\n",
            vec![],
        ),
        attack(
            "a request id of its own",
            "x-request-id: <script>\r\n",
            vec![],
        ),
    ]
}

#[tokio::test]
async fn every_route_survives_every_attack() {
    let service = Running::start().await;
    let mut tried = 0;
    for (host, (method, path)) in (0_u8..).zip(ROUTES) {
        for attack in attacks() {
            let mut bytes = format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
                service.addr
            )
            .into_bytes();
            bytes.extend(&attack.lines);
            bytes.extend(format!("content-length: {}\r\n\r\n", attack.body.len()).bytes());
            bytes.extend(&attack.body);
            let reply = raw(service.addr, [200, host], bytes).await;
            let what = format!("{method} {path}: {}", attack.name);
            let reply = reply.unwrap_or_else(|| panic!("{what}: no answer"));
            assert!(reply.status < 500, "{what}: {reply:?}");
            // Sessions are got and ended by password and cookie: there, nobody reads a token.
            let unread = attack.name.contains("token") && path.starts_with("/auth/");
            assert!(
                !attack.refused || unread || reply.status >= 400,
                "{what}: {}",
                reply.status
            );
            assert!(
                reply.status < 400 || reply.is_problem() || reply.body.is_empty(),
                "{what}: {reply:?}"
            );
            tried += 1;
        }
    }
    assert_eq!(tried, ROUTES.len() * attacks().len());
    assert_eq!(
        service
            .client([200, 200])
            .get("/healthz")
            .await
            .unwrap()
            .status,
        200
    );
    assert!(
        service.entries("sys_crash").await.is_empty(),
        "something panicked"
    );
    assert!(
        service.entries("sys_error").await.is_empty(),
        "something failed"
    );
}

#[tokio::test]
async fn targets_and_framing_that_no_client_sends_are_refused() {
    let service = Running::start().await;
    for (name, bytes) in [
        ("no Host", &b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"[..]),
        ("HTTP/1.0 without Host", b"GET / HTTP/1.0\r\n\r\n"),
        ("a Host with a path", b"GET / HTTP/1.1\r\nhost: a/b\r\nconnection: close\r\n\r\n"),
        ("a Host with a user", b"GET / HTTP/1.1\r\nhost: a@b\r\nconnection: close\r\n\r\n"),
        ("a target that disagrees", b"GET http://a.test/ HTTP/1.1\r\nhost: b.test\r\nconnection: close\r\n\r\n"),
        ("a NUL in the path", b"GET /\0 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        ("a method that is none", b"G<T / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        ("a method nobody has", b"PURGE / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        ("a version nobody has", b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n"),
        ("two lengths", b"POST /comments HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab"),
        ("a negative length", b"POST /comments HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\nconnection: close\r\n\r\n"),
        ("a chunk that is none", b"POST /comments HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        ("traversal", b"GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        ("encoded traversal", b"GET /%2e%2e%2fetc%2fpasswd HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        ("an id that is none", b"DELETE /comments/%00' HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        ("a filter that is none", b"GET /admin/audit?limit=-1&from=%ff%00 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
    ] {
        let reply = raw(service.addr, [201, 1], bytes.to_vec()).await;
        let reply = reply.unwrap_or_else(|| panic!("{name}: no answer"));
        assert!((400..500).contains(&reply.status), "{name}: {reply:?}");
        assert!(reply.is_problem() || reply.body.is_empty(), "{name}: {reply:?}");
    }
    assert_eq!(
        service
            .client([201, 2])
            .get("/healthz")
            .await
            .unwrap()
            .status,
        200
    );
    assert!(
        service.entries("sys_crash").await.is_empty(),
        "something panicked"
    );
}
