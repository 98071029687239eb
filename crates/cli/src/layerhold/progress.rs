//! A progress bar on the terminal.

use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use layerhold_oci::{Event, Progress};

use super::units::short;
use crate::streams::escape;

/// Shows the events of loading and saving on standard error.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(visible: bool) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) =
            ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        Bar(bar)
    }

    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }

    /// Shows what is being done in front of the bar.
    fn doing(&self, what: &str) {
        self.0.set_message(escape(what).into_owned());
    }

    /// Writes a line above the bar.
    fn line(&self, text: &str) {
        self.0.println(escape(text));
    }
}

impl Progress for Bar {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        let name = |index: usize, of: usize, digest: &layerhold_ids::Digest| {
            format!("layer {}/{of} {}", index + 1, short(digest.hex()))
        };
        match event {
            Event::LayerStarted {
                index,
                of,
                digest,
                size,
            } => {
                self.0.set_length(size);
                self.0.set_position(0);
                self.doing(&name(index, of, digest));
            }
            Event::LayerAdvanced { bytes, .. } => self.0.inc(bytes),
            Event::LayerReused { index, of, digest } => {
                self.line(&format!(
                    "{}: already in the store",
                    name(index, of, digest)
                ));
            }
            Event::LayerBuilding { index, of } => {
                self.doing(&format!("layer {}/{of}", index + 1));
            }
            Event::Committing => self.doing("writing to disk"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
