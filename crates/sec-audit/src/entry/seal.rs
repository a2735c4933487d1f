//! From what was said to what is kept: bounded, masked, printable, final.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use uuid::{NoContext, Timestamp, Uuid};

use super::diff::{Change, diff};
use super::size;
use super::{AuditEntry, EntryBuilder};
use crate::mask::Masker;
use crate::time;

/// The memory of an entry besides its texts.
const FIXED: usize = size_of::<AuditEntry>();

/// How far a text is looked at beyond what is kept of it, in bytes: long enough to know a token that is cut.
const LOOKED_BEYOND: usize = 4 * 1024;

const MAX_ROLES: usize = 32;
const MAX_NAME: usize = 256;
const MAX_TEXT: usize = 1024;

impl EntryBuilder {
    /// Makes the entry: fixes its id and time, bounds it, masks it and computes its changes.
    ///
    /// `now` is the time of an entry that has none. `max_bytes` bounds the memory of the JSON parts: metadata,
    /// before and after may take a fifth of it each, the changes two fifths. What is larger is replaced by
    /// `{"truncated": true}`; the entry itself is never refused. Texts are cut to 1,024 characters, names and ids
    /// to 256, and control characters, line ends and direction marks in them become `�`.
    #[must_use]
    pub fn seal(self, masker: &Masker, now: SystemTime, max_bytes: usize) -> AuditEntry {
        let Self {
            raw: mut entry,
            id,
            at,
        } = self;
        let part = max_bytes.checked_div(5).unwrap_or_default();

        entry.at = time::cut(at.unwrap_or(now));
        entry.id = id.unwrap_or_else(|| new_id(entry.at));
        entry.duration = entry.duration.map(whole_micros);

        let name = |text: &mut Option<Box<str>>| clean_option(masker, text, MAX_NAME);
        name(&mut entry.actor);
        name(&mut entry.session);
        name(&mut entry.tenant);
        name(&mut entry.request_id);
        name(&mut entry.method);
        name(&mut entry.user_agent);
        clean_option(masker, &mut entry.reason, MAX_TEXT);
        clean_option(masker, &mut entry.path, MAX_TEXT);
        entry.roles.truncate(MAX_ROLES);
        for role in &mut entry.roles {
            clean(masker, role, MAX_NAME);
        }
        if let Some((kind, id)) = &mut entry.entity {
            clean(masker, kind, MAX_NAME);
            clean(masker, id, MAX_NAME);
        }

        // Bounded first, so that masking and comparing cost no more than the bound.
        if size::map_bytes_within(&entry.metadata, part).is_none() {
            entry.metadata = truncated();
        }
        masker.mask_map(&mut entry.metadata);
        bound(&mut entry.before, part);
        bound(&mut entry.after, part);
        entry.changes = changes(&entry, masker, part.saturating_mul(2));
        for state in [&mut entry.before, &mut entry.after].into_iter().flatten() {
            masker.mask_value(state);
        }
        entry.bytes = bytes(&entry);
        entry
    }
}

/// A creation has no before and a deletion no after: then the one state says it all.
fn changes(entry: &AuditEntry, masker: &Masker, limit: usize) -> Vec<Change> {
    let (Some(before), Some(after)) = (&entry.before, &entry.after) else {
        return Vec::new();
    };
    let changes = diff(Some(before), Some(after), masker);
    if change_bytes(&changes) > limit {
        return vec![Change {
            path: "…".to_owned(),
            before: None,
            after: None,
        }];
    }
    changes
}

fn bound(state: &mut Option<Value>, limit: usize) {
    if state
        .as_ref()
        .is_some_and(|value| size::bytes_within(value, limit).is_none())
    {
        *state = Some(Value::Object(truncated()));
    }
}

fn truncated() -> Map<String, Value> {
    Map::from_iter([("truncated".to_owned(), Value::Bool(true))])
}

fn clean_option(masker: &Masker, text: &mut Option<Box<str>>, max: usize) {
    if let Some(text) = text {
        clean(masker, text, max);
    }
}

/// Masked before it is cut, or the first half of a token would stay.
fn clean(masker: &Masker, text: &mut Box<str>, max: usize) {
    let masked = masker.mask_text(beginning(text, max));
    let safe = sec_core::text::log_safe(&masked, max);
    if *safe != **text {
        *text = safe.into();
    }
}

fn beginning(text: &str, max: usize) -> &str {
    let mut end = max
        .saturating_mul(4)
        .saturating_add(LOOKED_BEYOND)
        .min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

fn whole_micros(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// UUID version 7 (RFC 9562, section 5.7): from the entry's own time, so that ids sort as times do.
fn new_id(at: SystemTime) -> Uuid {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        since.as_secs(),
        since.subsec_nanos(),
    ))
}

fn bytes(entry: &AuditEntry) -> usize {
    let texts = [
        &entry.reason,
        &entry.actor,
        &entry.session,
        &entry.tenant,
        &entry.request_id,
        &entry.method,
        &entry.path,
        &entry.user_agent,
    ];
    let text = |text: &str| text.len();
    let states = [&entry.before, &entry.after].into_iter().flatten();
    [
        FIXED,
        texts.into_iter().flatten().map(|t| text(t)).sum(),
        entry
            .roles
            .iter()
            .map(|t| text(t).saturating_add(size_of::<Box<str>>()))
            .sum(),
        entry
            .entity
            .as_ref()
            .map_or(0, |(kind, id)| text(kind).saturating_add(text(id))),
        size::map_bytes_within(&entry.metadata, usize::MAX).unwrap_or_default(),
        states
            .map(|state| size::bytes_within(state, usize::MAX).unwrap_or_default())
            .sum(),
        change_bytes(&entry.changes),
    ]
    .into_iter()
    .fold(0, usize::saturating_add)
}

fn change_bytes(changes: &[Change]) -> usize {
    let one = |change: &Change| {
        [&change.before, &change.after]
            .into_iter()
            .flatten()
            .map(|value| size::bytes_within(value, usize::MAX).unwrap_or_default())
            .fold(
                size_of::<Change>().saturating_add(change.path.len()),
                usize::saturating_add,
            )
    };
    changes.iter().map(one).fold(0, usize::saturating_add)
}
