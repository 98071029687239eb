//! Squashing: an image with one layer that has the tree of all of them.
//!
//! | step | what happens | a crash after it leaves |
//! |---|---|---|
//! | 1 | the image is built as usual, without a name | an image without a name |
//! | 2 | its tree is packed into a layer of its own; the image of that is committed | both images |
//! | 3 | the first image is deleted | the squashed image |
//!
//! Its history makes the first image one that no other program has or makes, so that deleting it
//! takes nothing from another squash of the same contents.

use layerhold::{AccessError, DeleteMode, Store};
use layerhold_sys::{Cancel, best_effort, random_bytes};

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
    let mut random = [0; 16];
    random_bytes(&mut random).map_err(AccessError::from)?;
    builder.comment = format!("to be squashed: {:032x}", u128::from_le_bytes(random));

    let mut transaction = store.begin()?;
    let first = assemble(builder, &mut transaction, progress)?;
    if first.layers.is_empty() {
        return Err(BuildError::NothingToSquash);
    }
    transaction.commit()?;

    second.base = Base::Configuration(first.configuration.clone());
    let squashed = second
        .layer(LayerSource::tree_of(first.id.clone()))
        .commit(store, progress);
    // A container may have it by now. Then it stays, as an image without a name.
    // It is removed even if the rest was cancelled.
    let store = store.with_cancel(Cancel::new());
    best_effort(store.delete_image(&first.id, DeleteMode::Delete));
    squashed
}
