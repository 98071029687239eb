//! A store inside a program on tokio: imports layers at once, each with a deadline, and answers
//! questions while they run. `layerhold-example-tokio GRAPH_ROOT RUN_ROOT SECONDS LAYER.tar...`
//!
//! The store's work is file I/O and hashing on threads, so every call goes through
//! `spawn_blocking`. A future that is dropped stops waiting, but not the work; a `Cancel` stops
//! that, and what was staged is erased.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which reads the files it is given"
)]

use std::fs::File;
use std::time::Duration;

use layerhold::layerhold_sys::Cancel;
use layerhold::{LayerSpec, Store, StoreOptions};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [graph_root, run_root, seconds, layers @ ..] = arguments.as_slice() else {
        return Err("usage: GRAPH_ROOT RUN_ROOT SECONDS LAYER.tar...".into());
    };
    let options = StoreOptions::new(graph_root, run_root).with_driver("vfs");
    let deadline = Duration::from_secs_f64(seconds.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(serve(options, deadline, layers.to_vec()))
}

async fn serve(
    options: StoreOptions,
    deadline: Duration,
    layers: Vec<String>,
) -> Result<(), Failure> {
    let opening = options.clone();
    let store = spawn_blocking(move || Store::open(opening)).await??;
    let mut imports = JoinSet::new();
    for layer in layers {
        imports.spawn(import(options.clone(), deadline, layer));
    }
    while let Some(ended) = imports.join_next().await {
        println!("{}", ended?);
        // A snapshot never waits for imports: they hold no lock while they unpack.
        let store = store.clone();
        let count = spawn_blocking(move || store.snapshot().map(|view| view.layers().count()));
        println!("  the store has {} layers", count.await??);
    }
    Ok(())
}

/// Imports one layer, or stops at the deadline; returns what to tell.
async fn import(options: StoreOptions, deadline: Duration, layer: String) -> String {
    let cancel = Cancel::new();
    // A handle of its own, so that it can be cancelled alone.
    let options = options.with_cancel(cancel.clone());
    let path = layer.clone();
    let mut work = spawn_blocking(move || add_layer(options, &path));
    let ended = match timeout(deadline, &mut work).await {
        Ok(ended) => ended,
        Err(_elapsed) => {
            cancel.cancel();
            work.await
        }
    };
    match ended {
        Ok(Ok(id)) => format!("{layer}: {id}"),
        Ok(Err(why)) => format!("{layer}: {why}"),
        Err(panicked) => format!("{layer}: {panicked}"),
    }
}

fn add_layer(options: StoreOptions, path: &str) -> Result<String, Failure> {
    let store = Store::open(options)?;
    let mut tx = store.begin()?;
    let layer = tx.import_layer(LayerSpec::new(), File::open(path)?)?;
    tx.commit()?;
    Ok(layer.id().to_string())
}
