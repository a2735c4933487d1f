//! Browsers, proxies and bytes.

use axum::body::Bytes;
use hyper::Method;
use serde_json::json;

use super::client::Failure;
use super::report::Row;
use super::{Tour, Wanted};

impl Tour {
    pub(super) async fn transport(&mut self) -> Result<(), Failure> {
        self.page().await?;
        self.foreign_host().await?;
        self.cross_origin().await?;
        self.violation_report().await?;
        self.unknown_targets().await?;
        self.rude_bytes().await
    }

    async fn page(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let answer = caller.get("/").await?;
        let again = caller.get("/").await?;
        let policy = answer.header("content-security-policy");
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next())
            .unwrap_or("none");
        let page = String::from_utf8_lossy(&answer.body);
        let also = [
            (
                "nothing is allowed by default",
                policy.contains("default-src 'none'"),
            ),
            ("no unsafe-inline", !policy.contains("unsafe-inline")),
            (
                "the page has the nonce",
                page.contains(&format!("<script nonce=\"{nonce}\">")),
            ),
            (
                "a nonce is used once",
                !again.header("content-security-policy").contains(nonce),
            ),
            (
                "nosniff",
                answer.header("x-content-type-options") == "nosniff",
            ),
            (
                "no HSTS over plain http",
                answer.header("strict-transport-security").is_empty(),
            ),
        ];
        self.judge(
            "open the page",
            &answer,
            Wanted {
                status: 200,
                also: &also,
                entry: None,
            },
        )
        .await
    }

    async fn foreign_host(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let headers = [("host", "evil.test")];
        let answer = caller
            .send(Method::GET, "/", &headers, Bytes::new())
            .await?;
        let also = [(
            "headers on refusals too",
            !answer.header("content-security-policy").is_empty(),
        )];
        self.judge(
            "ask under a name that is not ours",
            &answer,
            Wanted {
                status: 421,
                also: &also,
                entry: Some("malicious_host"),
            },
        )
        .await
    }

    async fn cross_origin(&mut self) -> Result<(), Failure> {
        let victim = self.member("victoria").await?;
        for (tried, headers) in [
            (
                "log out from another site (Fetch Metadata)",
                [
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://evil.test"),
                ],
            ),
            (
                "the same, from an older browser",
                [("accept", "*/*"), ("origin", "https://evil.test")],
            ),
            (
                "the same, from a sandboxed frame",
                [("accept", "*/*"), ("origin", "null")],
            ),
        ] {
            let mut caller = self.stranger();
            caller.cookie.clone_from(&victim.cookie);
            let answer = caller
                .send(Method::POST, "/auth/logout", &headers, Bytes::new())
                .await?;
            let wanted = Wanted {
                status: 403,
                also: &[],
                entry: Some("malicious_csrf"),
            };
            self.judge(tried, &answer, wanted).await?;
        }
        let answer = victim.post("/auth/refresh", &json!({})).await?;
        let wanted = Wanted {
            status: 200,
            also: &[],
            entry: None,
        };
        self.judge("find the victim still logged in", &answer, wanted)
            .await
    }

    async fn violation_report(&mut self) -> Result<(), Failure> {
        let browser = self.stranger();
        let report = json!({"csp-report": {
            "document-uri": "http://127.0.0.1:3000/",
            "violated-directive": "script-src-elem",
            "effective-directive": "script-src-elem",
            "blocked-uri": "https://evil.test/x.js",
            "disposition": "enforce",
        }});
        let headers = [("content-type", "application/csp-report")];
        let answer = browser
            .send(
                Method::POST,
                "/csp-report",
                &headers,
                report.to_string().into(),
            )
            .await?;
        let wanted = Wanted {
            status: 204,
            also: &[],
            entry: Some("csp_violation"),
        };
        self.judge("report a violation of the policy", &answer, wanted)
            .await
    }

    async fn unknown_targets(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let answer = caller.get("/.git/config").await?;
        let also = [(
            "headers on refusals too",
            !answer.header("content-security-policy").is_empty(),
        )];
        self.judge(
            "ask for what is not there",
            &answer,
            Wanted {
                status: 404,
                also: &also,
                entry: None,
            },
        )
        .await?;
        let answer = caller.delete("/me").await?;
        let also = [("Allow", !answer.header("allow").is_empty())];
        self.judge(
            "use a method that is not there",
            &answer,
            Wanted {
                status: 405,
                also: &also,
                entry: None,
            },
        )
        .await
    }

    /// What no HTTP library would send.
    async fn rude_bytes(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let rows: [(&str, &[u8]); 5] = [
            ("no Host", b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"),
            (
                "two Hosts",
                b"GET / HTTP/1.1\r\nhost: a.test\r\nhost: b.test\r\nconnection: close\r\n\r\n",
            ),
            (
                "a Host that is not the target's",
                b"GET http://a.test/ HTTP/1.1\r\nhost: b.test\r\nconnection: close\r\n\r\n",
            ),
            (
                "a NUL in the path",
                b"GET /\0 HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n",
            ),
            ("what is not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
        ];
        for (tried, bytes) in rows {
            let status = caller.raw(bytes).await?;
            let faults = if status == 400 {
                Vec::new()
            } else {
                vec!["wanted 400".to_owned()]
            };
            self.rows.push(Row::new(
                &format!("send {tried}"),
                status.to_string(),
                "-".to_owned(),
                faults,
            ));
        }
        let answer = caller.get("/healthz").await?;
        self.judge(
            "find the service still answering",
            &answer,
            Wanted {
                status: 200,
                also: &[],
                entry: None,
            },
        )
        .await
    }
}
