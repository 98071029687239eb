//! A whole import, of any bytes:
//!
//! - It ends: no panic, no hang, whatever the bytes and their compression.
//! - It leaves no descriptor open, even if it fails.
//! - If it succeeds, the length of the stored stream is that of the input.

use std::cell::RefCell;

use layerhold_archive::{ImportOptions, UnpackOptions, Unpacker, import};
use layerhold_sys::Dir;
use layerhold_testkit::{TempDir, scratch};

thread_local! {
    static PLACE: RefCell<TempDir> = RefCell::new(scratch());
}

/// Checks one input.
pub fn run(data: &[u8]) {
    PLACE.with_borrow(|place| check(place, data));
}

fn check(place: &TempDir, data: &[u8]) {
    let path = place.path().join("root");
    drop(std::fs::remove_dir_all(&path));
    std::fs::create_dir(&path).unwrap();
    let before = open_descriptors();
    let imported = {
        let root = Dir::open_ambient(&path).unwrap();
        let unpacker = Unpacker::new(&root, UnpackOptions::new()).unwrap();
        import(data, &mut (), unpacker, &ImportOptions::default())
    };
    if let Ok(imported) = imported {
        assert_eq!(imported.compressed.bytes, data.len() as u64);
    }
    assert_eq!(open_descriptors(), before, "descriptors were left open");
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
