//! Too much at once: of one caller, of one address, of all together.

use std::time::Duration;

use super::client::{Client, Failure};
use super::unfinished::{Unfinished, read};
use super::{Tour, Wanted};

impl Tour {
    pub(super) async fn saturation(&mut self) -> Result<(), Failure> {
        self.exports_at_once().await?;
        self.slow_uploads().await?;
        self.full_house().await
    }

    /// Each export under way is one whose answer is not read: it is too large for what the connection buffers.
    async fn exports_at_once(&mut self) -> Result<(), Failure> {
        const EXPORT: &str = "/admin/audit/export?format=json";
        let mut slow = Unfinished::connect(&self.admin).await?;
        let mut unread = Vec::new();
        for _ in 0..self.app.settings.limits.export.limit {
            unread.push(slow.ask(EXPORT).await?);
        }
        let answer = self.admin.get(EXPORT).await?;
        let by_policy = answer.json()["violated-policies"][0] == "exports";
        let wanted = Wanted {
            also: &[("by the limit of exports", by_policy)],
            entry: Some("excess_rate_limit_exceeded"),
            ..Wanted::plain(429)
        };
        self.judge("export while two exports are under way", &answer, wanted)
            .await?;
        for export in unread {
            read(export).await?;
        }
        let mut answer = self.admin.get(EXPORT).await?;
        // The client may have read the end a moment before the service noted it.
        for _ in 0..100 {
            if answer.status == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            answer = self.admin.get(EXPORT).await?;
        }
        self.judge("export once they have ended", &answer, Wanted::plain(200))
            .await
    }

    async fn slow_uploads(&mut self) -> Result<(), Failure> {
        let caller = self.stranger();
        let most = self.app.settings.limits.at_once.limit;
        let slow = self.upload_slowly(&caller, most).await?;
        let answer = caller.get("/comments").await?;
        let by_policy = answer.json()["violated-policies"][0] == "at-once";
        let wanted = Wanted {
            also: &[("by the limit of what is under way", by_policy)],
            entry: Some("excess_rate_limit_exceeded"),
            ..Wanted::plain(429)
        };
        let tried = format!("send {most} bodies slowly, and ask for more");
        self.judge(&tried, &answer, wanted).await?;
        let answer = self.stranger().get("/comments").await?;
        self.judge(
            "come from another address meanwhile",
            &answer,
            Wanted::plain(200),
        )
        .await?;
        drop(slow);
        self.under_way(0).await
    }

    async fn full_house(&mut self) -> Result<(), Failure> {
        let limit = u64::from(self.app.limits.shed.shed().limit());
        let each = self.app.settings.limits.at_once.limit;
        let mut slow = Vec::new();
        let mut sent = 0;
        while sent < limit {
            let caller = self.stranger();
            sent = limit.min(sent + each);
            let more = sent - slow.len() as u64 * each;
            slow.push(self.upload_slowly(&caller, more).await?);
        }
        let caller = self.stranger();
        let answer = caller.get("/comments").await?;
        let also = [
            ("as busy", answer.is_problem("busy")),
            ("Retry-After of a second or more", answer.retry_after() >= 1),
        ];
        let wanted = Wanted {
            also: &also,
            entry: Some("excess_rate_limit_exceeded"),
            ..Wanted::plain(503)
        };
        let tried = format!("come while {limit} requests are under way");
        self.judge(&tried, &answer, wanted).await?;
        let answer = caller.get("/healthz").await?;
        self.judge(
            "ask whether it lives meanwhile",
            &answer,
            Wanted::plain(200),
        )
        .await?;
        drop(slow);
        self.under_way(0).await?;
        let answer = caller.get("/comments").await?;
        self.judge("come when they are gone", &answer, Wanted::plain(200))
            .await
    }

    /// So many further requests under way from one address, until what is given back is dropped.
    async fn upload_slowly(&self, caller: &Client, count: u64) -> Result<Unfinished, Failure> {
        let before = u64::from(self.app.limits.shed.shed().in_flight());
        let mut slow = Unfinished::connect(caller).await?;
        for _ in 0..count {
            slow.upload("/csp-report", "application/csp-report")?;
        }
        self.under_way(before + count).await?;
        Ok(slow)
    }

    /// Waits until so many requests are under way, ten seconds at most; the rows say what came of it.
    async fn under_way(&self, count: u64) -> Result<(), Failure> {
        for _ in 0..1_000 {
            if u64::from(self.app.limits.shed.shed().in_flight()) == count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}
