//! Rebuilds the tar-split file of a layer.

use std::io::{self, BufWriter, Read};
use std::sync::Arc;

use layerhold_ids::LayerId;
use layerhold_staging::TempRoot;
use layerhold_tar_format::{Limits, Reader};
use layerhold_tar_split::Recorder;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::Repair;
use super::error::RepairError;
use crate::catalog::files;
use crate::catalog::layout::{FILE_MODE, tar_split_name};
use crate::catalog::lookup::by_id;
use crate::contents::diff::pair_of;
use crate::contents::pipe::pipe;
use crate::records::Layer;
use crate::records::kinds::ItemId;

impl Repair<'_> {
    /// Packs the tar of a layer again, and records how. If the tar is the one that was imported,
    /// the recording becomes the tar-split file; an old file is removed.
    pub(super) fn rebuild_tar_split(&mut self, id: &LayerId) -> Result<(), RepairError> {
        let layers = self.engine.catalog.read_layers()?;
        let find = |id: &LayerId| by_id(&layers, id.as_str()).map_err(|_| RepairError::Changed);
        let Some(layer) = find(id)? else {
            return Ok(());
        };
        let parent = layer.parent().map(find).transpose()?.flatten();
        let Some(expected) = layer.diff_id() else {
            return Err(RepairError::Changed);
        };
        let expected = expected.into_digest();
        let area = TempRoot::new(self.engine.catalog.layout.temp_root())
            .begin()
            .map_err(RepairError::Staging)?;
        let staged = area.stage_addition();
        let recorder = Recorder::new(BufWriter::new(staged.create_file(FILE_MODE)?));
        let (recorder, actual) = self.record(parent, layer, recorder, expected.algorithm())?;
        if actual != expected.to_bytes() {
            return Err(RepairError::OtherTar { expected });
        }
        files::finish(recorder, &staged.path()).map_err(RepairError::Record)?;
        let file = staged.area().open_file(staged.name())?;
        let synced = file.sync_all();
        synced.map_err(RepairError::Record)?;
        let locks = self.engine.lock_all()?;
        if !self.is_unchanged(&locks, &ItemId::Layer(id.clone()))? {
            return Ok(());
        }
        let name = tar_split_name(id);
        let dirs = self.engine.catalog.layout.layer_dirs();
        let dir = dirs
            .filter(|dir| matches!(dir.exists(&name), Ok(true)))
            .chain([&self.engine.catalog.layout.layers])
            .next()
            .unwrap_or(&self.engine.catalog.layout.layers);
        area.stage_deletion(dir, &name)
            .map_err(|error| RepairError::Place(error.source))?;
        staged
            .commit(dir, &name)
            .map_err(|error| RepairError::Place(error.source))?;
        dir.sync()?;
        Ok(())
    }

    fn record<W: io::Write>(
        &self,
        parent: Option<Arc<Layer>>,
        layer: Arc<Layer>,
        recorder: Recorder<W>,
        algorithm: layerhold_ids::Algorithm,
    ) -> Result<(Recorder<W>, Vec<u8>), RepairError> {
        let driver = self.engine.driver();
        let pair = pair_of(self.engine, parent, layer)?;
        let (mut writer, reader) = pipe();
        std::thread::scope(|scope| {
            let pack = move || {
                let outcome = pair.write(&*driver, &mut writer);
                writer.finish(outcome);
            };
            let started = std::thread::Builder::new().spawn_scoped(scope, pack);
            let _packing = started.map_err(RepairError::Record)?;
            let hashed = Hashed {
                source: reader,
                hash: hasher(algorithm)?,
            };
            let mut tar = Reader::with_sink(hashed, Limits::default(), recorder);
            let failed = |error| RepairError::Record(io::Error::other(error));
            while let Some(mut entry) = tar.next_entry().map_err(failed)? {
                let copied = io::copy(&mut entry, &mut io::sink());
                copied.map_err(RepairError::Record)?;
            }
            tar.drain().map_err(failed)?;
            let (hashed, recorder) = tar.into_parts();
            Ok((recorder, hashed.hash.finalize().to_vec()))
        })
    }
}

/// Hashes what is read through it.
struct Hashed<R> {
    source: R,
    hash: Box<dyn sha2::digest::DynDigest + Send>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

fn hasher(
    algorithm: layerhold_ids::Algorithm,
) -> Result<Box<dyn sha2::digest::DynDigest + Send>, RepairError> {
    use layerhold_ids::Algorithm;
    match algorithm {
        Algorithm::Sha256 => Ok(Box::new(Sha256::new())),
        Algorithm::Sha384 => Ok(Box::new(Sha384::new())),
        Algorithm::Sha512 => Ok(Box::new(Sha512::new())),
        _ => Err(RepairError::Record(io::ErrorKind::Unsupported.into())),
    }
}
