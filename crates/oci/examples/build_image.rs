//! Builds an image from a directory into the store of this user, which podman has too:
//! `build_image DIRECTORY PROGRAM NAME`.

#![allow(clippy::print_stdout, reason = "an example that prints")]

use layerhold::Store;
use layerhold_oci::ImageBuilder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, directory, program, name] = std::env::args()
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: build_image DIRECTORY PROGRAM NAME")?;
    let store = Store::open_default()?;
    let image = ImageBuilder::new()
        .directory(directory)
        .entrypoint([program])
        .name(name)
        .build(&store)?;
    println!("{}", image.id);
    Ok(())
}
