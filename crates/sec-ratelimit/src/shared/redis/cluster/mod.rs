//! Redis Cluster: lanes to each server, and a map that says whose a key is.
//!
//! The client library has a connection to a whole cluster. It repeats what failed on the way (up to
//! sixteen times, which would count twice), or, told not to, follows no redirection either; it lets
//! all requests wait while it looks for the slots, so that one server that hangs stops the others;
//! and `ASKING` may be used up by another request. So the lanes of a single server serve here too,
//! one set for each, and what a cluster adds is this folder.

mod look;
mod nodes;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use deadpool_redis::redis::{Cmd, ServerErrorKind, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::look::{Looking, look};
use self::nodes::{Map, Node, Nodes};
use super::exchange::{Fault, Script, exchange, kind};
use super::script::Place;
use super::server::Server;
use super::width::Width;
use crate::StoreError;
use crate::shared::store::Ask;

/// So many servers have a breaker of their own; 0 is whoever would serve a slot that nobody does.
pub(super) const PARTS: usize = 128;

/// A slot that moves is one or two redirections away.
const REDIRECTIONS: u32 = 4;

#[derive(Clone)]
pub(super) struct Cluster(Arc<Inner>);

struct Inner {
    configured: Vec<Server>,
    width: Width,
    nodes: Nodes,
    map: ArcSwap<Map>,
    looking: AtomicBool,
    /// Something was found wrong since the last look began.
    wanted: AtomicBool,
    turn: AtomicUsize,
    /// Changes after each look: why it found nothing.
    ended: watch::Sender<Option<StoreError>>,
}

impl Cluster {
    /// A cluster that some of its servers tell of. The error is about an address.
    pub(super) fn new(configured: Vec<Server>, width: Width) -> Result<Self, String> {
        for server in &configured {
            if server.host().is_none() {
                return Err("a server of a cluster has a host and a port".into());
            }
            if server.database() != 0 {
                return Err("a cluster has database 0 only".into());
            }
            // Whether a connection can be made to such an address at all.
            width.to(server.clone())?;
        }
        let like = configured.first().cloned();
        let like = like.ok_or("a cluster needs one server at least")?;
        Ok(Self(Arc::new(Inner {
            configured,
            width,
            nodes: Nodes::new(like, width),
            map: ArcSwap::default(),
            looking: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            ended: watch::Sender::new(None),
        })))
    }

    /// Asks the server that has these keys. Redirections are followed, since who redirects
    /// executed nothing.
    pub(super) async fn call(
        &self,
        place: Place<'_>,
        call: &(impl Fn(Script) -> Cmd + Sync),
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        let mut node = self.owner(slots::slot(place)).await?;
        let mut asking = false;
        for _ in 0..=REDIRECTIONS {
            let fault = match self.call_at(&node, call, asking, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let Some((address, ask)) = redirection(&fault, &node) else {
                return Err(fault.into());
            };
            (node, asking) = (self.0.nodes.at(address)?, ask);
        }
        Err(StoreError::Answer("redirected again and again".into()))
    }

    /// Which part of the store has the keys of `ask`, as far as it is known.
    pub(super) fn part(&self, ask: &Ask) -> usize {
        let map = self.0.map.load();
        map.owner(slots::slot(Place::Ask(ask)))
            .map_or(0, |node| node.part)
    }

    pub(super) fn part_name(&self, part: usize) -> Option<String> {
        self.0.nodes.name_of(part)
    }

    async fn owner(&self, slot: u16) -> Result<Arc<Node>, StoreError> {
        let mut ended = self.0.ended.subscribe();
        let map = self.0.map.load_full();
        if let Some(node) = map.owner(slot) {
            return Ok(node.clone());
        }
        self.look();
        if !map.is_empty() {
            return Err(StoreError::Answer("no server has the key's slot".into()));
        }
        // The first requests of all: there is nobody yet whom they could ask.
        let _ = ended.changed().await;
        match self.0.map.load().owner(slot) {
            Some(node) => Ok(node.clone()),
            None => Err(ended.borrow().clone().unwrap_or_else(|| {
                StoreError::Unreachable("who has the key's slot is not known".into())
            })),
        }
    }

    async fn call_at(
        &self,
        node: &Node,
        call: &(impl Fn(Script) -> Cmd + Sync),
        asking: bool,
        deadline: Instant,
    ) -> Result<Value, Fault> {
        let mut hung = Hung {
            cluster: self,
            node,
            deadline,
            answered: false,
        };
        let answer = exchange(&node.lanes, call, asking, deadline).await;
        hung.answered = true;
        match &answer {
            Ok(_) => node.trust(),
            Err(Fault::Server(error)) => match kind(error) {
                Some(ServerErrorKind::Moved) => {
                    node.trust();
                    self.look();
                }
                None
                | Some(
                    ServerErrorKind::ClusterDown
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::BusyLoading
                    | ServerErrorKind::MasterDown,
                ) => self.doubt(node),
                Some(_) => node.trust(),
            },
            Err(Fault::Lane(_)) => self.doubt(node),
        }
        answer
    }

    /// Its slots may be another's by now.
    fn doubt(&self, node: &Node) {
        node.suspect();
        self.look();
    }

    /// Has the slots looked up, once for all who want it.
    fn look(&self) {
        self.0.wanted.store(true, Ordering::Relaxed);
        if self.0.looking.load(Ordering::Relaxed) {
            return;
        }
        // Dropped with a runtime that ends: then there is nobody to look.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.0.looking.swap(true, Ordering::AcqRel) {
            // Ends by itself, at the latest after half a minute.
            runtime.spawn(look(Looking(Arc::downgrade(&self.0))));
        }
    }
}

/// Where a redirection leads, and whether it is for this call only.
fn redirection(fault: &Fault, from: &Node) -> Option<(slots::Address, bool)> {
    let Fault::Server(error) = fault else {
        return None;
    };
    let (to, _slot) = error.redirect_node()?;
    let address = slots::address(to, &from.address.0)?;
    Some((address, kind(error) == Some(ServerErrorKind::Ask)))
}

/// Doubts a server when it is dropped after the deadline without an answer.
struct Hung<'a> {
    cluster: &'a Cluster,
    node: &'a Node,
    deadline: Instant,
    answered: bool,
}

impl Drop for Hung<'_> {
    fn drop(&mut self) {
        if !self.answered && Instant::now() >= self.deadline {
            self.cluster.doubt(self.node);
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("servers", &self.0.configured.len())
            .finish_non_exhaustive()
    }
}
