//! Passwords and tokens under attack.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sec_core::{AuthMethod, Principal};
use serde_json::json;

use super::client::{Client, Failure};
use super::{PASSWORD, Tour, Wanted, credentials};

impl Tour {
    pub(super) async fn accounts(&mut self) -> Result<(), Failure> {
        self.honest_user().await?;
        self.bad_sign_up().await?;
        self.brute_force().await?;
        self.spraying().await?;
        self.stuffing().await?;
        self.spoofed_address().await?;
        self.forged_tokens().await?;
        self.refresh_reuse().await
    }

    async fn honest_user(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let form = json!({"username": "grace", "email": "grace@example.com", "password": PASSWORD});
        let answer = caller.post("/auth/signup", &form).await?;
        let wanted = Wanted {
            status: 201,
            also: &[],
            entry: Some("user_created"),
        };
        self.judge("sign up", &answer, wanted).await?;

        let answer = caller
            .post("/auth/login", &credentials("grace", PASSWORD))
            .await?;
        let cookie = answer.header("set-cookie").to_owned();
        let also = [
            ("HttpOnly cookie", cookie.contains("HttpOnly")),
            ("SameSite cookie", cookie.contains("SameSite=Strict")),
            (
                "no-store",
                answer.header("cache-control").contains("no-store"),
            ),
            ("token type", answer.json()["token_type"] == "Bearer"),
        ];
        let wanted = Wanted {
            status: 200,
            also: &also,
            entry: Some("authn_login_success"),
        };
        self.judge("log in", &answer, wanted).await?;

        let member = caller.with_token(answer.access_token().unwrap_or_default());
        let answer = member.get("/me").await?;
        let also = [("own name", answer.json()["username"] == "grace")];
        self.judge(
            "ask who I am, with the token",
            &answer,
            Wanted {
                status: 200,
                also: &also,
                entry: Some("request"),
            },
        )
        .await?;
        let answer = caller.get("/me").await?;
        let also = [(
            "challenge",
            answer.header("www-authenticate").starts_with("Bearer"),
        )];
        self.judge(
            "ask without a token",
            &answer,
            Wanted {
                status: 401,
                also: &also,
                entry: None,
            },
        )
        .await
    }

