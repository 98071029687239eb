//! Errors of staging.

use layerhold_driver::LayerError;
use layerhold_ids::ImageId;
use layerhold_selinux::LabelError;

use crate::catalog::big_data::DataError;
use crate::catalog::error::{AccessError, Conflict, LookupError, file_errors_are_access};
use crate::engine::userns::UserNsError;
use crate::records::InvalidRecord;
use crate::records::error_kind::{ErrorKind, error_kind};
use crate::records::kinds::ItemId;
/// An item cannot be added to a transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The parent, template, top layer or image does not exist.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The item conflicts with the store, or with the same transaction.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The stream is not a tar that can be unpacked.
    #[error("cannot import the layer")]
    Import(#[source] Box<layerhold_archive::ImportError>),
    /// The driver cannot prepare the layer.
    #[error("cannot prepare the layer")]
    Driver(#[source] LayerError),
    /// A temporary area cannot be used.
    #[error("cannot use a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// A big data item is not valid.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Ranges of an ID map overlap.
    #[error("invalid mappings specified")]
    Mappings(#[source] layerhold_idmap::OverlapError),
    /// No SELinux labels can be chosen.
    #[error(transparent)]
    LabelOptions(#[from] LabelError),
    /// No user namespace can be chosen.
    #[error(transparent)]
    UserNs(Box<UserNsError>),
    /// The tar-split file cannot be written.
    #[error("cannot write the tar-split file of the layer")]
    Record(#[source] std::io::Error),
    /// The record of the item would not be valid.
    #[error("cannot record {} {id}", id.kind())]
    Invalid {
        /// The item.
        id: ItemId,
        /// Why not.
        #[source]
        source: InvalidRecord,
    },
    /// The flag is reserved for the library.
    #[error("cannot set the flag {flag:?}: it is reserved")]
    ReservedFlag {
        /// The flag.
        flag: String,
    },
    /// The ID of a layer has to come from its contents, and there are none.
    #[error(
        "cannot derive the ID of a layer from its contents: it has no digest; give an ID, or import a tar"
    )]
    NoContents,
    /// The image has no manifest.
    #[error(
        "cannot create image {image} without a manifest: podman would fail for the whole store; \
         add the big data item `manifest`, or make the image with layerhold-oci"
    )]
    NoManifest {
        /// The ID that the image would have.
        image: ImageId,
    },
    /// Only one of the two SELinux labels is given.
    #[error("ProcessLabel and Mountlabel must either not be specified or both specified")]
    Labels,
    /// No thread can be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The system provides no random bytes for an ID.
    #[error("cannot make a random ID")]
    NoRandomness,
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl StageError {
    /// Wraps the reason why the record of an item would be invalid.
    pub(crate) fn invalid(id: ItemId) -> impl FnOnce(InvalidRecord) -> Self {
        |source| Self::Invalid { id, source }
    }
}

file_errors_are_access!(StageError);
error_kind!(StageError, |error| match error {
    Self::Lookup(error) => error.kind(),
    Self::Conflict(error) => error.kind(),
    Self::Data(error) => error.kind(),
    Self::Access(error) => error.kind(),
    Self::Mappings(_) => Some(ErrorKind::InvalidMappings),
    Self::UserNs(error) => error.kind(),
    Self::Driver(LayerError::Unknown { .. }) => Some(ErrorKind::LayerUnknown),
    Self::Driver(LayerError::NotSupported { .. }) => Some(ErrorKind::NotSupported),
    _ => None,
});

impl From<UserNsError> for StageError {
    fn from(error: UserNsError) -> Self {
        Self::UserNs(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use layerhold_schema::LayerRecord;

    use super::*;
    use crate::records::Layer;

    #[test]
    fn an_invalid_record_is_called_that() {
        let invalid = Layer::new(LayerRecord::default()).unwrap_err();
        let id = "a".parse().unwrap();
        let error = StageError::invalid(ItemId::Layer(id))(invalid);
        assert_eq!(error.to_string(), "cannot record layer a");
        let cause = error.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some(r#"the field "id" cannot be used"#));
    }
}
