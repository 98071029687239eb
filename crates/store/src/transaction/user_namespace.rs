//! Chooses a user namespace for a container (Go: userns.go).
//!
//! The choice is made under `userns.lock`, which the transaction holds until the choice is
//! recorded, as in Go: no two processes choose the same IDs. How many IDs an image needs is
//! determined before, without a lock. A thread that holds the lock for one transaction would wait
//! for itself in a second one, so that one gets an error.

use std::collections::BTreeSet;

use layerhold_idmap::{IdKind, IdMappingOptions, IdMappings, MapChoice, auto_map, ids_named};
use layerhold_ids::{ImageId, LayerId};
use layerhold_sys::OpenOptions;

use super::Transaction;
use crate::catalog::error::{AccessError, LookupError};
use crate::catalog::lookup;
use crate::catalog::snapshot::Snapshot;
use crate::engine::host::{available_ids, text, text_of};
use crate::engine::userns::{AutoUserNs, UserNsError};
use crate::records::Layer;
use crate::spec::error::StageError;

/// The files of an image that name its users and groups.
const USER_FILES: [&str; 2] = ["etc/passwd", "etc/group"];

/// The texts of these files; `None` for a file that is not found.
type UserFileTexts = [Option<String>; 2];

impl Transaction {
    /// Chooses the ID maps of a container.
    pub(super) fn choose_maps(
        &mut self,
        view: &Snapshot,
        image: Option<&ImageId>,
        choice: &AutoUserNs,
    ) -> Result<IdMappingOptions, StageError> {
        let size = self.size_of_namespace(view, image, choice)?;
        let available = available_ids(&self.engine.options)?;
        if self.choosing.is_none() {
            if self.engine.catalog.userns_lock.is_held_by_this_thread() {
                let path = self.engine.catalog.userns_lock.path().to_owned();
                return Err(UserNsError::ChosenByThisThread { path }.into());
            }
            let lock = self.engine.catalog.userns_lock.write();
            self.choosing = Some(lock.map_err(AccessError::Lock)?);
        }
        let used = self.used_ranges()?;
        let choose = |kind, available, used, additional| {
            auto_map(size, available, used, additional)
                .map(MapChoice::Explicit)
                .map_err(|source| UserNsError::NotEnough { kind, source })
        };
        let (uids, gids) = (&choice.additional.uids, &choice.additional.gids);
        Ok(IdMappingOptions {
            uids: choose(IdKind::Uid, &available.uids, &used.uids.host_ids(), uids)?,
            gids: choose(IdKind::Gid, &available.gids, &used.gids.host_ids(), gids)?,
        })
    }

    /// Collects the host ID ranges of all containers, recorded or staged.
    fn used_ranges(&self) -> Result<IdMappings, AccessError> {
        let mut used = IdMappings::IDENTITY;
        let mut add = |maps: IdMappings| {
            used.uids.extend(maps.uids);
            used.gids.extend(maps.gids);
        };
        lookup::all(&self.engine.catalog.read_containers()?).for_each(|one| add(one.id_maps()));
        let staged = self.containers.iter();
        staged.for_each(|new| add(new.record.id_maps()));
        for record in self.engine.catalog.other_records()?.containers {
            // Invalid ranges count as none, as in other records.
            add(record.id_mappings().unwrap_or_default());
        }
        Ok(used)
    }

    fn size_of_namespace(
        &self,
        view: &Snapshot,
        image: Option<&ImageId>,
        choice: &AutoUserNs,
    ) -> Result<u64, StageError> {
        if let Some(size) = choice.size {
            return Ok(size.get().into());
        }
        let policy = &self.engine.options.auto_userns;
        let least = policy.min_size.max(choice.initial_size).max(1);
        let needed = match image {
            Some(image) => self.ids_in_image(view, image, choice)?,
            None => 0,
        };
        let wanted = needed.max(least.into());
        let limit = policy.max_size;
        if limit > 0 && wanted > limit.into() {
            return Err(UserNsError::TooLarge { wanted, limit }.into());
        }
        Ok(wanted)
    }

    /// Returns one more than the greatest ID of the image's files, users and groups.
    fn ids_in_image(
        &self,
        view: &Snapshot,
        image: &ImageId,
        choice: &AutoUserNs,
    ) -> Result<u64, StageError> {
        let image = self.image_record(view, image)?;
        let Some(top) = image.top_layer() else {
            return Ok(0);
        };
        let chain = self.chain(view, top)?;
        let of_files = chain
            .iter()
            .flat_map(|layer| layer.uids().iter().chain(layer.gids()));
        let of_files = of_files.max().map_or(0, |id| u64::from(*id) + 1);
        // A file on the host that cannot be read is skipped, as in Go: the size is an estimate
        // anyway.
        let given = [&choice.passwd_file, &choice.group_file];
        let given = given.map(|path| path.as_ref().map(|path| text(path).unwrap_or_default()));
        let [passwd, group] = self.user_files(&chain, given)?;
        let named = ids_named(&passwd.unwrap_or_default(), &group.unwrap_or_default());
        Ok(of_files.max(named))
    }

    /// Returns a layer and its recorded ancestors, that layer first.
    fn chain(&self, view: &Snapshot, top: &LayerId) -> Result<Vec<Layer>, StageError> {
        let mut chain = vec![self.layer_record(view, top)?];
        let mut seen = BTreeSet::new();
        while let Some(parent) = chain.last().and_then(Layer::parent).cloned() {
            match self.layer_record(view, &parent) {
                Ok(layer) if seen.insert(parent) => chain.push(layer),
                Ok(_) | Err(StageError::Lookup(LookupError::Unknown { .. })) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(chain)
    }

    /// Looks for the files that are not given in the tree of the first layer.
    fn user_files(
        &self,
        chain: &[Layer],
        mut found: UserFileTexts,
    ) -> Result<UserFileTexts, StageError> {
        for layer in chain {
            if found.iter().all(Option::is_some) {
                break;
            }
            match self.new_layer(layer.id()) {
                Some(new) => {
                    // A staged layer has no merged tree yet, so each layer is searched by itself.
                    let mut contents = new.contents.contents().map_err(StageError::Driver)?;
                    fill(&mut found, |name| contents.open(name.as_ref()).ok());
                }
                None => {
                    let driver = self.engine.driver();
                    let tree = driver.view(layer.id(), layer.mount_label());
                    let tree = tree.map_err(|source| UserNsError::MergedRecords {
                        layer: layer.id().clone(),
                        source: Box::new(source),
                    })?;
                    let root = tree.root();
                    fill(&mut found, |name| {
                        root.open_in_root(name, OpenOptions::read()).ok()
                    });
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// Reads the files that were not found before.
fn fill(found: &mut UserFileTexts, mut open: impl FnMut(&str) -> Option<std::fs::File>) {
    for (text, name) in found.iter_mut().zip(USER_FILES) {
        if text.is_none() {
            *text = open(name).and_then(text_of);
        }
    }
}
