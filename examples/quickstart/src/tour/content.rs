//! What users send in, and what they may touch.

use axum::body::Bytes;
use hyper::Method;
use serde_json::json;

use super::client::Failure;
use super::{Tour, Wanted};

impl Tour {
    pub(super) async fn content(&mut self) -> Result<(), Failure> {
        self.script_in_a_comment().await?;
        self.somebody_elses_comment().await?;
        self.malformed_bodies().await?;
        self.too_many_writes().await?;
        self.audit_trail().await
    }

    async fn script_in_a_comment(&mut self) -> Result<(), Failure> {
        let member = self.member("mallory").await?;
        let attack = r#"<p onclick=steal()>Hi<script>steal()</script><img src=x onerror=steal()><a href="javascript:steal()">x</a>"#;
        let answer = member.post("/comments", &json!({"body": attack})).await?;
        let stored = member.get("/comments").await?;
        let (stored, page) = (stored.body, member.get("/").await?.body);
        let (stored, page) = (
            String::from_utf8_lossy(&stored),
            String::from_utf8_lossy(&page),
        );
        let clean = |text: &str| {
            !["steal()", "onerror", "onclick", "javascript:"]
                .iter()
                .any(|bad| text.contains(bad))
        };
        let also = [
            ("the text is kept", stored.contains("Hi")),
            ("nothing that runs is stored", clean(&stored)),
            ("nothing that runs is on the page", clean(&page)),
        ];
        let wanted = Wanted {
            status: 201,
            also: &also,
            entry: Some("sensitive_create"),
        };
        self.judge("post a comment with scripts in it", &answer, wanted)
            .await
    }

    async fn somebody_elses_comment(&mut self) -> Result<(), Failure> {
        let author = self.member("alice").await?;
        let answer = author.post("/comments", &json!({"body": "mine"})).await?;
        let path = format!("/comments/{}", answer.json()["id"]);
        let other = self.member("eve").await?;
        let answer = other.delete(&path).await?;
        let wanted = Wanted {
            status: 403,
            also: &[],
            entry: Some("authz_fail"),
        };
        self.judge("delete somebody else's comment", &answer, wanted)
            .await?;
        let answer = author.delete(&path).await?;
        let wanted = Wanted {
            status: 204,
            also: &[],
            entry: Some("sensitive_delete"),
        };
        self.judge("delete my own", &answer, wanted).await?;
        let answer = other.get("/admin/audit").await?;
        let wanted = Wanted {
            status: 403,
            also: &[],
            entry: Some("authz_fail"),
        };
        self.judge("read the audit trail as a user", &answer, wanted)
            .await
    }

    async fn malformed_bodies(&mut self) -> Result<(), Failure> {
        let member = self.member("mortimer").await?;
        let deep = format!("{{\"body\":{}1{}}}", "[".repeat(2000), "]".repeat(2000));
        let rows: [(&str, u16, &str, Bytes); 8] = [
            (
                "JSON that ends early",
                400,
                "application/json",
                Bytes::from_static(b"{\"body\":"),
            ),
            (
                "the same key twice",
                422,
                "application/json",
                Bytes::from_static(b"{\"body\":\"a\",\"body\":\"b\"}"),
            ),
            ("2000 levels of JSON", 400, "application/json", deep.into()),
            (
                "bytes that are not UTF-8",
                400,
                "application/json",
                Bytes::from_static(b"{\"body\":\"\xff\"}"),
            ),
            (
                "a wrong type",
                422,
                "application/json",
                Bytes::from_static(b"{\"body\":7}"),
            ),
            (
                "an unknown field",
                422,
                "application/json",
                Bytes::from_static(b"{\"body\":\"a\",\"admin\":true}"),
            ),
            (
                "10 MB",
                413,
                "application/json",
                vec![b' '; 10_000_000].into(),
            ),
            (
                "no JSON at all",
                415,
                "text/plain",
                Bytes::from_static(b"hello"),
            ),
        ];
        for (tried, status, kind, body) in rows {
            let answer = member
                .send(Method::POST, "/comments", &[("content-type", kind)], body)
                .await?;
            self.judge(
                &format!("post {tried}"),
                &answer,
                Wanted {
                    status,
                    also: &[],
                    entry: None,
                },
            )
            .await?;
        }
        Ok(())
    }

    async fn too_many_writes(&mut self) -> Result<(), Failure> {
        let member = self.member("wilma").await?;
        for _ in 0..20 {
            member.post("/comments", &json!({"body": "again"})).await?;
        }
        let answer = member.post("/comments", &json!({"body": "again"})).await?;
        let also = [
            (
                "Retry-After",
                answer
                    .header("retry-after")
                    .parse::<u64>()
                    .is_ok_and(|seconds| seconds >= 1),
            ),
            ("RateLimit", answer.header("ratelimit").contains("r=0")),
            (
                "the policy is named",
                answer.json()["violated-policies"][0] == "write",
            ),
        ];
        let wanted = Wanted {
            status: 429,
            also: &also,
            entry: Some("excess_rate_limit_exceeded"),
        };
        self.judge("post a 21st comment in a minute", &answer, wanted)
            .await
    }

    async fn audit_trail(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let formula = [
            ("user-agent", "=HYPERLINK(\"http://evil.test\")"),
            ("content-type", "application/json"),
        ];
        let form =
            json!({"username": "=cmd|' /C calc'!A0", "password": "canary-5f1d3c"}).to_string();
        caller
            .send(Method::POST, "/auth/login", &formula, form.into())
            .await?;
        let answer = self.admin.get("/admin/audit/export?format=csv").await?;
        let csv = String::from_utf8_lossy(&answer.body).into_owned();
        let starts_formula = |cell: &str| cell.trim_start_matches('"').starts_with(['=', '+', '@']);
        let also = [
            (
                "a file",
                answer.header("content-disposition").contains("attachment"),
            ),
            ("no cell is a formula", !csv.split(',').any(starts_formula)),
            ("no password in it", !csv.contains("canary-5f1d3c")),
        ];
        let wanted = Wanted {
            status: 200,
            also: &also,
            entry: Some("data_export"),
        };
        self.judge(
            "export the trail, formulas and secrets in it",
            &answer,
            wanted,
        )
        .await
    }
}
