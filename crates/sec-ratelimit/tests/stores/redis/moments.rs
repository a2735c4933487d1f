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
            script: script.replace(time, "{0, tonumber(ARGV[#ARGV])}"),
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
            call.arg(operation).arg(units);
            for tier in &ask.tiers {
                let (kind, a, b) = rule(tier);
                let kind = if tier.demands {
                    kind.to_ascii_uppercase()
                } else {
                    kind
                };
                call.arg(&[kind]).arg(a).arg(b);
            }
            if operation == "give" {
                call.arg(holds.as_flattened());
            }
            call.arg(now);
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
