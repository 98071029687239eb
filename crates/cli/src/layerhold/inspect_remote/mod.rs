//! `layerhold inspect --remote`.

mod as_json;
mod as_text;
mod documents;

use layerhold_oci::{MANIFEST_TYPES, Registries};
use layerhold_reference::Reference;
use layerhold_registry::{Manifest, Repository, TagOrDigest};
use layerhold_sys::Cancel;

use self::documents::RemoteImage;
use super::args::{Format, Inspect};
use super::call::indented;
use super::remote::{Found, Prefer, Question, find, for_looking, images};
use super::tags;
use crate::environment::Environment;
use crate::failure::{Failure, stream};
use crate::streams::Streams;

/// Why an image is not shown.
#[derive(Debug, thiserror::Error)]
#[error("cannot show several images in their registries at once: give one")]
struct Several;

pub(super) fn run(
    args: &Inspect,
    format: Format,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let [name] = args.items.as_slice() else {
        return Err(Failure::value(Several));
    };
    let registries = for_looking(&args.access, environment, streams)?;
    let images = images(name, registries.conf(), streams)?;
    let remote = Remote {
        registries,
        cancel: environment.interruption.cancel(),
    };
    let found = remote.find(&images, Prefer::Mirrors, &mut |repository, place| {
        let name = TagOrDigest::of(place);
        let manifest = repository.manifest(&name, MANIFEST_TYPES)?;
        Ok((repository.clone(), manifest))
    })?;
    let (repository, first) = &found.answer;
    if args.raw && !args.config && args.platform.is_none() {
        return exact(streams, &first.bytes);
    }
    let platform = args.platform.as_ref();
    let image = RemoteImage::new(repository, &found.place, first, platform)?;
    match (args.raw, args.config) {
        (true, false) => exact(streams, &image.manifest.bytes),
        (true, true) => exact(streams, &image.configuration()?),
        (false, true) => indented(streams, &image.image_configuration()?),
        (false, false) => describe(args, format, &remote, &found, &image, streams),
    }
}

/// What is asked.
struct Remote {
    registries: Registries,
    cancel: Cancel,
}

impl Remote {
    fn find<T>(
        &self,
        images: &[Reference],
        prefer: Prefer,
        question: Question<'_, T>,
    ) -> Result<Found<T>, Failure> {
        find(&self.registries, &self.cancel, images, prefer, question)
    }
}

/// What was found under the name.
type Answer = Found<(Repository, Manifest)>;

fn describe(
    args: &Inspect,
    format: Format,
    remote: &Remote,
    found: &Answer,
    image: &RemoteImage<'_>,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let configuration = image.image_configuration()?;
    if format == Format::Table {
        let text = as_text::describe(found, image, &configuration)?;
        return streams.lines(&text).map_err(stream);
    }
    let tags = match args.no_tags {
        true => Vec::new(),
        false => other_tags(remote, &found.image, streams)?,
    };
    indented(
        streams,
        &as_json::describe(found, image, &configuration, tags),
    )
}

/// The tags of the repository. A registry may not tell them (Go: skopeo's `inspect.go`).
fn other_tags(
    remote: &Remote,
    image: &Reference,
    streams: &mut Streams<'_>,
) -> Result<Vec<String>, Failure> {
    let repository = image.clone().without_digest().without_tag();
    match remote.find(&[repository], Prefer::Registry, &mut tags::list) {
        Ok(found) => Ok(found.answer),
        Err(failure) => {
            let line = format_args!("layerhold: {failure}; --no-tags does not ask for them");
            streams.note(line).map_err(stream)?;
            Ok(Vec::new())
        }
    }
}

/// Writes a document byte for byte, except to a terminal.
fn exact(streams: &mut Streams<'_>, document: &[u8]) -> Result<(), Failure> {
    match streams.out_is_terminal() {
        true => streams.json(document).map_err(stream),
        false => streams.exact().write_all(document).map_err(stream),
    }
}
