//! Differences by comparing mounted trees.

use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::atomic::Ordering;

use layerhold_driver::{DiffRequest, Driver, LayerError};

use crate::fake::Fake;

/// A driver with the layers `low` and `high`; `high` has one file more.
fn driver() -> (tempfile::TempDir, Fake) {
    let place = tempfile::tempdir().unwrap();
    for layer in ["low", "high"] {
        fs::create_dir(place.path().join(layer)).unwrap();
    }
    File::create(place.path().join("high/f"))
        .unwrap()
        .write_all(b"12345")
        .unwrap();
    let home = place.path().to_owned();
    (place, Fake::new("fake", home))
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_mount_is_given_back() {
    let (_place, driver) = driver();
    let (low, high) = ("low".parse().unwrap(), "high".parse().unwrap());
    let request = DiffRequest::new(&high).with_parent(&low);
    let changes = driver.changes(&request).unwrap();
    assert_eq!(
        changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["A /f"]
    );
    assert_eq!(driver.diff_size(&request).unwrap(), 5);
    let mut tar = Vec::new();
    driver.diff(&request, &mut tar).unwrap();
    assert_eq!(tar.len(), 512 + 512 + 1024);
    assert_eq!(driver.mounts.load(Ordering::Relaxed), 0);
}

#[test]
fn every_mount_is_given_back_after_an_error() {
    let (place, driver) = driver();
    let (low, high) = ("low".parse().unwrap(), "high".parse().unwrap());
    let request = DiffRequest::new(&high).with_parent(&low);
    let error = driver.diff(&request, &mut Full).unwrap_err();
    assert!(
        matches!(error, LayerError::Pack(_) | LayerError::Output(_)),
        "{error:?}"
    );
    assert_eq!(driver.mounts.load(Ordering::Relaxed), 0);

    // The second mount is a path that cannot be opened.
    fs::remove_dir(place.path().join("low")).unwrap();
    let error = driver.changes(&request).unwrap_err();
    assert!(
        matches!(&error, LayerError::Os(source) if source.is_not_found()),
        "{error:?}"
    );
    assert_eq!(driver.mounts.load(Ordering::Relaxed), 0);
}
