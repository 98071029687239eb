//! Squashing: an image with one layer that has the tree of all of them.
//!
//! | step | what happens | a crash after it leaves |
//! |---|---|---|
//! | 1 | the image is built as usual, without a name | an image without a name |
//! | 2 | its tree is packed into a layer of its own; the image of that is committed | both images |
//! | 3 | the first image is deleted, unless it was there before | the squashed image |

use layerhold::{DeleteMode, Store};
use layerhold_sys::{Cancel, best_effort};

use super::assemble::assemble;
use super::error::BuildError;
use super::{Base, BuiltImage, ImageBuilder, LayerSource};
use crate::names::complete;
use crate::progress::Reporter;

pub(super) fn build(
    mut builder: ImageBuilder<'_>,
    store: &Store,
    progress: &Reporter<'_>,
) -> Result<BuiltImage, BuildError> {
    // A wrong name is found before any work is done.
    let names = complete(&std::mem::take(&mut builder.names), &[])?;
    let mut second = ImageBuilder {
        names,
        annotations: builder.annotations.clone(),
        created: Some(builder.time()),
        timestamp: builder.timestamp,
        comment: std::mem::take(&mut builder.comment),
        ..ImageBuilder::default()
    };
    second.change.author.clone_from(&builder.change.author);
    builder.created = second.created;

    let mut transaction = store.begin()?;
    let first = assemble(builder, &mut transaction, progress)?;
    if first.layers.is_empty() {
        return Err(BuildError::NothingToSquash);
    }
    let was_there = store.snapshot()?.image_by_id(&first.id)?.is_some();
    transaction.commit()?;

    second.base = Base::Configuration(first.configuration.clone());
    let squashed = second
        .layer(LayerSource::tree_of(first.id.clone()))
        .commit(store, progress);
    let is_same = squashed.as_ref().is_ok_and(|image| image.id == first.id);
    if !was_there && !is_same {
        // A container may have it by now. Then it stays, as an image without a name.
        // It is removed even if the rest was cancelled.
        let store = store.with_cancel(Cancel::new());
        best_effort(store.delete_image(&first.id, DeleteMode::Delete));
    }
    squashed
}
