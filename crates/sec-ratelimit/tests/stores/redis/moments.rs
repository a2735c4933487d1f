//! The script with its clock in hand.

use deadpool_redis::redis::{self, Cmd, FromRedisValue};
use sec_ratelimit::{Ask, Hold};

use super::server::Server;
use crate::moments::{Answered, Script, alike_to_the_microsecond, rule};

struct Lua {
    server: Server,
    client: redis::Client,
    script: String,
}

impl Lua {
    async fn new() -> Self {
        let script = include_str!("../../../src/shared/redis/decide.lua");
        let time = "redis.call('TIME')";
        assert_eq!(script.matches(time).count(), 1);
        let server = Server::start();
        Self {
            client: redis::Client::open(server.url()).unwrap(),
            server,
            script: script.replace(time, "{0, tonumber(ARGV[2])}"),
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let connection = self.client.get_multiplexed_async_connection().await;
        command.query_async(&mut connection.unwrap()).await.unwrap()
    }
}

impl Script for Lua {
    fn run<'a>(
        &'a self,
        ask: &'a Ask,
        operation: &'a str,
        units: u64,
        holds: &'a [Hold],
        now: u64,
    ) -> Answered<'a, Vec<i64>> {
        Box::pin(async move {
            let mut call = redis::cmd("EVAL");
            call.arg(&self.script).arg(ask.tiers.len());
            for tier in &ask.tiers {
                call.arg(format!("{}:{:?}", tier.name, tier.digest));
            }
            let double = |number: u64| (number as f64).to_le_bytes();
            let mut asked = vec![operation.as_bytes()[0]];
            asked.extend(double(units));
            for tier in &ask.tiers {
                let (kind, a, b) = rule(tier);
                asked.extend([kind, u8::from(tier.demands)]);
                asked.extend([double(a), double(b)].as_flattened());
            }
            if operation == "give" {
                let holds = holds.as_flattened().iter();
                asked.extend(holds.flat_map(|number| double(*number)));
            }
            call.arg(asked).arg(now);
            let answer: Vec<u8> = self.ask(&call).await;
            let numbers = answer.as_chunks().0.iter();
            let whole = |number: f64| {
                assert_eq!(number.fract(), 0.0);
                number as i64
            };
            numbers.map(|n| whole(f64::from_le_bytes(*n))).collect()
        })
    }

    fn forget(&self) -> Answered<'_, ()> {
        Box::pin(async { self.ask(&redis::cmd("FLUSHALL")).await })
    }

    fn kept(&self) -> Answered<'_, bool> {
        Box::pin(async { !self.server.keys().is_empty() })
    }
}

#[tokio::test]
async fn the_script_and_memory_are_alike_to_the_microsecond() {
    alike_to_the_microsecond(Lua::new).await;
}

#[tokio::test]
async fn the_largest_limits_lose_no_unit() {
    crate::moments::the_largest_limits_lose_no_unit(Lua::new).await;
}

/// A value that loses its newest units goes sooner, and with new ones later again.
#[tokio::test]
async fn a_time_to_live_follows_what_is_given_back_and_taken_anew() {
    const SIXTEENTH: u64 = 60_000_000;
    const WINDOW: u64 = 16 * SIXTEENTH;
    let lua = Lua::new().await;
    // The life of what is taken in the first sixteenth of a window, and the later moment of a second take.
    for (kind, life, later) in [("s", 32, 20), ("b", 17, 5)] {
        let run = async |operation: &str, hold: &[i64], sixteenth: u64| {
            let mut asked = vec![operation.as_bytes()[0]];
            asked.extend(1_f64.to_le_bytes());
            asked.extend([kind.as_bytes()[0], 0]);
            asked.extend([9_f64, WINDOW as f64].map(f64::to_le_bytes).concat());
            asked.extend(hold.iter().flat_map(|n| (*n as f64).to_le_bytes()));
            let mut call = redis::cmd("EVAL");
            call.arg(&lua.script).arg(1).arg("key").arg(asked);
            call.arg(1 + sixteenth * SIXTEENTH);
            let answer: Vec<u8> = lua.ask(&call).await;
            let numbers = answer.as_chunks().0.iter();
            let numbers: Vec<_> = numbers.map(|n| f64::from_le_bytes(*n) as i64).collect();
            let left: u64 = lua.ask(redis::cmd("PTTL").arg("key")).await;
            (numbers[4..].to_vec(), (left * 1000).div_ceil(SIXTEENTH))
        };
        assert_eq!(run("take", &[], 0).await.1, life, "{kind}");
        // Of a sliding window the second begins at 16.
        let began = if kind == "s" { 16 } else { later };
        let (hold, left) = run("take", &[], later).await;
        assert_eq!(left, life + began - later, "{kind}");
        assert_eq!(run("give", &hold, later).await.1, life - later, "{kind}");
        for _ in 0..2 {
            let (_, left) = run("take", &[], later).await;
            assert_eq!(left, life + began - later, "{kind}");
        }
        let () = lua.ask(&redis::cmd("FLUSHALL")).await;
    }
}
