//! Rebuilds what is damaged from what else is there.

use std::collections::BTreeMap;

use layerhold_ids::{DiffId, ImageId, LayerId};
use layerhold_json_store::Damaged;

use super::Repair;
use super::error::RepairError;
use crate::catalog::big_data::DataError;
use crate::catalog::locked::Locked;
use crate::catalog::locks::WithKind;
use crate::catalog::lookup::{ItemRecord, by_id, own_by_id};
use crate::catalog::record_stores::{MergedRecords, Records};
use crate::check::{Damage, Finding, item_with_same_content};
use crate::records::big_data_item::digest_of;
use crate::records::kinds::{ItemId, ItemKind};
use crate::records::{Image, Layer};
use crate::usage::count_again;

/// Big data items up to this size are copied.
const MAX_ITEM: u64 = 1 << 30;

impl Repair<'_> {
    /// Repairs what a finding is about.
    pub(super) fn rebuild(&mut self, finding: &Finding) -> Result<(), RepairError> {
        match (finding.subject.item(), &finding.damage) {
            (_, Damage::NameTwice { .. } | Damage::UnfinishedChange) => {
                // Taking the locks resolves the one and undoes the other.
                drop(self.engine.lock_all()?);
                Ok(())
            }
            (_, Damage::Home(found)) => {
                let _no_commits = self.engine.lock_layers()?;
                let driver = self.engine.driver();
                driver
                    .maintenance()
                    .repair_home(found)
                    .map_err(RepairError::Driver)
            }
            (_, Damage::MountCounts(_)) => self.count_all_mounts(),
            (Some(id), Damage::RecordLost { .. }) => self.restore_record(id),
            (Some(ItemId::Layer(id)), damage) => self.layer(id, damage),
            (Some(ItemId::Image(id)), damage) => self.image(id, damage),
            (Some(id), damage) => self.item(id, damage),
            (None, _) => Ok(()),
        }
    }

    /// Removes bytes that are not a record from their file; the save moves them to a side file
    /// first.
    pub(super) fn set_aside(&mut self, finding: &Finding) -> Result<(), RepairError> {
        let Damage::Record { kind, source } = &finding.damage else {
            return Ok(());
        };
        let mut locks = self.engine.lock_all()?;
        match kind {
            ItemKind::Layer => set_aside(&mut locks.layers, source)?,
            ItemKind::Image => set_aside(&mut locks.images, source)?,
            ItemKind::Container => set_aside(&mut locks.containers, source)?,
        }
        Ok(())
    }

    fn layer(&mut self, id: &LayerId, damage: &Damage) -> Result<(), RepairError> {
        match damage {
            Damage::StaleMount { path, .. } => self.forget_mount(id, path),
            Damage::UncountedMount { .. } => self.count_mount(id),
            Damage::Counter { .. } => Ok(count_again(self.engine, id)?),
            Damage::Driver(_) => self.repair_driver_damage(id),
            Damage::TarSplitMissing | Damage::TarSplit(_) => self.rebuild_tar_split(id),
            Damage::Size { actual, .. } => {
                let actual = i64::try_from(*actual).unwrap_or(-1);
                self.change_layer(id, &|layer| layer.record_mut().diff_size = actual)
            }
            Damage::Digest { actual, .. } => self.digest(id, actual),
            damage => self.item(&ItemId::Layer(id.clone()), damage),
        }
    }

    /// Lets the driver repair what it keeps about a layer.
    fn repair_driver_damage(&self, id: &LayerId) -> Result<(), RepairError> {
        let layers = self.engine.lock_layers()?;
        let layer = own_by_id(&layers, id.as_str()).map_err(|_| RepairError::Changed)?;
        let Some(layer) = layer else { return Ok(()) };
        let driver = self.engine.driver();
        driver
            .maintenance()
            .repair(id, layer.parent())
            .map_err(RepairError::Driver)
    }

    /// The record of a tar that was imported uncompressed has its digest twice, and the second one
    /// is right. Otherwise the tar is packed again.
    fn digest(&mut self, id: &LayerId, actual: &DiffId) -> Result<(), RepairError> {
        let layers = self.engine.catalog.read_layers()?;
        let layer = by_id(&layers, id.as_str()).map_err(|_| RepairError::Changed)?;
        let Some(layer) = layer else { return Ok(()) };
        let as_it_came = layer.compressed_digest().map(|digest| digest.into_digest());
        if as_it_came.as_ref() != Some(actual.digest()) {
            return self.rebuild_tar_split(id);
        }
        let actual = actual.to_string();
        self.change_layer(id, &|layer| layer.record_mut().diff_digest = actual.clone())
    }

    fn change_layer(
        &mut self,
        id: &LayerId,
        change: &dyn Fn(&mut Layer),
    ) -> Result<(), RepairError> {
        let mut locks = self.engine.lock_all()?;
        let item = ItemId::Layer(id.clone());
        if self.is_unchanged(&locks, &item)? {
            locks
                .layers
                .update(id.as_str(), |layer| change(layer))
                .for_kind::<Layer>()?;
            locks.layers.save().for_kind::<Layer>()?;
            self.note(&locks, &item);
        }
        Ok(())
    }

    fn image(&mut self, id: &ImageId, damage: &Damage) -> Result<(), RepairError> {
        match damage {
            Damage::CopyMissing { layer } | Damage::LayerDamaged { layer } => {
                self.forget_copy(id, layer)
            }
            damage => self.item(&ItemId::Image(id.clone()), damage),
        }
    }

    /// Removes a mapped layer (a copy of the top layer for other ID maps) from the record of an
    /// image. The next container that needs one creates it again.
    fn forget_copy(&mut self, id: &ImageId, layer: &LayerId) -> Result<(), RepairError> {
        let mut locks = self.engine.lock_all()?;
        let item = ItemId::Image(id.clone());
        if self.is_unchanged(&locks, &item)? {
            let forget = |image: &mut Image| image.remove_mapped_layer(layer);
            locks
                .images
                .update(id.as_str(), forget)
                .for_kind::<Image>()?;
            locks.images.save().for_kind::<Image>()?;
            self.note(&locks, &item);
        }
        Ok(())
    }

    /// Replaces a big data item by another one of the same record that has the same digest.
    fn item(&mut self, id: &ItemId, damage: &Damage) -> Result<(), RepairError> {
        let (Damage::ItemMissing { key }
        | Damage::ItemSize { key, .. }
        | Damage::ItemDigest { key, .. }
        | Damage::ItemUnreadable { key, .. }) = damage
        else {
            return Ok(());
        };
        // The copy is found and hashed without a lock; under the lock the record must be as it was
        // checked.
        let bytes = self.copy_of_item(id, key)?;
        let mut locks = self.engine.lock_all()?;
        if !self.is_unchanged(&locks, id)? {
            return Ok(());
        }
        match id {
            ItemId::Image(_) => put(&mut locks.images, id, key, &bytes)?,
            ItemId::Container(_) => put(&mut locks.containers, id, key, &bytes)?,
            ItemId::Layer(_) => {}
        }
        self.note(&locks, id);
        Ok(())
    }

    /// The content of another big data item of the same record that has the digest of this one.
    fn copy_of_item(&self, id: &ItemId, key: &str) -> Result<Vec<u8>, RepairError> {
        let copy = match id {
            ItemId::Image(image) => {
                let images = self.engine.catalog.read_images()?;
                let image = by_id(&images, image.as_str()).map_err(DataError::from)?;
                let image = image.ok_or(RepairError::Changed)?;
                let record = image.record();
                copy_of(
                    &images,
                    id,
                    key,
                    &record.big_data_names,
                    (&record.big_data_sizes, &record.big_data_digests),
                )
            }
            ItemId::Container(container) => {
                let containers = self.engine.catalog.read_containers()?;
                let container = by_id(&containers, container.as_str()).map_err(DataError::from)?;
                let container = container.ok_or(RepairError::Changed)?;
                let record = container.record();
                copy_of(
                    &containers,
                    id,
                    key,
                    &record.big_data_names,
                    (&record.big_data_sizes, &record.big_data_digests),
                )
            }
            ItemId::Layer(_) => None,
        };
        copy.ok_or_else(|| RepairError::NoCopy {
            key: key.to_owned(),
        })
    }
}

