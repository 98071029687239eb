//! `layerhold export`.

use super::archive_output::ArchiveOutput;
use super::args::Export;
use super::call::Call;
use super::find::find;
use crate::failure::Failure;

/// Writes the whole tree of an item as a tar. No lock is held while it is written.
pub(super) fn run(call: &mut Call<'_, '_>, args: Export) -> Result<(), Failure> {
    let item = find(&call.store.snapshot()?, &args.item)?.id();
    let output = ArchiveOutput::new(call, args.output)?;
    let mut tar = call.store.tree_tar(item)?;
    output.write(call, &mut tar)
}
