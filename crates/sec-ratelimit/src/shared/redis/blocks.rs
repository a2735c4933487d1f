//! Lists of blocks in Redis: one script, four keys per list.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Instant;

use deadpool_redis::redis::{FromRedisValue, Value, cmd};

use super::RedisStore;
use super::exchange::Script;
use super::script::{Place, name_of};
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
        // One hash tag, so that a list is on one node of a cluster.
        let place = Place::List(list);
        let call = |script| {
            let (command, script): (_, &str) = match script {
                Script::Named => ("EVALSHA", &NAME),
                Script::Whole => ("EVAL", SCRIPT),
            };
            let mut call = cmd(command);
            call.arg(script).arg(4);
            for part in ["m", "n", "e", "r"] {
                let mut key = format!("{}:v1:blocks:{{", self.prefix);
                // Writing into a string does not fail.
                let _ = place.tag(&mut key).and_then(|()| write!(key, "}}:{part}"));
                call.arg(key);
            }
            call.arg(words);
            call
        };
        self.servers.call(place, &call, deadline).await
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
    let (head, rows) = words.split_first_chunk::<4>()?;
    let [next, more, lost, epoch] = head;
    let (rows, []) = rows.as_chunks::<2>() else {
        return None;
    };
    // One record that somebody else wrote keeps nobody from the others.
    let entries: Vec<_> = rows.iter().filter_map(entry).collect();
    let unreadable = rows.len().saturating_sub(entries.len());
    Some(BlockChanges {
        entries,
        next: next.parse().ok()?,
        more: more == "1",
        lost: lost == "1",
        epoch: u64::from_str_radix(epoch, 16).unwrap_or(0),
        unreadable: u64::try_from(unreadable).unwrap_or(u64::MAX),
    })
}

fn entry([digest, text]: &[String; 2]) -> Option<BlockChange> {
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
}

fn hex([low, high]: Digest) -> String {
    format!("{low:016x}{high:016x}")
}

fn unhex(text: &str) -> Option<Digest> {
    let (low, high) = text.split_at_checked(16)?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some([number(low)?, number(high)?])
}
