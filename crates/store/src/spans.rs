//! Spans of operations and of what takes time in them.
//!
//! The README of the crate lists their names. A disabled span costs the load of one atomic integer.

/// Begins the span of an operation, which ends when it is dropped.
///
/// With a key, this converts the key and returns it with the span. With a kind, the ID is noted
/// later by [`note_id`], for items whose ID is chosen in the operation.
macro_rules! operation {
    ($name:literal) => {
        tracing::debug_span!(target: "layerhold", $name).entered()
    };
    ($name:literal, kind = $kind:literal) => {
        tracing::debug_span!(target: "layerhold", $name, kind = $kind, id = tracing::field::Empty).entered()
    };
    ($name:literal, $key:expr) => {{
        let key: $crate::catalog::key::Key<'_, _> = $key.into();
        let span = tracing::debug_span!(target: "layerhold", $name, kind = key.kind_name(), id = %key);
        (key, span.entered())
    }};
}

/// Begins the span of a part of an operation, which ends when it is dropped.
macro_rules! phase {
    ($name:literal $(, $($field:tt)+)?) => {
        tracing::debug_span!(target: "layerhold", $name $(, $($field)+)?).entered()
    };
}

pub(crate) use {operation, phase};

/// Notes the ID of the item in the span of an operation.
pub(crate) fn note_id(operation: &tracing::Span, id: &impl std::fmt::Display) {
    let _span = operation.record("id", tracing::field::display(id));
}
