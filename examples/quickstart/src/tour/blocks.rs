//! A flood, the blocks that follow from it, and lists of addresses.

use axum::body::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Tour, Wanted};

impl Tour {
    pub(super) async fn blocks(&mut self) -> Result<(), Failure> {
        self.flood().await?;
        self.block_by_hand().await?;
        self.listed_network().await
    }

    async fn flood(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let mut first = caller.get("/healthz").await?;
        for _ in 0..5_000 {
            if first.status != 200 {
                break;
            }
            first = caller.get("/healthz").await?;
        }
        // Nothing in between, so that little comes back into the bucket meanwhile.
        let (mut refusals, mut last) = (1, None);
        let mut next = caller.get("/healthz").await?;
        for _ in 0..50 {
            if next.is_problem("blocked") {
                break;
            }
            if next.status == 429 {
                refusals += 1;
                last = Some(next);
            }
            next = caller.get("/healthz").await?;
        }
        let blocked = next;
        let by_policy = first.json()["violated-policies"][0] == "address";
        let wanted = Wanted {
            status: 429,
            also: &[("by the limit of the address", by_policy)],
            entry: Some("excess_rate_limit_exceeded"),
        };
        self.judge("flood from one address", &first, wanted).await?;
        let last = last.unwrap_or(first);
        let wanted = Wanted {
            status: 429,
            also: &[("at the third refusal", refusals == 3)],
            entry: Some("excess_block_started"),
        };
        self.judge("go on, up to the third refusal", &last, wanted)
            .await?;
        let also = [
            ("as blocked", blocked.is_problem("blocked")),
            ("for a minute", (1..=60).contains(&blocked.retry_after())),
        ];
        let wanted = Wanted {
            status: 429,
            also: &also,
            entry: Some("excess_block"),
        };
        self.judge("go on after that", &blocked, wanted).await?;
        self.dodge_the_block(&caller).await?;
        self.what_the_operator_sees(&caller).await
    }

    async fn dodge_the_block(&mut self, blocked: &Client) -> Result<(), Failure> {
        let forged = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-real-ip", "198.51.100.7"),
            ("forwarded", "for=198.51.100.7"),
        ];
        let answer = blocked
            .send(Method::GET, "/comments", &forged, Bytes::new())
            .await?;
        let wanted = Wanted {
            also: &[("as blocked", answer.is_problem("blocked"))],
            ..Wanted::plain(429)
        };
        self.judge("the same under another X-Forwarded-For", &answer, wanted)
            .await?;
        let answer = self.stranger().get("/comments").await?;
        self.judge(
            "come from another address meanwhile",
            &answer,
            Wanted::plain(200),
        )
        .await
    }

    async fn what_the_operator_sees(&mut self, blocked: &Client) -> Result<(), Failure> {
        let answer = self.admin.get("/admin/limits").await?;
        let seen = answer.json();
        let address = format!("{}/32", blocked.from);
        let policy = seen["policies"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|policy| policy["name"] == "address");
        let list = |list: &Value| list.as_array().cloned().unwrap_or_default();
        let also = [
            (
                "three refusals of the policy",
                policy.is_some_and(|policy| policy["refused"] == 3),
            ),
            (
                "its most active address",
                policy.is_some_and(|policy| {
                    let mut top = list(&policy["top"]).into_iter();
                    top.any(|key| key["key"] == *address && key["requests"].as_u64() >= Some(600))
                }),
            ),
            (
                "the block",
                list(&seen["blocks"])
                    .iter()
                    .any(|block| block["address"] == *address && block["by_hand"] == false),
            ),
        ];
        let wanted = Wanted {
            also: &also,
            ..Wanted::plain(200)
        };
        self.judge("look at the limits as the administrator", &answer, wanted)
            .await?;
        let answer = self.member("ursula").await?.get("/admin/limits").await?;
        let wanted = Wanted {
            entry: Some("authz_fail"),
            ..Wanted::plain(403)
        };
        self.judge("look at the limits as a user", &answer, wanted)
            .await
    }

    async fn block_by_hand(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let address = caller.from.to_string();
        let form = json!({"address": address, "for": "10m"});
        let answer = self.admin.post("/admin/limits/blocks", &form).await?;
        let wanted = Wanted {
            entry: Some("excess_block_started"),
            ..Wanted::plain(201)
        };
        self.judge("block an address by hand", &answer, wanted)
            .await?;
        let answer = caller.get("/comments").await?;
        let wanted = Wanted {
            also: &[("as blocked", answer.is_problem("blocked"))],
            entry: Some("excess_block"),
            ..Wanted::plain(429)
        };
        self.judge("come from there", &answer, wanted).await?;
        let path = format!("/admin/limits/blocks?address={address}");
        let answer = self.admin.delete(&path).await?;
        let wanted = Wanted {
            entry: Some("excess_block_ended"),
            ..Wanted::plain(204)
        };
        self.judge("lift the block", &answer, wanted).await?;
        let answer = caller.get("/comments").await?;
        self.judge("come from there again", &answer, Wanted::plain(200))
            .await
    }

    async fn listed_network(&mut self) -> Result<(), Failure> {
        let stranger = Client::new(self.server, [66, 1]);
        let office = Client::new(self.server, [66, 7]);
        let empty = self.app.settings.limits.lists.clone();
        let mut lists = empty.clone();
        lists.block.push("127.0.66.0/24".to_owned());
        lists.allow.push("127.0.66.7".to_owned());
        self.app.limits.replace_lists(&lists)?;
        let answer = stranger.get("/comments").await?;
        let wanted = Wanted {
            also: &[("as listed", answer.is_problem("address-blocked"))],
            entry: Some("excess_block"),
            ..Wanted::plain(403)
        };
        self.judge("come from a network on the block list", &answer, wanted)
            .await?;
        let answer = office.get("/comments").await?;
        self.judge(
            "from an address in it that is allowed",
            &answer,
            Wanted::plain(200),
        )
        .await?;
        self.app.limits.replace_lists(&empty)?;
        let answer = stranger.get("/comments").await?;
        self.judge(
            "once the network is off the list",
            &answer,
            Wanted::plain(200),
        )
        .await
    }
}
