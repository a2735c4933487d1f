//! The quickstart over real HTTP: what the tour does not show.

use std::io::{Read, Write};
use std::net::SocketAddr;

use quickstart::tour;
use sec_headers::check::{Grade, check};
use serde_json::json;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{ADMIN_PASSWORD, PASSWORD, Running};

#[tokio::test]
async fn the_tour_prints_only_passes() {
    let service = Running::start().await;
    assert!(
        tour::run(service.app.clone(), service.addr, ("admin", ADMIN_PASSWORD))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn the_matrix_of_roles_decides_who_deletes() {
    let service = Running::start().await;
    service.sign_up("alice").await;
    let hash = service
        .app
        .passwords
        .hash(sec_core::Secret::new(PASSWORD.to_owned()))
        .await
        .unwrap();
    service.app.users.add("marge", "moderator", hash).unwrap();
    let alice = service.logged_in("alice", PASSWORD, [1, 1]).await;
    let marge = service.logged_in("marge", PASSWORD, [1, 2]).await;
    let admin = service.logged_in("admin", ADMIN_PASSWORD, [1, 3]).await;
    let nobody = service.client([1, 4]);
    for (who, status) in [(&nobody, 401), (&marge, 204), (&admin, 204), (&alice, 204)] {
        let comment = alice
            .post("/comments", &json!({"body": "mine"}))
            .await
            .unwrap()
            .json();
        let path = format!("/comments/{}", comment["id"]);
        assert_eq!(who.delete(&path).await.unwrap().status, status);
    }
    assert_eq!(
        alice.delete("/comments/999").await.unwrap().status,
        403,
        "who may not learns nothing"
    );
    assert_eq!(admin.delete("/comments/999").await.unwrap().status, 404);
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_stay_logged_in() {
    let service = Running::start().await;
    service.sign_up("tabby").await;
    let tab = service.logged_in("tabby", PASSWORD, [1, 1]).await;
    let (one, two) = (tab.clone(), tab);
    let none = json!({});
    let (one, two) = tokio::join!(
        one.post("/auth/refresh", &none),
        two.post("/auth/refresh", &none)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
    assert_eq!(one.cookie(), two.cookie(), "both have the same successor");
    assert!(service.entries("authn_token_reuse").await.is_empty());
}

#[tokio::test]
async fn logging_out_ends_the_session_and_clears_the_cookie() {
    let service = Running::start().await;
    service.sign_up("lena").await;
    let lena = service.logged_in("lena", PASSWORD, [1, 1]).await;
    let answer = lena.post("/auth/logout", &json!({})).await.unwrap();
    assert!(answer.status.is_success());
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert!(
        answer.header("clear-site-data").starts_with('"'),
        "values are quoted"
    );
    assert_eq!(
        lena.post("/auth/refresh", &json!({})).await.unwrap().status,
        401
    );
}

#[tokio::test]
async fn a_new_log_in_is_a_new_session_and_ends_the_old_one() {
    let service = Running::start().await;
    service.sign_up("sam").await;
    let first = service.logged_in("sam", PASSWORD, [1, 1]).await;
    // The same browser logs in again, bringing its cookie: ASVS 7.2.4.
    let answer = first
        .post(
            "/auth/login",
            &json!({"username": "sam", "password": PASSWORD}),
        )
        .await
        .unwrap();
    assert_ne!(answer.cookie(), first.cookie);
    assert_ne!(answer.access_token(), first.token);
    assert_eq!(
        first
            .post("/auth/refresh", &json!({}))
            .await
            .unwrap()
            .status,
        401
    );
}

#[tokio::test]
async fn behind_a_tls_front_the_page_is_told_so() {
    let service = Running::with(|settings| {
        settings.context.forwarding = "x-forwarded".to_owned();
        settings.context.trusted_proxies = vec!["127.0.0.1".to_owned()];
        settings.host.hosts = vec!["guests.example".to_owned(), "127.0.0.1:*".to_owned()];
        settings.host.redirect_to_https = true;
    })
    .await;
    let headers = [
        ("x-forwarded-for", "198.51.100.4"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "guests.example"),
    ];
    let front = service.client([0, 1]);
    let page = front
        .send(hyper::Method::GET, "/", &headers, bytes::Bytes::new())
        .await
        .unwrap();
    assert!(
        page.header("strict-transport-security")
            .starts_with("max-age=31536000")
    );
    assert!(
        page.header("content-security-policy")
            .contains("upgrade-insecure-requests")
    );
    let report = check(&page.headers);
    assert!(
        report.grade() == Grade::APlus && report.is_clean(),
        "{report}"
    );
    // Who came to the front over plain http is sent on; health checks are not.
    let over_http = [headers[0], ("x-forwarded-proto", "http"), headers[2]];
    for (path, status) in [("/comments?before=7", 308), ("/healthz", 200)] {
        let answer = front
            .send(hyper::Method::GET, path, &over_http, bytes::Bytes::new())
            .await
            .unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.header("strict-transport-security").is_empty());
        if status == 308 {
            assert_eq!(
                answer.header("location"),
                "https://guests.example/comments?before=7"
            );
        }
    }
    // Whoever is not the front is not believed.
    let liar = service.client([0, 2]);
    let page = liar
        .send(hyper::Method::GET, "/", &headers, bytes::Bytes::new())
        .await
        .unwrap();
    assert!(page.header("strict-transport-security").is_empty());
    // The cookie that a browser keeps on the loopback never goes to anybody else.
    service.sign_up("tessa").await;
    let form = json!({"username": "tessa", "password": PASSWORD}).to_string();
    let json = [
        ("content-type", "application/json"),
        headers[0],
        headers[1],
        headers[2],
    ];
    let answer = front
        .send(hyper::Method::POST, "/auth/login", &json, form.into())
        .await
        .unwrap();
    assert!(
        answer.header("set-cookie").starts_with("__Host-refresh="),
        "{}",
        answer.header("set-cookie")
    );
    assert!(answer.header("set-cookie").contains("; Secure"));
    let entry = &service.entries("authn_login_success").await[0];
    assert!(entry.to_string().contains("198.51.100.4"), "{entry}");
}

/// OWASP Authentication Cheat Sheet: "incorrectly implemented error messages" and their timing.
#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_look_alike() {
    let service = Running::start().await;
    service.sign_up("known").await;
    let try_as = async |name: &str, host| {
        let form = json!({"username": name, "password": "not the password"});
        let answer = service
            .client(host)
            .post("/auth/login", &form)
            .await
            .unwrap();
        let mut names: Vec<_> = answer
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        names.sort();
        (answer.status, names, answer.body)
    };
    assert_eq!(
        try_as("known", [1, 1]).await,
        try_as("unknown", [1, 2]).await
    );
}

#[tokio::test]
async fn the_keys_verify_the_tokens() {
    let service = Running::start().await;
    service.sign_up("kay").await;
    let kay = service.logged_in("kay", PASSWORD, [1, 1]).await;
    let jwks = kay.get("/.well-known/jwks.json").await.unwrap();
    assert_eq!(jwks.status, 200);
    let set: serde_json::Value = jwks.json();
    assert_eq!(
        (&set["keys"][0]["kty"], &set["keys"][0]["crv"]),
        (&json!("OKP"), &json!("Ed25519"))
    );
    assert!(
        set["keys"][0].get("d").is_none(),
        "the private half stays inside"
    );
    let set = serde_json::from_value(set).unwrap();
    let (keys, refused) = sec_tokens::KeySet::from_jwks(&set);
    assert!(refused.is_empty());
    let issuer = service.app.settings.tokens.issuer.as_str();
    let audience = service.app.settings.tokens.audience.as_str();
    let verifier: sec_tokens::Verifier = sec_tokens::Verifier::new(keys, issuer, audience).unwrap();
    let token = verifier
        .verify(kay.token.as_deref().unwrap(), std::time::SystemTime::now())
        .unwrap();
    assert_eq!(token.principal().roles().collect::<Vec<_>>(), ["user"]);
}

/// Argon2 with 64 MiB each: a flood of log-ins must be shed, not served from all memory.
#[tokio::test]
async fn a_flood_of_log_ins_is_shed_with_503_and_the_service_lives_on() {
    let service = Running::with(|settings| {
        settings.passwords.concurrency = Some(1);
        settings.passwords.waiting = Some(2);
    })
    .await;
    let mut flood = tokio::task::JoinSet::new();
    for host in 0..60 {
        let client = service.client([3, host]);
        let form = json!({"username": format!("user{host}"), "password": "whatever it is"});
        flood.spawn(async move { client.post("/auth/login", &form).await.unwrap() });
    }
    let answers = flood.join_all().await;
    let shed: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert!(!shed.is_empty(), "nothing was shed");
    assert!(shed.iter().all(|answer| {
        answer
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|s| s >= 1)
    }));
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status.as_u16(), 401 | 503))
    );
    assert_eq!(
        service.client([4, 1]).get("/healthz").await.unwrap().status,
        200
    );
}

