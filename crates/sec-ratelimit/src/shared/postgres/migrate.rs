//! Making the schema, and bringing it up to date.

use std::time::{Duration, Instant};

use super::PostgresStore;
use crate::StoreError;

/// One step of the schema, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresMigration {
    /// Its number, counted from 1.
    pub version: u32,
    /// What it brings.
    pub name: &'static str,
    /// Statements that make the step and note that it was made. They belong into one transaction, and do
    /// no harm when they run again.
    pub sql: String,
}

/// Never changed once they are published: a change is one more of them, with functions of a new name, so
/// that processes of the version before go on beside it.
const STEPS: [(u32, &str, &str); 2] = [
    (1, "counters", include_str!("sql/1_counters.sql")),
    (2, "blocks", include_str!("sql/2_blocks.sql")),
];

/// How long the steps may take, waiting for another process that makes them included.
const PATIENCE: Duration = Duration::from_secs(60);

const LEAST_PAUSE: Duration = Duration::from_millis(100);

impl PostgresStore {
    /// Makes the schema, or brings it up to date; where it is, changes nothing. Call it when the service
    /// starts, in each process: only one makes the schema, the others wait for it.
    ///
    /// Its role needs the right to create in the database, or in the schema where that exists. Roles that
    /// only decide need `USAGE` on the schema, `SELECT`, `INSERT`, `UPDATE` and `DELETE` on its tables, and
    /// `EXECUTE` on its functions, which everybody has unless it was revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the server's message. All is made, or nothing.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let deadline = Instant::now()
            .checked_add(PATIENCE)
            .ok_or(StoreError::Deadline)?;
        let version = self.version(deadline).await?;
        let mut steps = self.migrations();
        steps.retain(|step| i64::from(step.version) > version);
        if steps.is_empty() {
            return Ok(());
        }
        let schema = &self.inner.schema;
        // Whoever waited for the lock makes the steps once more, which changes nothing.
        let mut script = format!(
            "SELECT set_config('statement_timeout', '{patience}', true), \
                set_config('lock_timeout', '{patience}', true), \
                set_config('client_min_messages', 'warning', true); \
             SELECT pg_advisory_xact_lock(hashtextextended('sec-ratelimit {schema}', 0));\n",
            patience = PATIENCE.as_millis()
        );
        script.extend(steps.into_iter().map(|step| step.sql));
        let connection = self.inner.connections.get_patiently().await?;
        connection.execute(script, deadline).await
    }

    /// [`migrate`](Self::migrate), again after each `pause` (at least 100 ms) until it succeeds: for a task that the
    /// host spawns, so that a service which started without its Postgres shares its limits once that is there.
    /// What keeps it from succeeding is a warning, each reason once in a row; that it did at last is told too.
    pub async fn migrate_until_done(&self, pause: Duration) {
        let pause = pause.max(LEAST_PAUSE);
        let mut last = None;
        while let Err(error) = self.migrate().await {
            let why = error.to_string();
            if last.as_ref() != Some(&why) {
                tracing::warn!(target: "sec", schema = %self.inner.schema, %error, "limits have no schema yet");
                last = Some(why);
            }
            tokio::time::sleep(pause).await;
        }
        if last.is_some() {
            tracing::info!(target: "sec", schema = %self.inner.schema, "limits have their schema");
        }
    }

    /// The last step that was made, 0 without any.
    async fn version(&self, deadline: Instant) -> Result<i64, StoreError> {
        let schema = &self.inner.schema;
        let there = format!("SELECT (to_regclass('{schema}.migrations') IS NOT NULL)::int::int8");
        let last = format!("SELECT coalesce(max(version), 0)::int8 FROM {schema}.migrations");
        let mut version = 0;
        for statement in [there, last] {
            let connection = self.inner.connections.get_patiently().await?;
            let rows = connection.query(statement.into(), &[], Vec::new(), deadline);
            version = rows
                .await?
                .first()
                .and_then(|row| row.try_get(0).ok())
                .ok_or_else(|| StoreError::Answer("not one number".into()))?;
            if version == 0 {
                break;
            }
        }
        Ok(version)
    }

    /// What [`migrate`](Self::migrate) would run, for those who make their schemas otherwise: each step
    /// once, in this order. A later version of this crate adds steps at the end.
    #[must_use]
    pub fn migrations(&self) -> Vec<PostgresMigration> {
        let schema = &self.inner.schema;
        let step = |(version, name, sql): (u32, &'static str, &str)| PostgresMigration {
            version,
            name,
            sql: [PROLOGUE, sql, EPILOGUE]
                .concat()
                .replace("{schema}", schema)
                .replace("{version}", &version.to_string()),
        };
        STEPS.into_iter().map(step).collect()
    }
}

/// Who may not create schemas can still fill one that exists.
const PROLOGUE: &str = "\
DO $do$
BEGIN
    IF to_regnamespace('{schema}') IS NULL THEN
        CREATE SCHEMA {schema};
    END IF;
END
$do$;
CREATE TABLE IF NOT EXISTS {schema}.migrations (
    version integer PRIMARY KEY,
    applied timestamptz NOT NULL DEFAULT now()
);

";

const EPILOGUE: &str =
    "\nINSERT INTO {schema}.migrations (version) VALUES ({version}) ON CONFLICT DO NOTHING;\n";
