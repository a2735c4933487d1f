//! What requests share.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Coalescer;
use crate::{Clock, Delivery, EventSink};

/// What all requests of one layer share.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sink: Arc<dyn EventSink>,
    pub(super) coalescer: Coalescer,
    pub(super) required: Option<(Delivery, Duration)>,
}
