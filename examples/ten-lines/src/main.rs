//! The example of the front page: an image in podman's store, of what the directory `rootfs` holds.

use layerhold::Store;
use layerhold_oci::ImageBuilder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::open_default()?;
    let image = ImageBuilder::new()
        .directory("rootfs")
        .entrypoint(["/bin/app"]);
    image.name("app").build(&store)?;
    Ok(())
}
