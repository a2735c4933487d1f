//! The servers of a cluster, each with lanes of its own.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool_redis::redis::{ConnectionAddr, ConnectionInfo};

use super::PARTS;
use super::slots::{Address, Range, SLOTS};
use crate::StoreError;
use crate::shared::redis::lanes::Lanes;
use crate::shared::redis::width::Width;

/// One server.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) lanes: Lanes,
    /// Its number among the parts of the store, from 1.
    pub(super) part: usize,
    /// It failed, and has answered nothing since.
    suspect: AtomicBool,
}

/// All servers that are known.
#[derive(Debug)]
pub(super) struct Nodes {
    known: Mutex<HashMap<Address, Arc<Node>>>,
    /// Credentials and protocol, with the address of the first server that was configured.
    like: ConnectionInfo,
    width: Width,
}

/// Who serves which slot.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// One per slot: its master's place in the list, or none.
    owners: Vec<Option<u16>>,
    masters: Vec<Arc<Node>>,
}

impl Node {
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    pub(super) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    pub(super) fn trust(&self) {
        // Read first: a value that nobody writes is shared between processors for nothing.
        if self.is_suspect() {
            self.suspect.store(false, Ordering::Relaxed);
        }
    }
}

impl Nodes {
    pub(super) fn new(like: ConnectionInfo, width: Width) -> Self {
        Self {
            known: Mutex::default(),
            like,
            width,
        }
    }

    /// The server of this address, known or new.
    pub(super) fn at(&self, address: Address) -> Result<Arc<Node>, StoreError> {
        let mut known = self.lock();
        if let Some(node) = known.get(&address) {
            return Ok(node.clone());
        }
        let taken: HashSet<_> = known.values().map(|node| node.part).collect();
        let free = (1..PARTS).find(|part| !taken.contains(part));
        // Beyond so many servers some share a breaker.
        let shared = known.len().checked_rem(PARTS).unwrap_or_default();
        let node = Arc::new(Node {
            lanes: self.lanes(&address)?,
            address: address.clone(),
            part: free.unwrap_or(shared),
            suspect: AtomicBool::new(false),
        });
        known.insert(address, node.clone());
        Ok(node)
    }

    /// Those who can be asked about the slots, the doubtful ones last, each `turn` from another one on.
    pub(super) fn to_ask(&self, turn: usize) -> Vec<Arc<Node>> {
        let mut nodes: Vec<_> = self.lock().values().cloned().collect();
        let from = turn.checked_rem(nodes.len()).unwrap_or_default();
        nodes.rotate_left(from);
        nodes.sort_by_key(|node| node.is_suspect());
        nodes
    }

    /// The map of these slots. Servers that it does not name are forgotten.
    pub(super) fn map(&self, ranges: &[Range]) -> Result<Map, StoreError> {
        let mut map = Map {
            owners: vec![None; SLOTS],
            masters: Vec::new(),
        };
        for range in ranges {
            let Some((master, replicas)) = range.servers.split_first() else {
                continue;
            };
            let master = self.at(master.clone())?;
            // A replica is known beforehand: when its master is gone, it is the one to ask.
            for replica in replicas {
                self.at(replica.clone())?;
            }
            let index = u16::try_from(map.masters.len()).ok();
            let slots = usize::from(range.first)..=usize::from(range.last);
            if let Some(owners) = map.owners.get_mut(slots) {
                owners.fill(index);
            }
            map.masters.push(master);
        }
        let named: HashSet<_> = ranges.iter().flat_map(|range| &range.servers).collect();
        self.lock().retain(|address, _| named.contains(address));
        Ok(map)
    }

    pub(super) fn name_of(&self, part: usize) -> Option<String> {
        let known = self.lock();
        let node = known.values().find(|node| node.part == part)?;
        let (host, port) = &node.address;
        Some(format!("{host}:{port}"))
    }

    fn lanes(&self, (host, port): &Address) -> Result<Lanes, StoreError> {
        let address = match self.like.addr().clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host.clone(), *port),
        };
        let server = self.like.clone().set_addr(address);
        self.width.to(server).map_err(StoreError::Unreachable)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Arc<Node>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Map {
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let index = (*self.owners.get(usize::from(slot))?)?;
        self.masters.get(usize::from(index))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.masters.is_empty()
    }

    pub(super) fn has_suspects(&self) -> bool {
        self.masters.iter().any(|node| node.is_suspect())
    }
}
