//! `layerhold dedup`.

use layerhold::{DedupOptions, DedupReport, DedupSupport};
use serde_json::json;

use super::args::{Dedup, HashChoice};
use super::call::Call;
use super::units::size;
use crate::failure::{Failure, chain};

/// Why blocks cannot be shared.
#[derive(Debug, thiserror::Error)]
enum NotPossible {
    #[error("cannot share blocks with the {driver} driver")]
    Driver { driver: &'static str },
    #[error(
        "cannot share blocks on the filesystem of {}: that needs btrfs, or XFS created with reflink=1",
        path.display()
    )]
    Filesystem { path: std::path::PathBuf },
}

pub(super) fn run(call: &mut Call<'_, '_>, args: &Dedup) -> Result<(), Failure> {
    let method = match args.method {
        HashChoice::Crc => layerhold::HashMethod::Crc64,
        HashChoice::Size => layerhold::HashMethod::Size,
        HashChoice::Sha256 => layerhold::HashMethod::Sha256,
    };
    let report = call.store.dedup(&DedupOptions::new(method))?;
    match &report.support {
        DedupSupport::NotByDriver => {
            let driver = call.store.driver_name();
            return Err(Failure::value(NotPossible::Driver { driver }));
        }
        DedupSupport::NotByFilesystem { path } => {
            let path = path.clone();
            return Err(Failure::value(NotPossible::Filesystem { path }));
        }
        _ => {}
    }
    print(call, &report)?;
    let Some(first) = &report.first_failure else {
        return Ok(());
    };
    call.note(format_args!(
        "layerhold: cannot read or change {}; the first: {}",
        files(report.failed),
        chain(first)
    ))?;
    Err(Failure::Reported)
}

fn print(call: &mut Call<'_, '_>, report: &DedupReport) -> Result<(), Failure> {
    if call.is_json() {
        return call.json(&json!({
            "deduped": report.deduped,
            "newlyShared": report.newly_shared,
            "files": report.files,
            "layers": report.layers,
            "failed": report.failed,
        }));
    }
    call.line(format_args!(
        "{} shared now; {} in all, in {} of {}",
        size(report.newly_shared),
        size(report.deduped),
        files(report.files),
        count(report.layers, "layer"),
    ))
}

fn files(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "file")
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
