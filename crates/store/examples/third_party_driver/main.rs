//! A store with a graph driver of one's own: an image, a container, its changes, and no rest.
//!
//! ```sh
//! cargo run -p layerhold --example third_party_driver
//! ```

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

mod driver;

use std::error::Error;
use std::fs::File;
use std::io::Cursor;

use layerhold::{ContainerSpec, ImageSpec, LayerSpec, MountRequest, Store, StoreOptions};

use driver::{CopiesFactory, NAME};

fn main() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let options = StoreOptions::new(place.path().join("graph"), place.path().join("run"))
        .with_driver_factory(CopiesFactory)
        .with_driver(NAME)
        // So that the example also runs for users other than root.
        .with_driver_option("copies.ignore_chown_errors=true");
    let store = Store::open(options)?;

    let mut tx = store.begin()?;
    let empty_archive = Cursor::new([0; 1024]);
    let layer = tx.import_layer(LayerSpec::new(), empty_archive)?;
    // An image for podman has a manifest; the crate `layerhold-oci` makes it.
    let image = ImageSpec::new().top_layer(&layer).without_manifest();
    let image = tx.create_image(image)?;
    tx.create_container(ContainerSpec::new().name("box").image(image))?;
    tx.commit()?;

    let mount = store.mount_guard("box", &MountRequest::new())?;
    drop(File::create(mount.path().join("hello"))?);
    println!("the container's tree is at {}", mount.path().display());
    mount.unmount()?;
    let container = store.snapshot()?.container("box")?;
    for change in store.changes(None, container.layer())? {
        println!("{change}");
    }
    Ok(())
}
