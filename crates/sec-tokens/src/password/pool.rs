//! Where hashes are computed: off the async threads, few at a time, in memory that is used again.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use argon2::Block;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
};
use zeroize::Zeroize;

use super::error::PasswordErrorKind;

#[derive(Debug)]
pub(super) struct HashPool {
    permits: Arc<Semaphore>,
    concurrency: usize,
    waiting: AtomicUsize,
    max_waiting: usize,
    memory: Arc<Spare>,
}

impl HashPool {
    pub(super) fn new(concurrency: usize, max_waiting: usize, spare_blocks: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            waiting: AtomicUsize::new(0),
            max_waiting,
            memory: Arc::new(Spare {
                blocks: spare_blocks,
                kept: Mutex::new(Vec::new()),
            }),
        }
    }

    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    pub(super) fn max_waiting(&self) -> usize {
        self.max_waiting
    }

    /// Runs `work` with `blocks` blocks of memory as soon as there is room for it.
    ///
    /// The permit moves into the work: a client that hangs up while its hash is running frees its
    /// task, but not the room its hash still takes.
    pub(super) async fn run<T, W>(&self, blocks: usize, work: W) -> Result<T, PasswordErrorKind>
    where
        T: Send + 'static,
        W: FnOnce(&mut [Block]) -> Result<T, PasswordErrorKind> + Send + 'static,
    {
        let runtime = Handle::try_current().map_err(|_| PasswordErrorKind::Failed)?;
        let permit = self.permit().await?;
        let spare = Arc::clone(&self.memory);
        let work = runtime.spawn_blocking(move || {
            let mut memory = Memory::take(spare, blocks)?;
            let result = work(&mut memory.blocks);
            drop(memory);
            drop(permit);
            result
        });
        work.await.map_err(|_| PasswordErrorKind::Failed)?
    }

    /// Takes a permit as running work does.
    #[cfg(test)]
    pub(super) async fn hold(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits).acquire_owned().await.unwrap()
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, PasswordErrorKind> {
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(PasswordErrorKind::Failed),
            Err(TryAcquireError::NoPermits) => {}
        }
        let _place = Place::take(&self.waiting, self.max_waiting)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        permit.map_err(|_| PasswordErrorKind::Failed)
    }
}

/// A place in the queue, given back when the waiter is served or goes away.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Result<Self, PasswordErrorKind> {
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                if waiting < most {
                    waiting.checked_add(1)
                } else {
                    None
                }
            })
            .map(|_| Self(waiting))
            .map_err(|_| PasswordErrorKind::Busy)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Memory between two hashes: at most one piece for each permit, each of the usual size. Using it
/// again saves about a third of a hash, which page faults would otherwise take.
#[derive(Debug)]
struct Spare {
    blocks: usize,
    kept: Mutex<Vec<Vec<Block>>>,
}

struct Memory {
    blocks: Vec<Block>,
    spare: Arc<Spare>,
}

impl Memory {
    fn take(spare: Arc<Spare>, blocks: usize) -> Result<Self, PasswordErrorKind> {
        let kept = if blocks <= spare.blocks {
            spare
                .kept
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
        } else {
            None
        };
        if let Some(blocks) = kept {
            return Ok(Self { blocks, spare });
        }
        let size = blocks.max(spare.blocks);
        let mut fresh = Vec::new();
        fresh
            .try_reserve_exact(size)
            .map_err(|_| PasswordErrorKind::OutOfMemory)?;
        fresh.resize(size, Block::new());
        Ok(Self {
            blocks: fresh,
            spare,
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.blocks.iter_mut().for_each(Zeroize::zeroize);
        if self.blocks.len() == self.spare.blocks {
            let blocks = std::mem::take(&mut self.blocks);
            self.spare
                .kept
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(blocks);
        }
    }
}
