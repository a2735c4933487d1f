//! An export as the body of an answer.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use sec_core::Outcome;

use super::Format;
use super::encode::Encoder;
use crate::entry::{AuditEntry, EntryBuilder};
use crate::error::StoreError;
use crate::query::AuditFilter;
use crate::store::{AuditStore, StoreFuture};
use crate::trail::AuditTrail;

/// Entries in one frame.
const CHUNK: usize = 256;

/// The body of an export: reads the store in chunks while it is read.
///
/// A store that fails fails the body, so that the transport breaks off and nobody takes half an export for a whole one.
pub struct ExportBody {
    store: Arc<dyn AuditStore>,
    filter: Arc<AuditFilter>,
    encoder: Encoder,
    state: State,
    closing: Closing,
}

enum State {
    /// Everything below this number is still to come.
    Below(u64),
    Reading(StoreFuture<Vec<Arc<AuditEntry>>>),
    Done,
}

impl ExportBody {
    pub(super) fn new(
        trail: AuditTrail,
        store: Arc<dyn AuditStore>,
        filter: Arc<AuditFilter>,
        format: Format,
        through: u64,
        entry: EntryBuilder,
    ) -> Self {
        Self {
            store,
            filter,
            encoder: Encoder::new(format),
            state: State::Below(through.saturating_add(1)),
            closing: Closing {
                trail,
                entry: Some(entry),
                exported: 0,
            },
        }
    }

    fn encode(&mut self, entries: &[Arc<AuditEntry>]) -> std::io::Result<Bytes> {
        let mut out = Vec::with_capacity(entries.len().saturating_mul(512));
        self.encoder
            .write(&mut out, entries.iter().map(AsRef::as_ref))?;
        if entries.len() < CHUNK {
            self.encoder.finish(&mut out)?;
        }
        Ok(out.into())
    }
}

impl http_body::Body for ExportBody {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Below(below) => {
                    let store = Arc::clone(&this.store);
                    let reading = store.scan(Arc::clone(&this.filter), Some(*below), CHUNK);
                    this.state = State::Reading(reading);
                }
                State::Reading(reading) => {
                    let read = ready!(reading.as_mut().poll(cx));
                    this.state = State::Done;
                    let entries = match read {
                        Ok(entries) => entries,
                        Err(error) => {
                            this.closing.close(Outcome::Failure, "the store failed");
                            return Poll::Ready(Some(Err(error)));
                        }
                    };
                    let bytes = match this.encode(&entries) {
                        Ok(bytes) => bytes,
                        Err(error) => return Poll::Ready(Some(Err(StoreError::new(error)))),
                    };
                    this.closing.count(entries.len());
                    match entries.last() {
                        Some(last) if entries.len() >= CHUNK => {
                            this.state = State::Below(last.seq());
                        }
                        _ => this.closing.close(Outcome::Success, ""),
                    }
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
                State::Done => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

/// Tells the trail once how the export ended.
struct Closing {
    trail: AuditTrail,
    entry: Option<EntryBuilder>,
    exported: u64,
}

impl Closing {
    fn count(&mut self, entries: usize) {
        self.exported = self
            .exported
            .saturating_add(u64::try_from(entries).unwrap_or(u64::MAX));
    }

    fn close(&mut self, outcome: Outcome, reason: &str) {
        if let Some(entry) = self.entry.take() {
            let mut entry = entry
                .again()
                .outcome(outcome)
                .metadata("entries", self.exported);
            if !reason.is_empty() {
                entry = entry.reason(reason);
            }
            let _ = self.trail.record(entry);
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.close(Outcome::Failure, "the export was broken off");
    }
}

impl fmt::Debug for ExportBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportBody")
            .field("encoder", &self.encoder)
            .finish_non_exhaustive()
    }
}
