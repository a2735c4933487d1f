//! How much memory a value takes, roughly, and how much of a text is kept.

use serde_json::{Map, Value};

use crate::mask::MAX_DEPTH;

/// What a JSON node costs besides its text: the enum, its share of the map or list, the allocation.
const NODE: usize = 48;

/// The memory of a value in bytes, estimated; `None` once it is above `limit` or nested deeper than
/// [`MAX_DEPTH`]. Stops there, so the cost is bounded by `limit` and not by the value.
pub(crate) fn bytes_within(value: &Value, limit: usize) -> Option<usize> {
    let mut left = limit;
    spend(value, &mut left, MAX_DEPTH)?;
    Some(limit.saturating_sub(left))
}

pub(crate) fn map_bytes_within(map: &Map<String, Value>, limit: usize) -> Option<usize> {
    let mut left = limit;
    spend_map(map, &mut left, MAX_DEPTH)?;
    Some(limit.saturating_sub(left))
}

fn spend(value: &Value, left: &mut usize, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => take(left, 0),
        Value::String(text) => take(left, text.len()),
        Value::Array(items) => {
            take(left, 0)?;
            items.iter().try_for_each(|item| spend(item, left, depth))
        }
        Value::Object(map) => spend_map(map, left, depth),
    }
}

fn spend_map(map: &Map<String, Value>, left: &mut usize, depth: usize) -> Option<()> {
    take(left, 0)?;
    map.iter().try_for_each(|(name, value)| {
        *left = left.checked_sub(name.len())?;
        spend(value, left, depth)
    })
}

fn take(left: &mut usize, text: usize) -> Option<()> {
    *left = left.checked_sub(text.saturating_add(NODE))?;
    Some(())
}
