//! Imports one layer into a directory and says what it took:
//! `unpack LAYER DIRECTORY [--null]`.
//!
//! `--null` leaves out the unpacking's counterpart, a recorder that counts what
//! it sees; timings are those of one run, so prepare a fresh filesystem for each.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, not part of the library"
)]

use std::fs::File;
use std::io;
use std::time::Instant;

use layerhold_archive::layerhold_sys::Dir;
use layerhold_archive::layerhold_tar_format::{Event, EventSink};
use layerhold_archive::{ImportOptions, UnpackOptions, Unpacker, import};

/// Stands for the recorder of the archive's structure.
#[derive(Default)]
struct Counter {
    entries: u64,
    raw: u64,
    payload: u64,
}

impl EventSink for Counter {
    fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()> {
        match event {
            Event::Entry { raw, .. } => {
                self.entries += 1;
                self.raw += raw.len() as u64;
            }
            Event::Payload { data, .. } => self.payload += data.len() as u64,
            Event::End { raw } => self.raw += raw.len() as u64,
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(layer), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: unpack LAYER DIRECTORY".into());
    };
    let root = Dir::create_ambient_all(&directory, 0o755)?;
    let start = Instant::now();
    let mut counter = Counter::default();
    let unpacker = Unpacker::new(&root, UnpackOptions::new())?;
    let imported = import(
        File::open(&layer)?,
        &mut counter,
        unpacker,
        &ImportOptions::default(),
    )?;
    println!(
        "{:.3} s  {}  {} entries, {} raw and {} payload bytes",
        start.elapsed().as_secs_f64(),
        imported.codec,
        counter.entries,
        counter.raw,
        counter.payload
    );
    println!("stored   {:?}", imported.compressed);
    println!("unpacked {:?}", imported.uncompressed);
    println!("{:?}", imported.unpacked);
    Ok(())
}
