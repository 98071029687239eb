//! `layerhold tags`.

use layerhold_reference::{Reference, is_tag};
use layerhold_registry::{RegistryError, Repository};
use serde_json::json;

use super::args::{Format, Tags};
use super::call::indented;
use super::remote::{Prefer, find, for_looking, images, without_transport};
use crate::environment::Environment;
use crate::failure::{Failure, stream};
use crate::streams::Streams;

/// Why the argument is not a repository.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the tags of {name:?}: give a repository, without a tag or digest")]
struct NotARepository {
    name: String,
}

pub(super) fn run(
    args: &Tags,
    format: Format,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let name = without_transport(&args.repository);
    let parsed: Reference = name.parse().map_err(Failure::value)?;
    if parsed.tag().is_some() || parsed.digest().is_some() {
        let name = args.repository.clone();
        return Err(Failure::value(NotARepository { name }));
    }
    let registries = for_looking(&args.access, environment, streams)?;
    let images = images(&args.repository, registries.conf(), streams)?;
    let cancel = environment.interruption.cancel();
    let found = find(&registries, &cancel, &images, Prefer::Registry, &mut list)?;
    match format {
        Format::Json => {
            let repository = found.image.name();
            let value = json!({ "Repository": repository, "Tags": found.answer });
            indented(streams, &value)
        }
        Format::Table => found
            .answer
            .iter()
            .try_for_each(|tag| streams.line(tag))
            .map_err(stream),
    }
}

/// The tags of a repository, in the order of the registry. Some registries list what is no tag,
/// such as digests (Go: `GetRepositoryTags`).
pub(super) fn list(
    repository: &Repository,
    _image: &Reference,
) -> Result<Vec<String>, RegistryError> {
    let tags = repository.tags();
    tags.filter(|tag| tag.as_ref().map_or(true, |tag| is_tag(tag)))
        .collect()
}