#[tokio::test]
async fn the_trail_pages_filters_and_exports() {
    let service = Running::start().await;
    for name in ["anna", "bert", "cleo"] {
        service.sign_up(name).await;
    }
    let admin = service.logged_in("admin", ADMIN_PASSWORD, [1, 1]).await;
    let page = admin
        .get("/admin/audit?action=user_created&limit=2")
        .await
        .unwrap()
        .json();
    assert_eq!(page["entries"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = admin
        .get(&format!(
            "/admin/audit?action=user_created&limit=2&cursor={cursor}"
        ))
        .await
        .unwrap()
        .json();
    assert_eq!(rest["entries"].as_array().unwrap().len(), 1);
    let tampered = format!("/admin/audit?action=user_created&cursor=x{cursor}");
    assert_eq!(admin.get(&tampered).await.unwrap().status, 400);
    assert_eq!(
        admin
            .get("/admin/audit?acton=user_created")
            .await
            .unwrap()
            .status,
        400
    );
    let json = admin
        .get("/admin/audit/export?format=json&action=user_created")
        .await
        .unwrap();
    assert_eq!(json.json().as_array().unwrap().len(), 3);
    assert_eq!(
        admin
            .get("/admin/audit/export?format=xml")
            .await
            .unwrap()
            .status,
        400
    );
    let nobody: SocketAddr = service.addr;
    assert_eq!(
        quickstart::tour::client::Client::new(nobody, [1, 9])
            .get("/admin/audit")
            .await
            .unwrap()
            .status,
        401
    );
}

/// A client that writes everything before it reads sees the answer, not a reset, wherever it is refused.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let service = Running::start().await;
    let addr = service.addr;
    for (target, header, status) in [
        ("POST /comments", "content-type: application/json", "401"),
        ("POST /auth/login", "content-type: application/json", "413"),
        ("POST /auth/logout", "origin: https://evil.test", "403"),
        ("POST /nowhere", "accept: */*", "404"),
        ("POST /me", "accept: */*", "405"),
        ("POST /me", "authorization: Bearer forged", "401"),
        ("POST /me", "host: second.test", "400"),
    ] {
        let exchange = move || {
            let mut stream = std::net::TcpStream::connect(addr).unwrap();
            let head = format!(
                "{target} HTTP/1.1\r\nhost: localhost\r\n{header}\r\ncontent-length: 10000000\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&vec![b'a'; 10_000_000]).unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            String::from_utf8_lossy(&answer[9..]).into_owned()
        };
        assert_eq!(
            tokio::task::spawn_blocking(exchange).await.unwrap(),
            status,
            "{target} {header}"
        );
    }
}

/// An access token outlives its session's page: it must not be in the way of ending or renewing the session.
#[tokio::test]
async fn a_token_that_has_expired_neither_keeps_a_session_alive_nor_ends_it() {
    let service = Running::start().await;
    service.sign_up("olga").await;
    let mut olga = service
        .logged_in("olga", PASSWORD, [1, 1])
        .await
        .with_token("expired");
    assert_eq!(olga.get("/me").await.unwrap().status, 401);
    let answer = olga.post("/auth/refresh", &json!({})).await.unwrap();
    assert_eq!(answer.status, 200);
    olga.cookie = answer.cookie();
    let answer = olga.post("/auth/logout", &json!({})).await.unwrap();
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(
        olga.post("/auth/refresh", &json!({})).await.unwrap().status,
        401
    );
}

#[tokio::test]
async fn a_flood_of_sign_ups_is_limited_and_keeps_nobody_from_logging_in() {
    // More at once than one address usually may, or it is that which limits the flood.
    let service = Running::with(|settings| settings.limits.at_once.limit = 200).await;
    service.sign_up("early").await;
    let mut flood = tokio::task::JoinSet::new();
    for account in 0..120 {
        let client = service.client([5, 1]);
        let form = json!({
            "username": format!("bot{account}"), "email": format!("bot{account}@example.com"), "password": PASSWORD,
        });
        flood.spawn(async move {
            client
                .post("/auth/signup", &form)
                .await
                .unwrap()
                .status
                .as_u16()
        });
    }
    for host in 0..5 {
        service.logged_in("early", PASSWORD, [6, host]).await;
    }
    let statuses = flood.join_all().await;
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 201).count() <= 100);
}

