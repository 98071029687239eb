//! Errors of converting records.

use std::error::Error;

use layerhold_schema::RecordError;

use super::error_kind::{ErrorKind, error_kind};

/// A record cannot be used. It is set aside and stays in its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRecord {
    /// It is not the JSON of such a record.
    #[error("not the JSON of a record")]
    Json(#[from] RecordError),
    /// A field has a value that cannot be used safely.
    #[error("the field {field:?} cannot be used")]
    Field {
        /// The field.
        field: &'static str,
        /// The reason.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

error_kind!(InvalidRecord, |_error| Some(ErrorKind::LoadError));

impl InvalidRecord {
    pub(super) fn field<E: Error + Send + Sync + 'static>(
        field: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Field {
            field,
            source: Box::new(source),
        }
    }
}
