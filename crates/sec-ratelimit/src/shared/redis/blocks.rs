//! Lists of blocks in Redis: one script, four keys per list.

use std::sync::LazyLock;
use std::time::Instant;

use deadpool_redis::redis::{Cmd, FromRedisValue, Value, cmd};

use super::script::name_of;
use super::{RedisStore, is_unknown_script, settled};
use crate::digest::Digest;
use crate::shared::blocks::{BlockChange, BlockChanges, BlockStore, SharedBlock, prefix_of};
use crate::shared::store::{StoreError, StoreFuture};

const SCRIPT: &str = include_str!("blocks.lua");

static NAME: LazyLock<String> = LazyLock::new(|| name_of(SCRIPT));

/// More per answer would hold the server up.
const MOST_PER_ANSWER: u32 = 1_000;

impl RedisStore {
    async fn on_list(
        &self,
        list: &str,
        words: &[String],
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        let mut loan = self.lanes.borrow(deadline).await?;
        let by_name = self.list_call("EVALSHA", &NAME, list, words);
        let mut answer = by_name.query_async(&mut loan.connection).await;
        if answer.as_ref().is_err_and(is_unknown_script) {
            let whole = self.list_call("EVAL", SCRIPT, list, words);
            answer = whole.query_async(&mut loan.connection).await;
        }
        settled(loan, answer)
    }

    fn list_call(&self, command: &str, script: &str, list: &str, words: &[String]) -> Cmd {
        let mut call = cmd(command);
        call.arg(script).arg(4);
        // One hash tag, so that a list is on one node of a cluster.
        for part in ["m", "n", "e", "r"] {
            call.arg(format!("{}:v1:blocks:{{{list}}}:{part}", self.prefix));
        }
        call.arg(words);
        call
    }
}

impl BlockStore for RedisStore {
    fn put<'a>(
        &'a self,
        list: &'a str,
        block: &'a SharedBlock,
        deadline: Instant,
    ) -> StoreFuture<'a, ()> {
        let words = [
            "put".into(),
            SharedBlock::MOST.to_string(),
            hex(block.digest),
            block.rest.min(LONGEST).to_string(),
            block.memory.min(LONGEST).to_string(),
            u8::from(block.manual).to_string(),
            u8::from(block.wide).to_string(),
            block.count.to_string(),
            block.shown.map_or_else(|| "-".into(), |s| s.to_string()),
        ];
        Box::pin(async move { self.on_list(list, &words, deadline).await.map(drop) })
    }

    fn lift<'a>(&'a self, list: &'a str, digest: Digest, deadline: Instant) -> StoreFuture<'a, ()> {
        let words = ["lift".into(), SharedBlock::MOST.to_string(), hex(digest)];
        Box::pin(async move { self.on_list(list, &words, deadline).await.map(drop) })
    }

    fn changes<'a>(
        &'a self,
        list: &'a str,
        since: u64,
        most: u32,
        deadline: Instant,
    ) -> StoreFuture<'a, BlockChanges> {
        let most = most.clamp(1, MOST_PER_ANSWER);
        let words = ["changes".into(), since.to_string(), most.to_string()];
        Box::pin(async move {
            let answer = self.on_list(list, &words, deadline).await?;
            read(answer).ok_or_else(|| StoreError::Answer("not a list of blocks".into()))
        })
    }
}

/// A hundred years: times stay below 2⁵³.
const LONGEST: u64 = 100 * 366 * 24 * 60 * 60 * 1_000_000;

fn read(answer: Value) -> Option<BlockChanges> {
    let words = Vec::<String>::from_redis_value(answer).ok()?;
    let (head, rows) = words.split_first_chunk::<3>()?;
    let [next, more, lost] = head;
    let (rows, []) = rows.as_chunks::<2>() else {
        return None;
    };
    let entries = rows.iter().map(|[digest, text]| {
        let digest = unhex(digest)?;
        if text.is_empty() {
            return Some(BlockChange::Lifted(digest));
        }
        let mut words = text.split(' ');
        let mut word = || words.next();
        Some(BlockChange::Put(SharedBlock {
            digest,
            rest: word()?.parse().ok()?,
            memory: word()?.parse().ok()?,
            manual: word()? == "1",
            wide: word()? == "1",
            count: word()?.parse().ok()?,
            shown: prefix_of(word()?),
        }))
    });
    Some(BlockChanges {
        entries: entries.collect::<Option<_>>()?,
        next: next.parse().ok()?,
        more: more == "1",
        lost: lost == "1",
    })
}

fn hex([low, high]: Digest) -> String {
    format!("{low:016x}{high:016x}")
}

fn unhex(text: &str) -> Option<Digest> {
    let (low, high) = text.split_at_checked(16)?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some([number(low)?, number(high)?])
}
