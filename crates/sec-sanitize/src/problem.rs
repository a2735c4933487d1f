//! How the errors of this crate look to the caller.

use http::StatusCode;
use sec_core::Problem;
use serde_json::{Value, json};

use crate::html::{BudgetError, BudgetKind};
use crate::json::{FieldError, InputError};

impl From<&BudgetError> for Problem {
    fn from(error: &BudgetError) -> Self {
        match error.kind() {
            BudgetKind::InputBytes => {
                Problem::typed("text-too-long", StatusCode::PAYLOAD_TOO_LARGE, "Text too long")
                    .with_detail(format!("At most {} bytes are allowed.", error.limit()))
            }
            _ => Problem::typed(
                "markup-too-complex",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Markup too complex",
            )
            .with_detail(
                "The text has too many tags, too deep nesting, or too many tags that are not closed.",
            ),
        }
    }
}

impl From<BudgetError> for Problem {
    fn from(error: BudgetError) -> Self {
        Self::from(&error)
    }
}

impl From<&InputError> for Problem {
    fn from(error: &InputError) -> Self {
        match error {
            InputError::MediaType { expected } => Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .with_detail(format!(
                    "The body must be {expected} in UTF-8, without a content coding."
                )),
            InputError::TooLarge { limit } => Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
                .with_detail(format!("At most {limit} bytes are allowed.")),
            InputError::Malformed(reason) => Problem::typed(
                "malformed-input",
                StatusCode::BAD_REQUEST,
                "Malformed input",
            )
            .with_detail(reason.clone()),
            InputError::Invalid(fields) => Problem::typed(
                "validation-failed",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Validation failed",
            )
            .with("errors", fields.iter().map(entry).collect::<Vec<_>>()),
        }
    }
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        Self::from(&error)
    }
}

fn entry(field: &FieldError) -> Value {
    let mut entry = json!({ "pointer": field.pointer, "code": field.code });
    if let (Value::Object(entry), Some(detail)) = (&mut entry, &field.detail) {
        entry.insert(
            "detail".to_owned(),
            Value::String(detail.clone().into_owned()),
        );
    }
    entry
}
