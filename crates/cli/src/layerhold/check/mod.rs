//! `layerhold check` and `layerhold repair`.

mod messages;

use std::time::Duration;

use layerhold::check::{CheckDepth, CheckOptions, CheckReport, Containers, Disposal, Subject};

use layerhold::repair::{Action, RepairMode, RepairOptions, RepairReport};
use serde_json::{Value, json};

use super::args::{Check, DepthChoice, Repair};
use super::call::Call;
use super::units::size;
use crate::failure::{Failure, chain};

/// Checks the store. The exit code is 1 if there is damage.
pub(crate) fn check(call: &mut Call<'_, '_>, check: &Check) -> Result<(), Failure> {
    let report = call.store.check(&options(check))?;
    if call.is_json() {
        call.json(&found(&report))?;
    } else {
        show(call, &report)?;
        if !report.removals.is_empty() {
            let (all, now) = (
                report.bytes(Containers::Remove),
                report.bytes(Containers::Keep),
            );
            call.line(format_args!(
                "A repair would free {}, or {} with damaged containers.",
                size(now),
                size(all)
            ))?;
        }
    }
    if !report.is_damaged() {
        Ok(())
    } else {
        Err(Failure::Reported)
    }
}

/// Checks the store, and repairs damage.
pub(crate) fn repair(call: &mut Call<'_, '_>, repair: &Repair) -> Result<(), Failure> {
    let report = call.store.check(&options(&repair.check))?;
    let mut options = RepairOptions::new();
    if repair.containers {
        options = options.with_containers(Containers::Remove);
    }
    if repair.dry_run {
        options = options.with_mode(RepairMode::DryRun);
    }
    // Findings are printed before anything is repaired.
    if !call.is_json() {
        show(call, &report)?;
    }
    let repaired = call.store.repair(&report, &options);
    if call.is_json() {
        let mut told = found(&report);
        if let Some(told) = told.as_object_mut() {
            drop(told.insert("repair".to_owned(), done(&repaired, options.mode)));
        }
        call.json(&told)?;
    } else {
        tell(call, &report, &repaired, options.mode)?;
    }
    let is_left = !repaired.is_complete() || report.findings.iter().any(messages::stays);
    if is_left {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}

fn options(check: &Check) -> CheckOptions {
    let depth = match check.depth {
        DepthChoice::Records => CheckDepth::Records,
        DepthChoice::Digests => CheckDepth::Digests,
        DepthChoice::Contents => CheckDepth::Contents,
    };
    let age = Duration::from_secs(u64::from(check.unused_hours) * 3600);
    CheckOptions::new()
        .with_depth(depth)
        .with_unreferenced_age(age)
}

fn show(call: &mut Call<'_, '_>, report: &CheckReport) -> Result<(), Failure> {
    let mut last: Option<&Subject> = None;
    for finding in &report.findings {
        if last != Some(&finding.subject) {
            call.line(messages::heading(report, &finding.subject))?;
            last = Some(&finding.subject);
        }
        let verdict = messages::verdict(finding.verdict);
        call.line(format_args!("  {}{verdict}", chain(&finding.damage)))?;
    }
    if !report.is_damaged() {
        call.note("Nothing is damaged.")?;
    }
    Ok(())
}

fn tell(
    call: &mut Call<'_, '_>,
    report: &CheckReport,
    repaired: &RepairReport,
    mode: RepairMode,
) -> Result<(), Failure> {
    for action in &repaired.done {
        call.line(messages::action(report, action, mode))?;
    }
    for name in messages::to_load(report, repaired) {
        let then = match mode {
            RepairMode::Repair => "was removed: pull or load it again",
            RepairMode::DryRun => "would have to be pulled or loaded again",
        };
        call.line(format_args!("{name} {then}"))?;
    }
    for kept in &repaired.kept {
        call.line(format_args!(
            "{} stays: container {} needs it; --containers removes the container, with all that it wrote",
            messages::removable(&kept.what),
            kept.held_by
        ))?;
    }
    for failure in &repaired.failed {
        let attempt = messages::attempt(&failure.action);
        call.note(format_args!(
            "layerhold: {attempt}: {}",
            chain(&failure.error)
        ))?;
    }
    if repaired.bytes > 0 {
        let verb = match mode {
            RepairMode::Repair => "Freed",
            RepairMode::DryRun => "Would free",
        };
        call.line(format_args!("{verb} {}.", size(repaired.bytes)))?;
    }
    Ok(())
}

fn found(report: &CheckReport) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "subject": messages::subject_json(&finding.subject),
                "names": finding.subject.item().and_then(|id| report.names.get(id)),
                "damage": chain(&finding.damage),
                "verdict": messages::verdict_name(finding.verdict),
                "remedy": messages::remedy_name(finding.remedy()),
            })
        })
        .collect();
    let removals: Vec<Value> = report
        .removals
        .iter()
        .map(|removal| {
            json!({
                "what": messages::removable(&removal.what),
                "setAside": removal.disposal == Disposal::Quarantine,
                "bytes": removal.bytes,
                "heldBy": removal.held_by.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    json!({ "findings": findings, "removals": removals })
}

fn done(repaired: &RepairReport, mode: RepairMode) -> Value {
    let done: Vec<String> = repaired.done.iter().map(messages::attempt).collect();
    let failed: Vec<Value> = repaired
        .failed
        .iter()
        .map(|failure| {
            json!({ "action": messages::attempt(&failure.action), "error": chain(&failure.error) })
        })
        .collect();
    let kept: Vec<Value> = repaired
        .kept
        .iter()
        .map(|kept| {
            json!({ "what": messages::removable(&kept.what), "heldBy": kept.held_by.to_string() })
        })
        .collect();
    let set_aside: Vec<Value> = repaired
        .done
        .iter()
        .filter_map(|action| match action {
            Action::Quarantine { layer, place } => {
                Some(json!({ "layer": layer.to_string(), "place": place }))
            }
            _ => None,
        })
        .collect();
    json!({
        "setAside": set_aside,
        "dryRun": mode == RepairMode::DryRun,
        "done": done,
        "failed": failed,
        "kept": kept,
        "bytes": repaired.bytes,
    })
}
