//! A graph driver that this crate does not know, through the suite for drivers and the whole store.

use std::fs;
use std::io::Read;
use std::path::Path;

use layerhold::check::CheckOptions;
use layerhold::layerhold_driver::{self, Registry};
use layerhold::{
    Codec, ContainerSpec, DeleteMode, DiffCompression, ImageSpec, LayerSpec, MountRequest,
    OpenError, Store, StoreOptions,
};
use layerhold_testkit::{TarBuilder, scratch};

use crate::support::{id, import};

#[path = "../../examples/third_party_driver/driver.rs"]
mod driver;

use driver::{CopiesFactory, NAME};

/// What every driver must do.
mod conformance {
    use layerhold_drivertest::Factory;

    use super::driver::CopiesFactory;

    fn factory() -> Factory {
        Factory::new(|| Box::new(CopiesFactory)).with_option("copies.ignore_chown_errors=true")
    }

    layerhold_drivertest::conformance!(factory());
}

fn options(base: &Path) -> StoreOptions {
    StoreOptions::new(base.join("graph"), base.join("run"))
        .with_driver_factory(CopiesFactory)
        .with_driver_option("copies.ignore_chown_errors=true")
}

fn base_tar() -> Vec<u8> {
    TarBuilder::new()
        .dir("etc", 0o755)
        .file("etc/hostname", 0o644, b"box\n")
        .file("etc/motd", 0o644, b"hello\n")
        .finish()
}

fn upper_tar() -> Vec<u8> {
    TarBuilder::new()
        .dir("etc", 0o755)
        .file("etc/.wh.motd", 0o644, b"")
        .file("etc/issue", 0o644, b"new\n")
        .finish()
}

#[test]
fn a_whole_store_works_with_a_driver_of_another_library() {
    let place = scratch();
    let store = Store::open(options(place.path()).with_driver(NAME)).unwrap();
    assert_eq!(store.driver_name(), "copies");

    let mut tx = store.begin().unwrap();
    let base = tx
        .import_layer(LayerSpec::new().id(id("base")), &base_tar()[..])
        .unwrap();
    let upper = LayerSpec::new().id(id("upper")).parent(&base);
    let upper = tx.import_layer(upper, &upper_tar()[..]).unwrap();
    let image = ImageSpec::new().name("image").top_layer(&upper);
    let image = tx.create_image(image.without_manifest()).unwrap();
    let container = ContainerSpec::new().name("box").image(image);
    tx.create_container(container).unwrap();
    tx.commit().unwrap();

    // Archives come back byte for byte.
    let mut tar = Vec::new();
    let mut diff = store
        .diff(None, "upper", DiffCompression::As(Codec::Plain))
        .unwrap();
    diff.read_to_end(&mut tar).unwrap();
    assert_eq!(tar, upper_tar());

    let mount = store.mount_guard("box", &MountRequest::new()).unwrap();
    let etc = mount.path().join("etc");
    assert_eq!(fs::read_to_string(etc.join("hostname")).unwrap(), "box\n");
    assert!(!etc.join("motd").exists());
    fs::write(etc.join("written"), "x").unwrap();
    mount.unmount().unwrap();

    let layer = store.snapshot().unwrap().container("box").unwrap();
    let changes = store.changes(None, layer.layer()).unwrap();
    let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["C /etc", "A /etc/written"]);
    assert_eq!(store.usage().unwrap().containers.len(), 1);

    let report = store.check(&CheckOptions::new()).unwrap();
    let found: Vec<String> = report
        .findings
        .iter()
        .map(|it| it.damage.to_string())
        .collect();
    assert_eq!(found, [""; 0]);

    store.delete_container("box").unwrap();
    store.delete_image("image", DeleteMode::Delete).unwrap();
    assert_eq!(store.snapshot().unwrap().layers().count(), 0);
    drop(store.garbage_collect(DeleteMode::Delete).unwrap());
    let left = fs::read_dir(place.path().join("graph/copies/layers"));
    assert_eq!(left.unwrap().count(), 0);
}

#[test]
fn the_store_is_found_again_without_a_name() {
    let place = scratch();
    let named = Store::open(options(place.path()).with_driver(NAME)).unwrap();
    import(&named, LayerSpec::new().id(id("x")), &base_tar());
    let found = options(place.path()).with_driver_of_contents();
    assert_eq!(found.driver.as_deref(), Some(NAME));
    let again = Store::open(options(place.path())).unwrap();
    assert_eq!(again.driver_name(), NAME);
    assert!(again.exists("x").unwrap());
    // Its options are no mistake, and its name may be in the list.
    let mut options = options(place.path());
    options.driver_priority = vec![NAME.to_owned()];
    assert_eq!(options.ignored(), []);

    let without = options.clone().with_drivers(Registry::new());
    let error = Store::open(without.with_driver(NAME)).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Driver {
            source: layerhold_driver::OpenError::NotCompiledIn { .. },
            ..
        }
    ));
}
