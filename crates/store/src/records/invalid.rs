//! Why a record cannot be used.

use std::error::Error;

use layerhold_schema::RecordError;

/// A record that cannot be used. It is set aside and stays in its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRecord {
    /// It is not the JSON that it should be.
    #[error("not the JSON of a record")]
    Json(#[from] RecordError),
    /// One of its fields holds something that could not be used safely.
    #[error("the field {field:?} cannot be used")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

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
