//! Finding out who serves which slot.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{ConnectionInfo, cmd};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::slots::{self, Range};
use super::{Inner, host_of};
use crate::StoreError;
use crate::shared::redis::exchange::exchange;
use crate::shared::redis::lanes::Lanes;

/// Between two looks: each as long again as the one before, while a master does not answer.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Half a minute of looking; the next request that fails begins again.
const ROUNDS: u32 = 60;

/// So many known servers are asked at once, and the first that answers is believed: one may hang.
const ASKED: usize = 3;

/// Says that nobody looks any more, also when the runtime drops the task.
pub(super) struct Looking(pub(super) Weak<Inner>);

/// Looks until all masters answer, or nobody found anything wrong since.
pub(super) async fn look(looking: Looking) {
    let (mut pause, mut configured) = (PAUSE, false);
    for _ in 0..ROUNDS {
        let Some(inner) = looking.0.upgrade() else {
            return;
        };
        inner.wanted.store(false, Ordering::Relaxed);
        let found = round(&inner, configured).await;
        // Those that were known are of no help: the next round asks those that were configured.
        configured = found.is_err() && !configured;
        let lost = found.is_err() && !inner.map.load().is_empty();
        inner.ended.send_replace(found.err());
        let doubtful = lost || inner.map.load().has_suspects();
        drop(inner);

        tokio::time::sleep(pause).await;
        let wanted = |inner: Arc<Inner>| inner.wanted.load(Ordering::Relaxed);
        if !doubtful && !looking.0.upgrade().is_some_and(wanted) {
            return;
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

async fn round(inner: &Arc<Inner>, configured: bool) -> Result<(), StoreError> {
    let until = Instant::now().checked_add(inner.width.connect_within);
    let until = until.unwrap_or_else(Instant::now);
    let turn = inner.turn.fetch_add(ASKED, Ordering::Relaxed);
    let nodes = inner.nodes.to_ask(turn);
    let mut answers = JoinSet::new();
    if configured || nodes.is_empty() {
        // All of them: they are as few as somebody wrote down.
        for server in inner.configured.clone() {
            answers.spawn(ask_configured(inner.clone(), server, until));
        }
    } else {
        for node in nodes.into_iter().take(ASKED) {
            answers.spawn(async move {
                let slots = slots_of(&node.lanes, &node.address.0, until).await;
                if slots.is_ok() {
                    node.trust();
                }
                slots
            });
        }
    }
    let mut last = StoreError::Unreachable("no server of the cluster is known".into());
    while let Some(answer) = answers.join_next().await {
        match answer {
            Ok(Ok(ranges)) => {
                let map = inner.nodes.map(&ranges)?;
                inner.map.store(Arc::new(map));
                return Ok(());
            }
            Ok(Err(error)) => last = error,
            Err(error) => last = StoreError::Unreachable(error.to_string()),
        }
    }
    Err(last)
}

/// A connection for this question alone: the name may be that of a whole cluster.
async fn ask_configured(
    inner: Arc<Inner>,
    server: ConnectionInfo,
    until: Instant,
) -> Result<Vec<Range>, StoreError> {
    let host = host_of(&server).unwrap_or_default().to_owned();
    let lanes = inner.width.to(server).map_err(StoreError::Unreachable)?;
    slots_of(&lanes, &host, until).await
}

async fn slots_of(lanes: &Lanes, host: &str, until: Instant) -> Result<Vec<Range>, StoreError> {
    let question = |_| {
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        question
    };
    let answer = exchange(lanes, &question, false, until);
    let answer = timeout_at(until.into(), answer).await;
    let answer = answer.map_err(|_| StoreError::Deadline)??;
    let ranges = slots::read(&answer, host);
    let served = |ranges: &Vec<Range>| ranges.iter().any(|range| !range.servers.is_empty());
    ranges
        .filter(served)
        .ok_or_else(|| StoreError::Answer("no slots: not a server of a cluster".into()))
}

impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.looking.store(false, Ordering::Release);
            // Whoever waits for a look that does not come waits no longer.
            inner.ended.send_modify(|_| ());
        }
    }
}
