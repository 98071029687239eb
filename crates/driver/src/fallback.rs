//! Differences for drivers that do not keep them: mount both trees and compare (Go: drivers/fsdiff.go).

use std::io::{Read, Write};
use std::path::Path;

use layerhold_archive::Change;
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use crate::apply::{ApplyRequest, ApplySummary, ChownErrors, LayerTarget};
use crate::config::Privilege;
use crate::diff::DiffRequest;
use crate::driver::Driver;
use crate::error::LayerError;
use crate::mount::MountOptions;

/// A mounted layer, given back when dropped.
#[derive(Debug)]
struct Mounted<'a, D: Driver + ?Sized> {
    driver: &'a D,
    id: &'a LayerId,
    root: Dir,
}

impl<'a, D: Driver + ?Sized> Mounted<'a, D> {
    fn read_only(driver: &'a D, id: &'a LayerId, label: &str) -> Result<Self, LayerError> {
        let path = driver.mount(id, &MountOptions::read_only().with_label(label))?;
        match Dir::open_ambient(&path) {
            Ok(root) => Ok(Self { driver, id, root }),
            Err(error) => {
                // The first error is the one to report.
                let _unreported = driver.unmount(id);
                Err(error.into())
            }
        }
    }
}
