//! Lists images, layers and containers of podman's store: `list_store [GRAPH_ROOT RUN_ROOT]`.
//!
//! Without arguments it is the store of the user who runs it, where `storage.conf` says. A user
//! other than root runs it as `podman unshare list_store`.
#![allow(clippy::print_stdout, reason = "a program for people")]

use layerhold::{Store, StoreOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let store = match arguments.as_slice() {
        [] => Store::open_default()?,
        [graph_root, run_root] => Store::open(StoreOptions::new(graph_root, run_root))?,
        _ => return Err("usage: list_store [GRAPH_ROOT RUN_ROOT]".into()),
    };
    // One moment of the store. It holds no lock: podman may go on.
    let view = store.snapshot()?;
    for image in view.images() {
        let names = image.names().join(", ");
        println!("image {:.12} {names}", image.id().as_str());
        let Some(top) = image.top_layer() else {
            continue;
        };
        for layer in view.layer_chain(top)? {
            let size = layer
                .diff_size()
                .map_or("?".to_owned(), |size| size.to_string());
            println!("  layer {:.12} {size} bytes", layer.id().as_str());
        }
    }
    for container in view.containers() {
        let names = container.names().join(", ");
        println!("container {:.12} {names}", container.id().as_str());
    }
    let (images, layers) = (view.images().count(), view.layers().count());
    let containers = view.containers().count();
    println!("{images} images, {layers} layers, {containers} containers");
    for damaged in view.damaged() {
        println!("cannot be read: {damaged:?}");
    }
    Ok(())
}
