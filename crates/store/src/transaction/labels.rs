//! Chooses the SELinux labels of containers.
//!
//! Labels are chosen without a lock when a container is added. Only a record reserves a level, so
//! the commit checks under the lock whether another container has it by now, and draws another one
//! if so.

use layerhold_selinux::{ChosenLabels, LabelError, LabelPattern, Labels, UsedLevels, choose};

use super::{NewContainer, Transaction};
use crate::catalog::locks::Locks;
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::Snapshot;
use crate::records::{Container, Layer};
use crate::spec::ContainerSpec;
use crate::spec::error::StageError;

impl Transaction {
    /// Chooses the labels of a container, unless they are given.
    pub(super) fn choose_labels(
        &self,
        view: &Snapshot,
        spec: &ContainerSpec,
    ) -> Result<ChosenLabels, StageError> {
        if let Some(labels) = given(spec)? {
            return Ok(ChosenLabels {
                labels,
                pattern: None,
            });
        }
        let used = || self.used_levels(used_levels(&view.layers, &view.containers));
        let root = &self.engine.options.host_root;
        Ok(choose(root, &spec.label_options, used)?)
    }

    /// Draws levels again that other containers have had recorded since.
    pub(super) fn settle_labels(&mut self, locks: &Locks) -> Result<(), LabelError> {
        if self.containers.iter().all(|new| new.pattern.is_none()) {
            return Ok(());
        }
        let recorded = used_levels(&locks.layers, &locks.containers);
        for position in 0..self.containers.len() {
            let Some((pattern, label)) = self.containers.get(position).and_then(drawn) else {
                continue;
            };
            if !recorded.has_level_of(label) {
                continue;
            }
            let pattern = pattern.clone();
            let level = self.used_levels(recorded.clone()).draw()?;
            self.set_labels(position, &pattern.at(&level));
        }
        Ok(())
    }

    /// Adds the levels of the containers of this transaction.
    fn used_levels(&self, mut used: UsedLevels) -> UsedLevels {
        for new in &self.containers {
            used.add(new.record.mount_label());
        }
        used
    }

    fn set_labels(&mut self, position: usize, labels: &Labels) {
        let Some(new) = self.containers.get_mut(position) else {
            return;
        };
        new.record
            .record_mut()
            .set_labels(&labels.mount, &labels.process);
        let layer = new.record.layer();
        let layer = self.layers.iter_mut().find(|new| new.record.id() == layer);
        if let Some(layer) = layer {
            layer.record.record_mut().mount_label = labels.mount.clone();
        }
    }
}

/// Collects the levels of all recorded containers and layers.
fn used_levels(layers: &impl Records<Layer>, containers: &impl Records<Container>) -> UsedLevels {
    let mut used = UsedLevels::default();
    for container in crate::catalog::lookup::all(containers) {
        used.add(container.mount_label());
        used.add(container.process_label());
    }
    // Few layers have a label, so few records are parsed.
    for id in layers.own_mentioning(b"\"mountlabel\":") {
        if let Ok(Some(layer)) = crate::catalog::lookup::by_id(layers, id) {
            used.add(layer.mount_label());
        }
    }
    used
}

/// Returns the pattern and the label of a container whose level was drawn.
fn drawn(new: &NewContainer) -> Option<(&LabelPattern, &str)> {
    Some((new.pattern.as_ref()?, new.record.mount_label()))
}

/// Returns the labels that are given, directly or in flags.
fn given(spec: &ContainerSpec) -> Result<Option<Labels>, StageError> {
    let of_flags = || Labels {
        process: spec.flags.text("ProcessLabel").to_owned(),
        mount: spec.flags.text("MountLabel").to_owned(),
    };
    let labels = spec.labels.clone().unwrap_or_else(of_flags);
    if labels.process.is_empty() != labels.mount.is_empty() {
        return Err(StageError::Labels);
    }
    let is_given = spec.labels.is_some() || !labels.process.is_empty();
    Ok(is_given.then_some(labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Store, StoreOptions};

    #[expect(clippy::disallowed_methods, reason = "a fixture")]
    fn store(base: &std::path::Path) -> Store {
        let contexts = "process=u:r:t:s0\nfile=u:r:f:s0\n";
        for (name, text) in [
            ("sys/fs/selinux/enforce", "1"),
            ("usr/share/containers/selinux/contexts", contexts),
        ] {
            let path = base.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let options = StoreOptions::new(base.join("root"), base.join("run")).with_driver("vfs");
        let options = options.with_driver_option("vfs.ignore_chown_errors=true");
        Store::open(options.with_host_root(base)).unwrap()
    }

    #[test]
    fn a_level_that_was_taken_meanwhile_is_drawn_again() {
        let scratch = tempfile::tempdir().unwrap();
        let store = store(scratch.path());
        let mut tx = store.begin().unwrap();
        for name in ["first", "second"] {
            drop(
                tx.create_container(ContainerSpec::new().name(name))
                    .unwrap(),
            );
        }
        let drawn: Vec<String> = tx
            .containers
            .iter()
            .map(|new| new.record.mount_label().to_owned())
            .collect();
        let level = drawn[0].strip_prefix("u:r:f:").unwrap();
        let mut rival = store.begin().unwrap();
        let spec = ContainerSpec::new().label_option(format!("level:{level}"));
        drop(rival.create_container(spec).unwrap());
        rival.commit().unwrap();
        tx.commit().unwrap();
        let view = store.snapshot().unwrap();
        let first = view.container("first").unwrap();
        let second = view.container("second").unwrap();
        assert_ne!(first.mount_label(), drawn[0]);
        assert_eq!(second.mount_label(), drawn[1]);
        assert_ne!(first.mount_label(), second.mount_label());
        let level = first.mount_label().strip_prefix("u:r:f:").unwrap();
        assert_eq!(first.process_label(), format!("u:r:t:{level}"));
        for container in [&first, &second] {
            let layer = view.layer(container.layer().as_str()).unwrap();
            assert_eq!(layer.mount_label(), container.mount_label());
        }
    }
}
