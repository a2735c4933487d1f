//! Families in this process's memory.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::{
    family::{Change, Family, FamilyRecord, Owner, Presented, Rotated},
    store::{RefreshStore, StoreError},
    token::FamilyId,
};

const DEFAULT_CAPACITY: usize = 100_000;

/// Families in memory: for one process, and gone with it.
///
/// Bounded: above its capacity (default: 100 000 families, about 60 MB) the one that would end first
/// goes, so that somebody is logged out rather than everybody refused. One lock guards all of it; it
/// is held for a few map operations, never across an await.
#[derive(Debug)]
pub struct MemoryRefreshStore {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    families: HashMap<FamilyId, FamilyRecord>,
    by_owner: HashMap<Owner, Vec<FamilyId>>,
    by_end: BTreeSet<(SystemTime, FamilyId)>,
}

impl MemoryRefreshStore {
    /// An empty store of the default capacity.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// An empty store that keeps at most so many families (at least one).
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            state: Mutex::default(),
        }
    }

    /// How many families it holds, ended ones that were not swept yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().families.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below leaves the maps whole before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_now(&self, record: FamilyRecord, most: usize) -> Vec<Family> {
        let mut state = self.state();
        state.sweep(record.family.created_at);
        let owner = record.family.owner.clone();
        let mut gone = Vec::new();
        while state.count(&owner) >= most.max(1) {
            let Some(oldest) = state.oldest(&owner) else {
                break;
            };
            gone.extend(state.remove(oldest));
        }
        while state.families.len() >= self.capacity {
            let Some(&(_, first)) = state.by_end.first() else {
                break;
            };
            gone.extend(state.remove(first));
        }
        state.insert(record);
        gone
    }

    fn rotate_now(&self, presented: &Presented) -> Rotated {
        let mut state = self.state();
        let Some(record) = state.families.get_mut(&presented.family) else {
            return Rotated::Unknown;
        };
        let (rotated, change) = record.rotate(presented);
        if change == Change::Remove {
            state.remove(presented.family);
        }
        rotated
    }

    fn list_now(&self, owner: &Owner, now: SystemTime) -> Vec<Family> {
        let mut state = self.state();
        state.sweep(now);
        let ids = state.by_owner.get(owner).map_or(&[][..], Vec::as_slice);
        let records = ids.iter().filter_map(|id| state.families.get(id));
        let mut families: Vec<_> = records.map(|record| record.family.clone()).collect();
        families.sort_by_key(|family| family.created_at);
        families
    }
}

impl Default for MemoryRefreshStore {
    fn default() -> Self {
        Self::new()
    }
}

impl RefreshStore for MemoryRefreshStore {
    async fn create(&self, record: FamilyRecord, most: usize) -> Result<Vec<Family>, StoreError> {
        Ok(self.create_now(record, most))
    }

    async fn rotate(&self, presented: Presented) -> Result<Rotated, StoreError> {
        Ok(self.rotate_now(&presented))
    }

    async fn revoke(
        &self,
        family: FamilyId,
        now: SystemTime,
    ) -> Result<Option<Family>, StoreError> {
        let mut state = self.state();
        state.sweep(now);
        Ok(state.remove(family))
    }

    async fn revoke_all(&self, owner: &Owner, now: SystemTime) -> Result<Vec<Family>, StoreError> {
        let mut state = self.state();
        state.sweep(now);
        let ids = state.by_owner.get(owner).cloned().unwrap_or_default();
        Ok(ids.into_iter().filter_map(|id| state.remove(id)).collect())
    }

    async fn list(&self, owner: &Owner, now: SystemTime) -> Result<Vec<Family>, StoreError> {
        Ok(self.list_now(owner, now))
    }
}

impl State {
    fn insert(&mut self, record: FamilyRecord) {
        let family = &record.family;
        // An identifier that was there already would leave its old owner's list pointing at it.
        self.remove(family.id);
        self.by_owner
            .entry(family.owner.clone())
            .or_default()
            .push(family.id);
        self.by_end.insert((family.expires_at, family.id));
        self.families.insert(family.id, record);
    }

    fn remove(&mut self, id: FamilyId) -> Option<Family> {
        let family = self.families.remove(&id)?.family;
        self.by_end.remove(&(family.expires_at, id));
        if let Some(ids) = self.by_owner.get_mut(&family.owner) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_owner.remove(&family.owner);
            }
        }
        Some(family)
    }

    /// Removes what has ended.
    fn sweep(&mut self, now: SystemTime) {
        while let Some(&(end, id)) = self.by_end.first() {
            if end > now {
                break;
            }
            self.by_end.pop_first();
            self.remove(id);
        }
    }

    fn count(&self, owner: &Owner) -> usize {
        self.by_owner.get(owner).map_or(0, Vec::len)
    }

    fn oldest(&self, owner: &Owner) -> Option<FamilyId> {
        // Pushed in the order of their log-ins.
        self.by_owner.get(owner)?.first().copied()
    }
}
