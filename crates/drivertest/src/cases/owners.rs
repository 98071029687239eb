//! Owners against a model: the owner in an image, on disk, seen in the container and exported again
//! is the same one, whatever the maps are and however the driver shifts owners.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use layerhold_driver::{
    DiffRequest, LayerAccess, LayerRef, MountOptions, OwnFiles, RemapRequest, StageRequest,
    TreeOwners, fallback,
};
use layerhold_idmap::{ContainerOwner, IdMappings};

use super::owners_model::{CAPABILITY, Model, Said, for_all, mode, said};
use crate::DriverFixture;
use crate::fixture::{attributes, fill, fill_mapped, id};

/// A name of a layer of this case.
fn name(model: &Model, layer: &str) -> String {
    format!("{layer}{}", model.seed)
}

fn expected(file: &str, owner: ContainerOwner) -> Said {
    let is_capable = file.ends_with('2');
    Said {
        owner,
        mode: mode(file),
        capability: is_capable.then(|| CAPABILITY.to_vec()),
    }
}

/// Checks what is exported: each file, and no other one.
#[track_caller]
fn check_exported(model: &Model, tar: &[u8], files: &[(String, ContainerOwner)]) {
    let mut said = said(tar);
    said.retain(|name, _| !name.is_empty());
    for (file, owner) in files {
        let one = said.remove(file);
        assert_eq!(one, Some(expected(file, *owner)), "{file} in {model:?}");
    }
    assert_eq!(
        said.keys().collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "{model:?}"
    );
}

/// Stages the image as it is.
fn base(fixture: &DriverFixture, model: &Model) -> String {
    let base = name(model, "base");
    fixture.layer(&base, None, &model.tar(|_| true));
    base
}

pub(super) fn root_owners_imported_under_maps(fixture: &DriverFixture) {
    for_all(|model| {
        let mut model = Model {
            files: model.files.clone(),
            maps: model.maps.clone(),
            ..*model
        };
        if !model.has(model.root) {
            model.root = ContainerOwner::new(0, 0);
        }
        let request = StageRequest::new().with_id_maps(model.maps.clone());
        let staged = fixture.driver.stage(&request).unwrap();
        let tar = model.tar(|owner| model.has(owner));
        fill_mapped(&*staged, model.maps.clone(), &tar);
        let layer = name(&model, "imported");
        staged.commit(&id(&layer)).unwrap();
        let files: Vec<_> = model
            .files
            .iter()
            .filter(|(_, owner)| model.has(**owner))
            .map(|(file, owner)| (file.clone(), *owner))
            .collect();
        fixture.mounted(&layer, |path| {
            let check = |path: &Path, owner| {
                let (_, uid, gid) = attributes(path);
                assert_eq!((uid, gid), model.outside(owner), "{path:?} in {model:?}");
            };
            check(path, model.root);
            for (file, owner) in &files {
                check(&path.join(file), *owner);
            }
        });
        let layer = id(&layer);
        let request = DiffRequest::new(&layer).with_id_maps(model.maps.clone());
        let mut tar = Vec::new();
        fixture.driver.diff(&request, &mut tar).unwrap();
        check_exported(&model, &tar, &files);
    });
}

/// Stages a child whose owners are rewritten.
fn rewritten(
    fixture: &DriverFixture,
    layer: &str,
    parent: &str,
    (from, to): (&IdMappings, &IdMappings),
) {
    let mut staged = fixture.stage(Some(&id(parent)));
    staged.remap(&RemapRequest::new(from, to)).unwrap();
    staged.commit(&id(layer)).unwrap();
}

pub(super) fn root_owners_rewritten(fixture: &DriverFixture) {
    for_all(|model| {
        let base = base(fixture, model);
        let (mapped, back) = (name(model, "mapped"), name(model, "back"));
        let same = IdMappings::IDENTITY;
        rewritten(fixture, &mapped, &base, (&same, &model.maps));
        fixture.mounted(&mapped, |path| {
            for (file, owner) in &model.files {
                let (bits, uid, gid) = attributes(path.join(file));
                let seen = model.seen_of((uid, gid));
                assert_eq!(seen, model.seen(*owner), "{file} in {model:?}");
                assert_eq!(bits, mode(file));
            }
            let (_, uid, gid) = attributes(path);
            assert_eq!(model.seen_of((uid, gid)), root_seen(model), "{model:?}");
        });
        // Nothing but the owners was changed, and they are the same in the container.
        let (layer, parent) = (id(&mapped), id(&base));
        let request = DiffRequest::new(&layer)
            .with_parent(&parent)
            .with_id_maps(model.maps.clone());
        assert_eq!(fixture.driver.changes(&request).unwrap(), [], "{model:?}");

        // What the container changes comes out with the owners that it sees.
        let container = name(model, "container");
        fixture.writable(&container, Some(&mapped));
        let files = fixture.mounted(&container, |path| write_as_container(model, path));
        let (layer, parent) = (id(&container), id(&mapped));
        let request = DiffRequest::new(&layer)
            .with_parent(&parent)
            .with_id_maps(model.maps.clone())
            .with_parent_maps(model.maps.clone());
        let mut tar = Vec::new();
        fixture.driver.diff(&request, &mut tar).unwrap();
        check_exported(model, &tar, &files);

        rewritten(fixture, &back, &mapped, (&model.maps, &same));
        fixture.mounted(&back, |path| {
            for (file, owner) in &model.files {
                let (bits, uid, gid) = attributes(path.join(file));
                let seen = ContainerOwner::new(uid, gid);
                assert_eq!(seen, model.seen(*owner), "{file} in {model:?}");
                assert_eq!(bits, mode(file));
            }
        });
    });
}

