//! Makes an image of a container of this user's store, be it podman's, buildah's or our own:
//! `commit_container CONTAINER NAME`.

#![allow(clippy::print_stdout, reason = "an example that prints")]

use layerhold::Store;
use layerhold_oci::ImageBuilder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(container), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: commit_container CONTAINER NAME".into());
    };
    let store = Store::open_default()?;
    let image = ImageBuilder::from_container(container)
        .comment("committed with Layerhold")
        .name(name)
        .build(&store)?;
    println!("{} with {} layers", image.id, image.layers.len());
    Ok(())
}
