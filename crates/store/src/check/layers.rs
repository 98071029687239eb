//! Layers: what their records name and what belongs to them, without reading contents.

use std::collections::BTreeSet;

use layerhold_driver::{LayerError, Mending};
use layerhold_ids::LayerId;
use layerhold_schema::Timestamp;

use super::damage::Damage;
use super::look::Look;
use super::records::incomplete_layers;
use super::report::{Finding, Remedy};
use crate::item::{ItemId, ItemKind};
use crate::records::Layer;
use crate::shelves::Parts;

/// What the system says when something is in the way that is no damage: an operation that is not permitted, a busy mount.
const IN_THE_WAY: [i32; 3] = [1, 13, 16];

/// Looks at the layers that `wanted` accepts.
pub(super) fn check(look: &Look<'_>, wanted: &dyn Fn(&ItemId) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let used = in_use(look);
    for layer in look.layers.values() {
        if wanted(&ItemId::Layer(layer.id().clone())) {
            let mut layer_check = LayerCheck {
                look,
                layer,
                found: &mut found,
            };
            layer_check.run(used.contains(layer.id()));
        }
    }
    for id in incomplete_layers(look) {
        found.push(Finding::of(
            ItemId::Layer(id),
            Damage::Incomplete,
            Remedy::Remove,
        ));
    }
    for id in look.held.iter().flatten() {
        if !look.records.layers.is_own(id.as_str()) {
            let all = [ItemKind::Layer, ItemKind::Image, ItemKind::Container];
            let remedy = look.remove_unless_lost(&all);
            found.push(Finding::of(
                ItemId::Layer(id.clone()),
                Damage::NoRecord,
                remedy,
            ));
        }
    }
    found
}

/// Looks at what layers stand on, and at what they are good for.
pub(super) fn references(look: &Look<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let used = in_use(look);
    for layer in look.layers.values() {
        let mut layer_check = LayerCheck {
            look,
            layer,
            found: &mut found,
        };
        layer_check.parent();
        // How old one is whose record is lost is not known.
        let is_remade = look.remade.contains_key(&ItemId::Layer(layer.id().clone()));
        layer_check.use_of_it(is_remade || used.contains(layer.id()));
    }
    found
}

/// What a layer that cannot be opened means.
pub(super) fn unreadable(error: LayerError) -> (Damage, Remedy) {
    let source = Box::new(error);
    // The program that has an additional layer may not have been started yet.
    let is_elsewhere = matches!(*source, LayerError::ExternalMissing { .. });
    if is_elsewhere || is_in_the_way(&*source) {
        return (Damage::Unknown(source), Remedy::Nothing);
    }
    (Damage::Unreadable(source), Remedy::Remove)
}

/// Tells whether the cause of a failure is no damage.
fn is_in_the_way(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let code = error
            .downcast_ref::<layerhold_sys::PathError>()
            .and_then(layerhold_sys::PathError::raw_os_error)
            .or_else(|| error.downcast_ref::<std::io::Error>()?.raw_os_error());
        if code.is_some_and(|code| IN_THE_WAY.contains(&code)) {
            return true;
        }
        next = error.source();
    }
    matches!(
        error.downcast_ref::<LayerError>(),
        Some(LayerError::Os(path)) if path.raw_os_error().is_some_and(|code| IN_THE_WAY.contains(&code))
    )
}

struct LayerCheck<'a, 'v> {
    look: &'a Look<'v>,
    layer: &'a Layer,
    found: &'a mut Vec<Finding>,
}

impl LayerCheck<'_, '_> {
    fn run(&mut self, is_used: bool) {
        self.parent();
        if self.contents() {
            self.driver_flaws();
        }
        self.tar_split();
        super::items::layer(self.look, self.layer, self.found);
        self.use_of_it(is_used);
    }

    fn add(&mut self, damage: Damage, remedy: Remedy) {
        let id = ItemId::Layer(self.layer.id().clone());
        self.found.push(self.look.finding(id, damage, remedy));
    }

    fn parent(&mut self) {
        let Some(parent) = self.layer.parent() else {
            return;
        };
        if !self.look.is_recorded(parent) {
            let parent = parent.clone();
            let remedy = self.look.remove_unless_lost(&[ItemKind::Layer]);
            self.add(Damage::ParentMissing { parent }, remedy);
        } else if stands_on_itself(self.look, self.layer) {
            self.add(Damage::Loop, Remedy::Remove);
        }
    }

    /// Tells whether there are contents.
    fn contents(&mut self) -> bool {
        match self.look.driver.exists(self.layer.id()) {
            Ok(true) => true,
            Ok(false) => {
                self.add(Damage::NoContents, Remedy::Remove);
                false
            }
            Err(error) => {
                let (damage, remedy) = unreadable(error);
                self.add(damage, remedy);
                false
            }
        }
    }

    fn driver_flaws(&mut self) {
        match self.look.driver.flaws(self.layer.id(), self.layer.parent()) {
            Ok(flaws) => {
                for flaw in flaws {
                    let remedy = match flaw.mending {
                        Mending::Possible => Remedy::Rebuild,
                        Mending::Impossible => Remedy::Remove,
                    };
                    self.add(Damage::Driver(Box::new(flaw)), remedy);
                }
            }
            Err(error) => {
                let (damage, remedy) = unreadable(error);
                self.add(damage, remedy);
            }
        }
    }

    /// A layer whose tar has a digest was imported, and then there is a record of how the tar was made. Whether it can be made
    /// anew is found out when contents are read. Another program has the whole tar.
    fn tar_split(&mut self) {
        let id = self.layer.id();
        if self.layer.diff_id().is_none()
            || matches!(self.look.driver.additional_layer_of(id), Ok(Some(_)))
        {
            return;
        }
        let layers = &self.look.records.layers;
        match self.look.inner.open_tar_split(layers, self.layer.id()) {
            Ok(None) => self.add(Damage::TarSplitMissing, Remedy::Nothing),
            Ok(Some(_)) => {}
            Err(error) => {
                let (damage, remedy) = unreadable(error.into());
                self.add(damage, remedy);
            }
        }
    }

    fn use_of_it(&mut self, is_used: bool) {
        // Nobody is told of those in additional stores: nothing can be done about them, and others may use them.
        let id = ItemId::Layer(self.layer.id().clone());
        if !is_used && !self.look.is_read_only(&id) {
            let all = [ItemKind::Layer, ItemKind::Image, ItemKind::Container];
            let remedy = self.look.remove_unless_lost(&all);
            self.add(Damage::Unreferenced, remedy);
        }
    }
}

/// The layers that something uses, or may be about to: those that are young, and all below them, belong to somebody who has
/// not made the image yet.
fn in_use<'l>(look: &'l Look<'_>) -> BTreeSet<&'l LayerId> {
    let mut used = look.used();
    let limit = i64::try_from(look.options.unreferenced_age.as_secs()).unwrap_or(i64::MAX);
    let now = Timestamp::now().unix_seconds();
    for layer in look.layers.values() {
        let created = layer.created();
        let age = now.saturating_sub(created.unix_seconds());
        if !created.is_zero() && age < limit {
            used.extend(look.chain(layer.id()).iter().map(|below| below.id()));
        }
    }
    used
}

fn stands_on_itself(look: &Look<'_>, layer: &Layer) -> bool {
    let mut seen: BTreeSet<&LayerId> = BTreeSet::new();
    let mut next = layer.parent();
    while let Some(id) = next {
        if id == layer.id() {
            return true;
        }
        if !seen.insert(id) {
            return false;
        }
        next = look.layers.get(id).and_then(|layer| layer.parent());
    }
    false
}