/// The owner that the container sees of its root directory: root where the image's has no place.
fn root_seen(model: &Model) -> ContainerOwner {
    match model.has(model.root) {
        true => model.root,
        false => ContainerOwner::new(0, 0),
    }
}

/// Does in a mounted tree what a container does: new files of every owner it knows, and all of its
/// own files written to. Returns what it owns.
fn write_as_container(model: &Model, path: &Path) -> Vec<(String, ContainerOwner)> {
    let mut files = Vec::new();
    for (file, owner) in model.files.iter().filter(|(_, owner)| model.has(**owner)) {
        let old = path.join(file);
        // Takes no rights away, as writing would.
        fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(mode(file))).unwrap();
        let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        fs::File::open(&old).unwrap().set_modified(later).unwrap();
        files.push((file.clone(), *owner));
        let new = format!("new-by-{}-{}", owner.uid, owner.gid);
        fs::write(path.join(&new), "x").unwrap();
        let (uid, gid) = model.outside(*owner);
        chown(path.join(&new), Some(uid), Some(gid)).unwrap();
        fs::set_permissions(path.join(&new), fs::Permissions::from_mode(mode(&new))).unwrap();
        if new.ends_with('2') {
            let file = fs::File::open(path.join(&new)).unwrap();
            layerhold_sys::xattr::set(&file, "security.capability", &CAPABILITY).unwrap();
        }
        files.push((new, *owner));
    }
    // The host's root has no place in most maps, and shows as the overflow ID then.
    fs::write(path.join("by-host-root"), "x").unwrap();
    fs::set_permissions(path.join("by-host-root"), fs::Permissions::from_mode(0o644)).unwrap();
    files.push(("by-host-root".to_owned(), model.seen_of((0, 0))));
    files.sort();
    files.dedup();
    files
}

/// Mounts a layer as that of a container with the maps.
fn mounted<T>(
    fixture: &DriverFixture,
    model: &Model,
    layer: &str,
    options: MountOptions,
    work: impl FnOnce(&Path) -> T,
) -> T {
    let options = options
        .with_id_maps(model.maps.clone())
        .with_own_files(OwnFiles::Outside);
    let path = fixture.driver.mount(&id(layer), &options).unwrap();
    let done = work(&path);
    fixture.driver.unmount(&id(layer)).unwrap();
    done
}

#[track_caller]
fn check_seen(model: &Model, path: &Path, file: &str, owner: ContainerOwner) {
    let (bits, uid, gid) = attributes(path.join(file));
    assert_eq!((uid, gid), model.outside(owner), "{file:?} in {model:?}");
    if !file.is_empty() {
        assert_eq!(bits, mode(file), "{file:?}");
    }
}

pub(super) fn root_owners_shifted(fixture: &DriverFixture) {
    for_all(|model| {
        if !fixture.driver.supports_shifting(&model.maps) {
            return;
        }
        let base = base(fixture, model);
        let container = name(model, "container");
        fixture.writable(&container, Some(&base));
        // Looked at for reading first: nothing of the layer's own is there yet.
        mounted(
            fixture,
            model,
            &container,
            MountOptions::read_only(),
            |path| {
                check_seen(model, path, "", root_seen(model));
            },
        );
        let files = mounted(fixture, model, &container, MountOptions::new(), |path| {
            check_seen(model, path, "", root_seen(model));
            for (file, owner) in &model.files {
                check_seen(model, path, file, *owner);
            }
            write_as_container(model, path)
        });
        for options in [MountOptions::new(), MountOptions::read_only()] {
            mounted(fixture, model, &container, options, |path| {
                check_seen(model, path, "", root_seen(model));
                for (file, owner) in files.iter().filter(|(file, _)| file != "by-host-root") {
                    check_seen(model, path, file, *owner);
                }
            });
        }
        let (layer, parent) = (id(&container), id(&base));
        let mut request = DiffRequest::new(&layer).with_parent(&parent);
        if fixture.driver.writes_ids_outside() {
            request = request
                .with_id_maps(model.maps.clone())
                .with_owners(TreeOwners::OfContainer);
        }
        let mut tar = Vec::new();
        fixture.driver.diff(&request, &mut tar).unwrap();
        check_exported(model, &tar, &files);
        let mut compared = Vec::new();
        fallback::diff(&*fixture.driver, &request, &mut compared).unwrap();
        check_exported(model, &compared, &files);

        // An image made of it, and a container on that, see the same.
        let (committed, second) = (name(model, "committed"), name(model, "second"));
        let staged = fixture.stage(Some(&parent));
        fill(&*staged, &tar);
        staged.commit(&id(&committed)).unwrap();
        let committed = id(&committed);
        let mut request = StageRequest::new().with_access(LayerAccess::ReadWrite);
        request.parent = Some(LayerRef::Committed(&committed));
        let staged = fixture.driver.stage(&request).unwrap();
        staged.commit(&id(&second)).unwrap();
        mounted(fixture, model, &second, MountOptions::new(), |path| {
            check_seen(model, path, "", root_seen(model));
            for (file, owner) in &files {
                check_seen(model, path, file, *owner);
            }
        });
    });
}
