//! Finds the types of several variables at once, where no error says which of them is meant.
//!
//! A tagged or untagged enum reads its table into a buffer before it knows its fields, and reports
//! their errors as its own.

use super::{
    error::DeError,
    segment::Segment,
    tree::{Node, Value},
};

/// How many combinations are tried: six variables with three forms each.
const LIMIT: usize = 729;

/// A value of unknown type and the forms it may take, the present one first.
struct Slot {
    path: Vec<Segment>,
    forms: Vec<Value>,
    chosen: usize,
}

/// Tries all forms of what is below `path` until the error there is gone; `attempt` reads the root.
///
/// # Errors
///
/// The error to report when no combination fits.
pub(super) fn guess(
    root: &mut Node,
    path: &[Segment],
    error: &DeError,
    attempt: impl Fn(&Node) -> Option<DeError>,
) -> Result<(), Box<DeError>> {
    let mut slots = Vec::new();
    if let Some(node) = root.at_mut(path) {
        collect(node, &mut path.to_vec(), &mut slots);
    }
    let fails = |root: &Node| attempt(root).filter(|error| error.path().starts_with(path));
    for _ in 0..LIMIT {
        if !next(&mut slots) {
            break;
        }
        choose(root, &slots);
        if fails(root).is_none() {
            return Ok(());
        }
    }
    // A number that is meant as one must not hide what is wrong with its neighbour.
    for slot in &mut slots {
        slot.chosen = usize::from(!matches!(slot.forms.get(1), None | Some(Value::Array(_))));
    }
    choose(root, &slots);
    let error = fails(root)
        .filter(|other| other.path() == path)
        .unwrap_or_else(|| error.clone());
    slots.iter_mut().for_each(|slot| slot.chosen = 0);
    choose(root, &slots);
    Err(Box::new(error))
}

/// Takes the values with several forms out of their trials: they are tried here and only here.
fn collect(node: &mut Node, path: &mut Vec<Segment>, slots: &mut Vec<Slot>) {
    if node.gone {
        return;
    }
    if let Some(trial) = node.trial.as_mut().filter(|trial| !trial.invented) {
        let mut forms = vec![node.value.clone()];
        forms.extend(std::mem::take(&mut trial.rest).into_iter().rev());
        if forms.len() > 1 {
            slots.push(Slot {
                path: path.clone(),
                forms,
                chosen: 0,
            });
        }
        return;
    }
    let mut enter = |segment: Segment, child: &mut Node| {
        path.push(segment);
        collect(child, path, slots);
        path.pop();
    };
    match &mut node.value {
        Value::Table(table) => {
            table
                .iter_mut()
                .for_each(|(key, child)| enter(Segment::Key(key.clone()), child));
        }
        Value::Array(array) => {
            let children = array.iter_mut().enumerate();
            children.for_each(|(index, child)| enter(Segment::Index(index), child));
        }
        _ => {}
    }
}

/// Counts on as an odometer does; false when every combination has been.
fn next(slots: &mut [Slot]) -> bool {
    for slot in slots {
        slot.chosen = slot.chosen.saturating_add(1);
        if slot.chosen < slot.forms.len() {
            return true;
        }
        slot.chosen = 0;
    }
    false
}

fn choose(root: &mut Node, slots: &[Slot]) {
    for slot in slots {
        if let (Some(node), Some(form)) = (root.at_mut(&slot.path), slot.forms.get(slot.chosen)) {
            node.value = form.clone();
        }
    }
}
