//! A staged tree that the caller fills.

use std::io;
use std::io::{BufWriter, Read, Write};
use std::ops::ControlFlow;

use layerhold_archive::{Codec, ImportOptions, UnpackOptions, compressor};
use layerhold_driver::TreeRoot;
use layerhold_idmap::IdMappings;
use layerhold_staging::{StagedAddition, TempRoot};
use layerhold_sys::{Dir, PathError};

use super::{FilledTree, TreeFacts, TreeState};
use crate::catalog::layout::FILE_MODE;
use crate::contents::import::{Destination, import};
use crate::spans::operation;
use crate::spec::error::StageError;

/// An empty staged tree that belongs to no layer yet.
///
/// Files below [`root`](Self::root) must have the form in which the driver keeps layers, which
/// [`unpack_options`](Self::unpack_options) describe. An [`Unpacker`](layerhold_archive::Unpacker)
/// with these options produces it.
///
/// ```no_run
/// use layerhold::layerhold_archive::Unpacker;
/// use layerhold::{LayerAccess, LayerSpec, Store, TreeFacts, TreeSpec};
///
/// # fn fill(store: &Store, mut entries: impl FnMut(&mut Unpacker)) -> Result<(), layerhold::Error> {
/// let tree = store.stage_tree(TreeSpec::for_new_layer(LayerAccess::ReadOnly))?;   // no lock is held
/// let mut unpacker = Unpacker::new(tree.root(), tree.unpack_options()).expect("a directory");
/// entries(&mut unpacker);                                                         // from wherever they come
/// let tree = tree.filled(TreeFacts::new().with_owners([0], [0]));
/// let mut tx = store.begin()?;
/// tx.create_layer_from_tree(LayerSpec::new().read_only(), tree)?;
/// tx.commit()?;                                                                   // a rename, and a record
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a tree that is dropped is erased"]
pub struct TreeToFill {
    state: TreeState,
    temp_root: TempRoot,
    import: ImportOptions,
}

impl TreeToFill {
    pub(super) fn new(state: TreeState, temp_root: TempRoot, import: ImportOptions) -> Self {
        Self {
            state,
            temp_root,
            import,
        }
    }

    /// Returns the directory to fill, the root directory of the layer.
    #[must_use]
    pub fn root(&self) -> &Dir {
        self.state.tree.root()
    }

    /// Returns the options for unpacking archives below the root: the form of whiteouts and the ID
    /// maps.
    #[must_use]
    pub fn unpack_options(&self) -> UnpackOptions {
        let mut options = self.state.tree.unpack_options();
        options.id_maps = self.state.maps.clone();
        options
    }

    /// Returns the ID maps from owners in a container to owners on disk.
    #[must_use]
    pub fn id_maps(&self) -> &IdMappings {
        &self.state.maps
    }

    /// Stores the tar-split of the layer's tar, as uncompressed lines. With it the tar can be
    /// rebuilt byte for byte. It is not checked against the tree.
    ///
    /// # Errors
    ///
    /// [`StageError::Record`] when `lines` cannot be read or the file cannot be written.
    pub fn record_tar_split(&mut self, lines: &mut dyn Read) -> Result<(), StageError> {
        let addition = self.tar_split_addition()?;
        let file = addition.create_file(FILE_MODE)?;
        let mut writer = compressor(Codec::Gzip, BufWriter::new(file)).map_err(other)?;
        let _bytes = io::copy(lines, &mut writer).map_err(StageError::Record)?;
        let mut buffer = writer.finish().map_err(other)?;
        buffer.flush().map_err(|cause| {
            let path = addition.path();
            other(PathError::new("write", path, cause))
        })?;
        self.state.tar_split = Some(addition);
        Ok(())
    }

    /// Declares the tree complete, with the facts to record.
    pub fn filled(self, facts: TreeFacts) -> FilledTree {
        FilledTree {
            state: self.state,
            facts,
        }
    }

    /// Fills the tree from a tar, plain or compressed, and collects the facts to record. The stream
    /// is read once and to its end.
    ///
    /// # Errors
    ///
    /// [`StageError::Import`] for a stream that cannot be read or unpacked. The tree is erased
    /// then.
    pub fn unpack_tar(mut self, reader: impl Read + Send) -> Result<FilledTree, StageError> {
        let _span = operation!("unpack_tar");
        let before = attributes(self.root())?;
        let addition = self.tar_split_addition()?;
        let tree = &mut self.state.tree;
        let destination = Destination {
            root: tree.root().clone(),
            options: tree.unpack_options(),
            maps: self.state.maps.clone(),
            settle: &mut |unsettled| tree.settle(unsettled),
        };
        let options = &self.import;
        let imported = import(reader, destination, &addition, options, &mut |_| {
            ControlFlow::Continue(())
        })?;
        self.state.tar_split = Some(addition);
        let root = if attributes(self.root())? == before {
            TreeRoot::LikeParent
        } else {
            TreeRoot::AsFilled
        };
        Ok(self.filled(TreeFacts::of_import(&imported).with_root(root)))
    }

    /// Erases the tree and reports errors, which dropping cannot.
    ///
    /// # Errors
    ///
    /// [`StageError::Driver`] when something cannot be removed. What is left is removed by the next
    /// writer.
    pub fn discard(self) -> Result<(), StageError> {
        self.filled(TreeFacts::new()).discard()
    }

    fn tar_split_addition(&mut self) -> Result<StagedAddition, StageError> {
        let area = match self.state.area.take() {
            Some(area) => area,
            None => self.temp_root.begin().map_err(StageError::Staging)?,
        };
        Ok(self.state.area.insert(area).stage_addition())
    }
}

/// Returns the attributes that an archive entry for the root directory would set.
fn attributes(root: &Dir) -> Result<(u32, u32, u32), PathError> {
    let stat = root.stat_self()?;
    Ok((stat.permissions(), stat.uid, stat.gid))
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> StageError {
    StageError::Record(io::Error::other(error))
}
