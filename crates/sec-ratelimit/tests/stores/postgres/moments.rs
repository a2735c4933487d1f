//! The functions with their clock in hand.

use std::sync::Arc;

use deadpool_postgres::tokio_postgres::{Client, SimpleQueryMessage};
use sec_ratelimit::{Ask, Hold, PostgresStore};

use super::schema_name;
use super::server::{Server, shared};
use crate::moments::{Answered, Script, alike_to_the_microsecond, rule};

struct Functions {
    client: Client,
    schema: String,
    _server: Arc<Server>,
}

impl Functions {
    async fn new() -> Self {
        let (server, schema) = (shared(), schema_name());
        let store = PostgresStore::builder(server.url()).schema(&schema).build();
        let sql = &store.unwrap().migrations()[0].sql;
        // Once for what decides, once for what sweeps.
        let time = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        assert_eq!(sql.matches(time).count(), 2);
        let client = server.client().await;
        let sql = sql.replace(time, "current_setting('test.now')::bigint");
        client.batch_execute(&sql).await.unwrap();
        Self {
            client,
            schema,
            _server: server,
        }
    }
}

fn array<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    format!("'{{{}}}'", items.join(","))
}

impl Script for Functions {
    fn run<'a>(
        &'a self,
        ask: &'a Ask,
        operation: &'a str,
        units: u64,
        holds: &'a [Hold],
        now: u64,
    ) -> Answered<'a, Vec<i64>> {
        Box::pin(async move {
            let tiers = || ask.tiers.iter();
            // One key per tier and subject.
            let key = |(index, [low, _]): (u64, [u64; 2])| format!("{index:016x}{low:016x}");
            let keys = array((0..).zip(tiers().map(|tier| tier.digest)).map(key));
            let kinds = array(tiers().map(|tier| char::from(rule(tier).0)));
            let a = array(tiers().map(|tier| rule(tier).1));
            let b = array(tiers().map(|tier| rule(tier).2));
            let demands = array(tiers().map(|tier| tier.demands));
            let holds = array(holds.iter().flatten());
            let sql = format!(
                "SELECT set_config('test.now', '{now}', false); \
                 SELECT * FROM {}.decide_1('{operation}', {units}, 10000, '{{1}}', {keys}, {kinds}, \
                 {a}, {b}, {demands}, {holds})",
                self.schema
            );
            let answer = self.client.simple_query(&sql).await.unwrap();
            let rows = answer.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) if row.len() == 8 => Some(row),
                _ => None,
            });
            let number = |text: Option<&str>| text.unwrap().parse().unwrap();
            rows.flat_map(|row| (0..8).map(move |at| number(row.get(at))))
                .collect()
        })
    }

    fn forget(&self) -> Answered<'_, ()> {
        Box::pin(async {
            let all = format!("DELETE FROM {}.counters", self.schema);
            self.client.batch_execute(&all).await.unwrap();
        })
    }

    fn kept(&self) -> Answered<'_, bool> {
        Box::pin(async {
            let some = format!("SELECT FROM {}.counters", self.schema);
            !self.client.query(&some, &[]).await.unwrap().is_empty()
        })
    }
}

#[tokio::test]
async fn the_functions_and_memory_are_alike_to_the_microsecond() {
    alike_to_the_microsecond(Functions::new).await;
}

#[tokio::test]
async fn the_largest_limits_lose_no_unit() {
    crate::moments::the_largest_limits_lose_no_unit(Functions::new).await;
}
