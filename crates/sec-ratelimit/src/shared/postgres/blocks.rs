//! Lists of blocks in Postgres: tables that a crash does not empty.

use std::sync::Arc;
use std::time::Instant;

use deadpool_postgres::tokio_postgres::Row;
use deadpool_postgres::tokio_postgres::types::Type;

use super::PostgresStore;
use super::call::{Key, patience, whole};
use super::connections::Parameters;
use crate::StoreError;
use crate::digest::Digest;
use crate::shared::blocks::{BlockChange, BlockChanges, BlockStore, SharedBlock, prefix_of};
use crate::shared::store::StoreFuture;

/// The statements of a schema.
#[derive(Debug)]
pub(super) struct Statements {
    put: Arc<str>,
    lift: Arc<str>,
    changes: Arc<str>,
}

const PUT: &[Type] = &[
    Type::TEXT,
    Type::UUID,
    Type::INT8,
    Type::INT8,
    Type::BOOL,
    Type::BOOL,
    Type::INT8,
    Type::TEXT,
    Type::INT8,
    Type::INT4,
];
const LIFT: &[Type] = &[Type::TEXT, Type::UUID, Type::INT8, Type::INT4];
const CHANGES: &[Type] = &[Type::TEXT, Type::INT8, Type::INT4];

/// More per answer would hold others up.
const MOST_PER_ANSWER: u32 = 1_000;

/// A hundred years: a block for ever.
const LONGEST: u64 = 100 * 366 * 24 * 60 * 60 * 1_000_000;

impl Statements {
    pub(super) fn new(schema: &str) -> Self {
        let put = format!("SELECT {schema}.block_put_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
        let lift = format!("SELECT {schema}.block_lift_1($1, $2, $3, $4)");
        let changes = format!("SELECT * FROM {schema}.block_changes_1($1, $2, $3)");
        Self {
            put: put.into(),
            lift: lift.into(),
            changes: changes.into(),
        }
    }
}

impl PostgresStore {
    /// A prefix holds no slash, so no two lists have one name.
    fn list_name(&self, list: &str) -> String {
        format!("{}/{list}", self.inner.prefix)
    }

    async fn on_list(
        &self,
        statement: &Arc<str>,
        types: &'static [Type],
        parameters: Parameters,
        deadline: Instant,
    ) -> Result<Vec<Row>, StoreError> {
        let connection = self.inner.connections.get(deadline).await?;
        let statement = statement.clone();
        connection
            .query(statement, types, parameters, deadline)
            .await
    }
}

impl BlockStore for PostgresStore {
    fn put<'a>(
        &'a self,
        list: &'a str,
        block: &'a SharedBlock,
        deadline: Instant,
    ) -> StoreFuture<'a, ()> {
        let parameters: Parameters = vec![
            Box::new(self.list_name(list)),
            Box::new(Key::of(block.digest)),
            Box::new(whole(block.rest.min(LONGEST))),
            Box::new(whole(block.memory.min(LONGEST))),
            Box::new(block.manual),
            Box::new(block.wide),
            Box::new(i64::from(block.count)),
            Box::new(block.shown.map(|shown| shown.to_string())),
            Box::new(most()),
            Box::new(patience(deadline)),
        ];
        let statement = &self.inner.blocks.put;
        Box::pin(async move {
            let put = self.on_list(statement, PUT, parameters, deadline);
            put.await.map(drop)
        })
    }

    fn lift<'a>(&'a self, list: &'a str, digest: Digest, deadline: Instant) -> StoreFuture<'a, ()> {
        let parameters: Parameters = vec![
            Box::new(self.list_name(list)),
            Box::new(Key::of(digest)),
            Box::new(most()),
            Box::new(patience(deadline)),
        ];
        let statement = &self.inner.blocks.lift;
        Box::pin(async move {
            let lift = self.on_list(statement, LIFT, parameters, deadline);
            lift.await.map(drop)
        })
    }

    fn changes<'a>(
        &'a self,
        list: &'a str,
        since: u64,
        most: u32,
        deadline: Instant,
    ) -> StoreFuture<'a, BlockChanges> {
        let most = i32::try_from(most.clamp(1, MOST_PER_ANSWER)).unwrap_or(1);
        let parameters: Parameters = vec![
            Box::new(self.list_name(list)),
            Box::new(whole(since)),
            Box::new(most),
        ];
        let statement = &self.inner.blocks.changes;
        Box::pin(async move {
            let changes = self.on_list(statement, CHANGES, parameters, deadline);
            read(&changes.await?).ok_or_else(|| StoreError::Answer("not a list of blocks".into()))
        })
    }
}

fn most() -> i64 {
    i64::try_from(SharedBlock::MOST).unwrap_or(i64::MAX)
}

fn read(rows: &[Row]) -> Option<BlockChanges> {
    let (head, rows) = rows.split_last()?;
    let natural = |row: &Row, index: usize| u64::try_from(row.try_get::<_, i64>(index).ok()?).ok();
    let entry = |row: &Row| {
        let digest = row.try_get::<_, Key>(3).ok()?.digest();
        if row.try_get(4).ok()? {
            return Some(BlockChange::Lifted(digest));
        }
        let shown: Option<&str> = row.try_get(10).ok()?;
        Some(BlockChange::Put(SharedBlock {
            digest,
            rest: natural(row, 5)?,
            memory: natural(row, 6)?,
            manual: row.try_get(7).ok()?,
            wide: row.try_get(8).ok()?,
            count: u32::try_from(natural(row, 9)?).ok()?,
            shown: shown.and_then(prefix_of),
        }))
    };
    // One record that somebody else wrote keeps nobody from the others.
    let entries: Vec<_> = rows.iter().filter_map(entry).collect();
    let unreadable = rows.len().saturating_sub(entries.len());
    Some(BlockChanges {
        entries,
        next: natural(head, 0)?,
        more: head.try_get(1).ok()?,
        lost: head.try_get(2).ok()?,
        epoch: natural(head, 11)?,
        unreadable: u64::try_from(unreadable).unwrap_or(u64::MAX),
    })
}
