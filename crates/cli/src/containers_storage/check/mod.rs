//! `containers-storage check`.
//!
//! Go: `cmd/containers-storage/check.go`.

mod age;
mod force;
mod lists;
mod messages;

use layerhold::check::{
    CheckDepth, CheckOptions, CheckReport, Containers, Remedy, Removable, Subject,
};

use layerhold::repair::{Kept, RepairOptions, RepairReport};

use layerhold::{ItemId, Snapshot, Store};

use super::call::{Call, FAILED};
use super::output::{json, line, note};
use crate::failure::{Failure, chain};
use lists::Lists;

/// Checks the store, and repairs it when that is asked for.
pub(crate) fn run(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let containers = if call.flags.is_on("force") {
        Containers::Remove
    } else {
        Containers::Keep
    };
    let repairs = call.flags.is_on("repair") || containers == Containers::Remove;
    let mut options = CheckOptions::new();
    if call.flags.is_on("quick") {
        options = options.with_depth(CheckDepth::Digests);
    }
    match call.flags.text("max") {
        "" => {}
        age => {
            let age = age::parse(age).map_err(Failure::value)?;
            options = options.with_unreferenced_age(age);
        }
    }
    let report = call.store.check(&options)?;
    let lists = Lists::new(&report);
    print(call, &lists)?;
    if !repairs {
        return finish(call, lists.counts(&lists::ALL));
    }
    let repaired = call
        .store
        .repair(&report, &RepairOptions::new().with_containers(containers));
    if !call.flags.is_on("json") {
        for text in force::needed(&report, &repaired) {
            note(call, text)?;
        }
        for text in messages::done(&report, &repaired) {
            note(call, text)?;
        }
    }
    let failures = failures(call.store, &report, &repaired)?;
    if let Some(first) = failures.first() {
        if call.flags.is_on("json") {
            json(call, &failures)?;
        } else {
            for failure in &failures {
                note(call, failure)?;
            }
        }
        note(call, first)?;
        return Ok(FAILED);
    }
    let left: &[lists::ListKind] = match containers {
        _ if report.findings.iter().any(messages::is_beyond_help) => &lists::ALL,
        Containers::Keep => &lists::NOT_REPAIRED,
        Containers::Remove => &lists::READ_ONLY,
    };
    finish(call, lists.counts(left))
}

fn print(call: &mut Call<'_, '_>, lists: &Lists) -> Result<(), Failure> {
    if call.flags.is_on("json") {
        return json(call, &lists.json()).map(drop);
    }
    for (heading, texts) in lists.headings() {
        line(call, format_args!("{heading}:"))?;
        for text in texts {
            line(call, format_args!(" {text}"))?;
        }
    }
    Ok(())
}

/// Ends with the number of damaged items, if there are any.
fn finish(call: &mut Call<'_, '_>, counts: Option<String>) -> Result<u8, Failure> {
    match counts {
        Some(counts) => {
            note(call, counts)?;
            Ok(FAILED)
        }
        None => Ok(0),
    }
}

/// Reports failed actions. As in Go, images that a container keeps are among them.
fn failures(
    store: &Store,
    report: &CheckReport,
    repaired: &RepairReport,
) -> Result<Vec<String>, Failure> {
    let failed = repaired.failed.iter().map(|failure| {
        let what = messages::action(&failure.action);
        format!("{what}: {}", chain(&failure.error))
    });
    let view = store.snapshot()?;
    let kept = repaired
        .kept
        .iter()
        .filter_map(|kept| self::kept(&view, report, kept));
    Ok(failed.chain(kept).collect())
}

fn kept(view: &Snapshot, report: &CheckReport, kept: &Kept) -> Option<String> {
    let container = &kept.held_by;
    match &kept.what {
        Removable::Image(id) => Some(format!(
            "deleting image {id}: image used by container {container}: image is in use by a container"
        )),
        // Containers stay unless `--force` is given, and with them their damaged layers.
        Removable::Container(id) => {
            let layer = view.container_by_id(id).ok()??.layer().clone();
            let subject = Subject::Item(ItemId::Layer(layer.clone()));
            let mut found = report.about(&subject);
            found
                .any(|finding| finding.remedy() == Remedy::Remove && messages::is_listed(finding))
                .then(|| {
                    format!(
                        "deleting layer {layer}: layer {layer} used by container {container}: layer is in use by a container"
                    )
                })
        }
        _ => None,
    }
}
