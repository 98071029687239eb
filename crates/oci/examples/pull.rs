//! Pulls an image into the store of this user, which podman has too, as its configuration files
//! say: `pull IMAGE`.

#![allow(clippy::print_stdout, reason = "an example that prints")]

use layerhold::Store;
use layerhold_oci::{PullOptions, Quiet, Registries, pull};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = std::env::args().nth(1).ok_or("usage: pull IMAGE")?;
    let store = Store::open_default()?;
    let registries = Registries::of_process()?;
    let pulled = pull(&store, &registries, &image, &PullOptions::default(), &Quiet)?;
    println!("{}", pulled.id);
    Ok(())
}
