//! `layerhold wipe`.

use std::io::IsTerminal;

use layerhold::{ItemKind, Snapshot};
use serde_json::{Map, json};

use super::args::Wipe;
use super::call::Call;
use super::units::count;
use crate::failure::{Failure, stream};
use crate::streams::shown;

/// The IDs of everything that a wipe removes, by kind, in the order in which it is printed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    containers: Vec<String>,
    images: Vec<String>,
    layers: Vec<String>,
}

impl Contents {
    /// Everything in the store itself, damaged records included: a wipe does not reach into
    /// additional stores.
    fn of(snapshot: &Snapshot) -> Self {
        let images = snapshot
            .images()
            .filter(|image| snapshot.additional_store_of_image(image.id()).is_none());
        let layers = snapshot
            .layers()
            .filter(|layer| snapshot.additional_store_of_layer(layer.id()).is_none());
        let mut contents = Contents {
            containers: snapshot
                .containers()
                .map(|it| it.id().to_string())
                .collect(),
            images: images.map(|it| it.id().to_string()).collect(),
            layers: layers.map(|it| it.id().to_string()).collect(),
        };
        for record in snapshot.damaged() {
            let ids = match record.kind {
                ItemKind::Container => &mut contents.containers,
                ItemKind::Image => &mut contents.images,
                ItemKind::Layer => &mut contents.layers,
            };
            ids.extend(record.damage.id.filter(|id| !ids.contains(id)));
        }
        contents
    }

    fn without(mut self, others: &Self) -> Self {
        self.containers.retain(|id| !others.containers.contains(id));
        self.images.retain(|id| !others.images.contains(id));
        self.layers.retain(|id| !others.layers.contains(id));
        self
    }

    /// What there is: `1 container, 2 images and 3 layers`.
    fn in_words(&self) -> String {
        format!(
            "{}, {} and {}",
            count(self.containers.len(), "container"),
            count(self.images.len(), "image"),
            count(self.layers.len(), "layer")
        )
    }
}

/// Why nothing is removed.
#[derive(Debug, thiserror::Error)]
enum WipeError {
    #[error(
        "cannot ask whether to remove {what}, because standard input is not a terminal: --force removes them without asking"
    )]
    CannotAsk { what: String },
    #[error("nothing was removed")]
    Declined,
}

pub(super) fn run(call: &mut Call<'_, '_>, args: &Wipe) -> Result<(), Failure> {
    let before = Contents::of(&call.store.snapshot()?);
    if !args.force {
        confirm(call, &before)?;
    }
    // Until now a signal ended the command.
    call.interruption.watch();
    let wiped = call.store.wipe();
    let gone = before.without(&Contents::of(&call.store.snapshot()?));
    let kinds = [
        ("container", gone.containers),
        ("image", gone.images),
        ("layer", gone.layers),
    ];
    if call.is_json() {
        let fields = kinds.map(|(kind, ids)| (format!("{kind}s"), json!(ids)));
        call.json(&fields.into_iter().collect::<Map<_, _>>().into())?;
    } else {
        for (kind, ids) in kinds {
            for id in ids {
                call.line(format_args!("{kind} {id}"))?;
            }
        }
    }
    Ok(wiped?)
}

fn confirm(call: &mut Call<'_, '_>, contents: &Contents) -> Result<(), Failure> {
    let store = shown(call.store.graph_root());
    let what = format!("{} from {store}", contents.in_words());
    if !std::io::stdin().is_terminal() {
        return Err(Failure::value(WipeError::CannotAsk { what }));
    }
    let mounts = match call.store.mounts()?.len() {
        0 => String::new(),
        mounted => format!(" ({} mounted)", count(mounted, "layer")),
    };
    let question = format!("Remove {what}{mounts}? Answer `yes` to do so: ");
    let answer = call.streams.ask(question).map_err(stream)?;
    match answer.as_deref().map(str::trim) {
        Some("yes") => Ok(()),
        _ => Err(Failure::value(WipeError::Declined)),
    }
}
