//! Imports one layer into a directory and prints time and memory:
//! `unpack LAYER DIRECTORY [--no-record]`.
//!
//! The structure of the archive is recorded in memory; a store writes it to a file. The times are
//! those of one run, so prepare a fresh filesystem for each.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, not part of the library"
)]

use std::fs::File;
use std::time::Instant;

use layerhold_archive::layerhold_sys::Dir;
use layerhold_archive::layerhold_tar_format::EventSink;
use layerhold_archive::{ImportOptions, Imported, UnpackOptions, Unpacker, import};
use layerhold_tar_split::Recorder;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [layer, directory, options @ ..] = arguments.as_slice() else {
        return Err("usage: unpack LAYER DIRECTORY [--no-record]".into());
    };
    let root = Dir::create_ambient_all(directory, 0o755)?;
    let unpacker = Unpacker::new(&root, UnpackOptions::new())?;
    let start = Instant::now();
    let (imported, recorded) = if options.iter().any(|option| option == "--no-record") {
        (run(layer, &mut (), unpacker)?, 0)
    } else {
        let mut recorder = Recorder::new(Vec::new());
        let imported = run(layer, &mut recorder, unpacker)?;
        (imported, recorder.finish()?.len())
    };
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{seconds:.3} s, {}, {recorded} bytes recorded",
        imported.codec
    );
    println!("stored   {:?}", imported.compressed);
    println!("unpacked {:?}", imported.uncompressed);
    println!("{:?}", imported.unpacked);
    Ok(())
}

fn run(layer: &str, sink: &mut dyn EventSink, unpacker: Unpacker) -> Result<Imported, Failure> {
    Ok(import(
        File::open(layer)?,
        sink,
        unpacker,
        &ImportOptions::default(),
    )?)
}