#[tokio::test]
async fn asking_what_a_route_can_do_costs_no_quota() {
    let service = Running::start().await;
    service.sign_up("otto").await;
    let otto = service.logged_in("otto", PASSWORD, [1, 1]).await;
    for _ in 0..30 {
        let answer = otto
            .send(
                hyper::Method::OPTIONS,
                "/comments",
                &[],
                bytes::Bytes::new(),
            )
            .await
            .unwrap();
        assert_eq!(answer.status, 405);
    }
    assert_eq!(
        otto.post("/comments", &json!({"body": "hello"}))
            .await
            .unwrap()
            .status,
        201
    );
}

#[tokio::test]
async fn a_flood_of_requests_does_not_push_failed_log_ins_out_of_the_trail() {
    let service = Running::with(|settings| settings.audit.capacity = 200).await;
    let guesser = service.client([7, 1]);
    for guess in 0..5 {
        let form = json!({"username": "victim", "password": format!("guess {guess}")});
        assert_eq!(
            guesser.post("/auth/login", &form).await.unwrap().status,
            401
        );
    }
    for _ in 0..800 {
        guesser.get("/healthz").await.unwrap();
    }
    assert_eq!(service.entries("authn_login_fail").await.len(), 5);
    assert!(service.app.trail.stats().evicted.requests > 500);
}

#[tokio::test]
async fn a_stop_lets_running_requests_finish() {
    let service = Running::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(
        service
            .app
            .clone()
            .serve(listener, async move { stopped.await.unwrap() }),
    );
    // The head and half of the body: the request is running, and cannot end before the rest comes.
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let body = json!({"username": "nobody", "password": "whatever it is"}).to_string();
    let head = format!(
        "POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The service says that it is reading.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"));
    stop.send(()).unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 401"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    serving.await.unwrap().unwrap();
    assert!(
        tokio::net::TcpStream::connect(addr).await.is_err(),
        "nobody is taken any more"
    );
}