    async fn bad_sign_up(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let form = json!({"username": "x", "email": "nobody", "password": "hunter2"});
        let answer = caller.post("/auth/signup", &form).await?;
        let json = answer.json();
        let pointers: Vec<_> = json["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|e| e["pointer"].as_str())
            .collect();
        let also = [
            (
                "one entry per field",
                ["/username", "/email", "/password"]
                    .iter()
                    .all(|p| pointers.contains(p)),
            ),
            (
                "no value in the answer",
                !String::from_utf8_lossy(&answer.body).contains("hunter2"),
            ),
        ];
        let wanted = Wanted {
            status: 422,
            also: &also,
            entry: Some("input_validation_fail"),
        };
        self.judge("sign up with three bad fields", &answer, wanted)
            .await
    }

    async fn brute_force(&mut self) -> Result<(), Failure> {
        self.member("brutus").await?;
        let attacker = self.stranger();
        for guess in 0..5 {
            let answer = attacker
                .post(
                    "/auth/login",
                    &credentials("brutus", &format!("guess number {guess}")),
                )
                .await?;
            if guess == 0 {
                let wanted = Wanted {
                    status: 401,
                    also: &[],
                    entry: Some("authn_login_fail"),
                };
                self.judge("guess a password", &answer, wanted).await?;
            }
        }
        let answer = attacker
            .post("/auth/login", &credentials("brutus", PASSWORD))
            .await?;
        let retry: u64 = answer.header("retry-after").parse().unwrap_or(0);
        let also = [("Retry-After of a second or more", retry >= 1)];
        let wanted = Wanted {
            status: 429,
            also: &also,
            entry: Some("authn_login_lock"),
        };
        self.judge("guess a sixth time, even rightly", &answer, wanted)
            .await?;
        let owner = self.stranger();
        let answer = owner
            .post("/auth/login", &credentials("brutus", PASSWORD))
            .await?;
        let wanted = Wanted {
            status: 200,
            also: &[],
            entry: Some("authn_login_success"),
        };
        self.judge("log in as the owner, from elsewhere", &answer, wanted)
            .await
    }

    async fn spraying(&mut self) -> Result<(), Failure> {
        let attacker = self.stranger();
        let mut refused_at = 0;
        for account in 1..=21 {
            let answer = attacker
                .post(
                    "/auth/login",
                    &credentials(&format!("victim{account}"), "Summer2026!"),
                )
                .await?;
            if answer.status == 429 {
                refused_at = account;
                let also = [("at the 21st account", account == 21)];
                let wanted = Wanted {
                    status: 429,
                    also: &also,
                    entry: Some("authn_login_lock"),
                };
                self.judge("spray one password over many accounts", &answer, wanted)
                    .await?;
                break;
            }
        }
        if refused_at == 0 {
            return Err("spraying was never refused".into());
        }
        Ok(())
    }

    /// Many addresses, one account: its owner must not be locked out.
    async fn stuffing(&mut self) -> Result<(), Failure> {
        self.member("olivia").await?;
        for host in 0..50 {
            let bot = Client::new(self.server, [20, host]);
            bot.post("/auth/login", &credentials("olivia", "a leaked password"))
                .await?;
        }
        let bot = Client::new(self.server, [20, 200]);
        let answer = bot
            .post("/auth/login", &credentials("olivia", "a leaked password"))
            .await?;
        let asked = answer.json()["challenge"].clone();
        let also = [("a challenge", asked["token"].is_string())];
        let wanted = Wanted {
            status: 403,
            also: &also,
            entry: Some("authn_login_lock"),
        };
        self.judge("stuff one account from 50 addresses", &answer, wanted)
            .await?;

        let owner = self.stranger();
        let asked = owner
            .post("/auth/login", &credentials("olivia", PASSWORD))
            .await?
            .json()["challenge"]
            .clone();
        let token = asked["token"].as_str().unwrap_or_default();
        let difficulty = asked["difficulty"].as_u64().unwrap_or(0) as u8;
        let solution = sec_ratelimit::solve(token, difficulty);
        let mut form = credentials("olivia", PASSWORD);
        form["proof"] = json!({"token": token, "solution": solution});
        let answer = owner.post("/auth/login", &form).await?;
        let wanted = Wanted {
            status: 200,
            also: &[],
            entry: Some("authn_login_success"),
        };
        self.judge("log in as its owner, with the work done", &answer, wanted)
            .await?;
        let answer = owner.post("/auth/login", &form).await?;
        let wanted = Wanted {
            status: 403,
            also: &[],
            entry: Some("authn_login_lock"),
        };
        self.judge("use the same work again", &answer, wanted).await
    }

    async fn spoofed_address(&mut self) -> Result<(), Failure> {
        self.member("xavier").await?;
        let attacker = self.stranger();
        let mut last = None;
        for guess in 0..6 {
            let forged = format!("198.51.100.{guess}");
            let headers = [
                ("content-type", "application/json"),
                ("x-forwarded-for", forged.as_str()),
                ("x-real-ip", forged.as_str()),
                ("cf-connecting-ip", forged.as_str()),
                ("forwarded", &format!("for={forged}")),
            ];
            let body = credentials("xavier", "not the password").to_string();
            last = Some(
                attacker
                    .send(hyper::Method::POST, "/auth/login", &headers, body.into())
                    .await?,
            );
        }
        let answer = last.ok_or("no guess was made")?;
        let wanted = Wanted {
            status: 429,
            also: &[],
            entry: Some("authn_login_lock"),
        };
        self.judge(
            "guess under a new X-Forwarded-For each time",
            &answer,
            wanted,
        )
        .await
    }

    async fn forged_tokens(&mut self) -> Result<(), Failure> {
        let member = self.member("frieda").await?;
        let good = member.token.clone().unwrap_or_default();
        let (head, signature) = good.rsplit_once('.').ok_or("the token has no signature")?;
        let payload = head.split('.').nth(1).unwrap_or_default();
        // Another first character: still the right length, and still canonical Base64.
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let altered = format!("{other}{}", signature.get(1..).unwrap_or_default());
        // Under the name of the key that is really in use: only the algorithm is another.
        let kid = self.app.tokens.keys().active().kid();
        let head_with = |alg: &str| {
            URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "at+jwt", "kid": kid}).to_string())
        };
        let none = format!("{}.{payload}.", head_with("none"));
        let hmac = format!("{}.{payload}.{signature}", head_with("HS256"));
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        let principal = Principal::new("u1", AuthMethod::Password).with_role("admin");
        let expired = self
            .app
            .tokens
            .issuer()
            .issue(&principal, long_ago)?
            .expose()
            .to_owned();
        for (tried, token) in [
            (
                "a token with another signature",
                format!("{head}.{altered}"),
            ),
            ("a token with alg none", none),
            ("a token with alg HS256", hmac),
            ("a token that expired", expired),
            ("a token of 64 KiB", "a".repeat(64 * 1024)),
        ] {
            // Each from an address of its own: repeated refusals of one caller are one entry with a count.
            let caller = self.stranger().with_token(token);
            let answer = caller.get("/me").await?;
            let also = [(
                "invalid_token",
                answer.header("www-authenticate").contains("invalid_token"),
            )];
            let wanted = Wanted {
                status: 401,
                also: &also,
                entry: Some("authn_token_rejected"),
            };
            self.judge(tried, &answer, wanted).await?;
        }
        Ok(())
    }

    async fn refresh_reuse(&mut self) -> Result<(), Failure> {
        let mut owner = self.member("rosa").await?;
        let stolen = owner.clone();
        for round in 0..2 {
            let answer = owner.post("/auth/refresh", &json!({})).await?;
            owner.cookie = answer.cookie();
            if round == 0 {
                let also = [(
                    "a new cookie",
                    owner.cookie.is_some() && owner.cookie != stolen.cookie,
                )];
                let wanted = Wanted {
                    status: 200,
                    also: &also,
                    entry: Some("authn_token_refreshed"),
                };
                self.judge("refresh", &answer, wanted).await?;
            }
        }
        let answer = stolen.post("/auth/refresh", &json!({})).await?;
        let wanted = Wanted {
            status: 401,
            also: &[],
            entry: Some("authn_token_reuse"),
        };
        self.judge("refresh with a used-up token", &answer, wanted)
            .await?;
        let answer = owner.post("/auth/refresh", &json!({})).await?;
        let wanted = Wanted {
            status: 401,
            also: &[],
            entry: Some("authn_token_rejected"),
        };
        self.judge(
            "refresh with the thief's sibling, after that",
            &answer,
            wanted,
        )
        .await
    }
}