fn copy_of<R: ItemRecord>(
    records: &MergedRecords<R>,
    id: &ItemId,
    key: &str,
    names: &[String],
    (sizes, digests): (&BTreeMap<String, i64>, &BTreeMap<String, String>),
) -> Option<Vec<u8>> {
    let intact = |other: &str| intact(records, id, other, digests.get(other));
    let other =
        item_with_same_content(names, sizes, digests, key, &|other| intact(other).is_some())?;
    intact(other)
}

/// The content of a big data item, if it has its digest.
fn intact<R: ItemRecord>(
    records: &MergedRecords<R>,
    id: &ItemId,
    key: &str,
    digest: Option<&String>,
) -> Option<Vec<u8>> {
    let store = records.store_of(id.as_str())?;
    let bytes = store
        .store
        .read_big_data(id.as_str(), key, MAX_ITEM)
        .ok()??;
    let is_intact = digest_of(&bytes).as_str() == digest?.as_str();
    is_intact.then_some(bytes)
}

fn put<R: ItemRecord>(
    records: &mut Locked<R>,
    id: &ItemId,
    key: &str,
    bytes: &[u8],
) -> Result<(), RepairError> {
    let written = records.set_big_data(id.as_str(), key, bytes, |_| ());
    written.map_err(|source| DataError::Item {
        kind: R::ITEM,
        id: id.as_str().to_owned(),
        source: Box::new(source),
    })?;
    Ok(records.save().for_kind::<R>()?)
}

/// Moves the damaged bytes to a side file if they are still damaged in the same way at the same
/// place.
fn set_aside<R: ItemRecord>(records: &mut Locked<R>, found: &Damaged) -> Result<(), RepairError> {
    for guard in records.guards_mut() {
        let same = guard.verify().into_iter().find(|damaged| {
            damaged.path == found.path
                && (damaged.offset, damaged.len) == (found.offset, found.len)
                && damaged.kind.to_string() == found.kind.to_string()
        });
        if let Some(damaged) = same {
            guard.set_aside(&damaged).for_kind::<R>()?;
            guard.save().for_kind::<R>()?;
        }
    }
    Ok(())
}
