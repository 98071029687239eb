//! Registries, reached as the configuration of the user and the command line say.

mod access;
mod names;

use layerhold_oci::{ConnectError, Registries};
use layerhold_reference::Reference;
use layerhold_registries_conf::{PullSource, PullSourceError, RegistriesConf};
use layerhold_registry::{RegistryError, Repository};
use layerhold_registry_auth::RegistryKey;
use layerhold_sys::Cancel;

pub(super) use self::access::{
    Accounts, credentials, for_login, for_looking, for_transfer, policy,
};
pub(super) use self::names::{
    Selected, behind_transport, check_transport, images, selected, without_transport,
};
use crate::failure::Failure;

/// Why a registry cannot be reached.
#[derive(Debug, thiserror::Error)]
enum RemoteError {
    #[error(
        "cannot choose a registry: registries.conf has no unqualified-search-registries; give one"
    )]
    NoDefault,
    #[error("cannot find {image} anywhere: {}", failures.join("; "))]
    Nowhere {
        image: String,
        failures: Vec<String>,
    },
}

/// Why one place of an image does not answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Blocked(#[from] PullSourceError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// What a login is for: the text that was given, or the first registry that short names are
/// searched in.
pub(super) fn key(given: Option<&str>, conf: &RegistriesConf) -> Result<RegistryKey, Failure> {
    let Some(text) = given else {
        let first = conf.search_registries().first();
        let first = first.ok_or_else(|| Failure::value(RemoteError::NoDefault))?;
        return first.parse().map_err(Failure::value);
    };
    let key = RegistryKey::from_url_or_key(text).map_err(Failure::value)?;
    if key.is_namespaced() {
        // The rules for names of images hold for the path too.
        let _is_name: Reference = key.as_str().parse().map_err(Failure::value)?;
    }
    Ok(key)
}

/// Which place of an image is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// The mirrors, in their order.
    Mirrors,
    /// The registry itself: a mirror may have a part only.
    Registry,
}

/// What a registry answered about an image.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// The image: one of those that the name stands for.
    pub(super) image: Reference,
    /// The place that answered.
    pub(super) place: Reference,
    pub(super) answer: T,
}

/// A question to a repository, about an image there.
pub(super) type Question<'a, T> =
    &'a mut dyn FnMut(&Repository, &Reference) -> Result<T, RegistryError>;

/// Asks the places of images until one answers.
pub(super) fn find<T>(
    registries: &Registries,
    cancel: &Cancel,
    images: &[Reference],
    prefer: Prefer,
    question: Question<'_, T>,
) -> Result<Found<T>, Failure> {
    let mut failed = Vec::new();
    for image in images {
        match find_one(registries, cancel, image, prefer, question) {
            Ok(found) => return Ok(found),
            Err(errors) => failed.extend(errors),
        }
    }
    Err(nowhere(images, failed))
}

fn find_one<T>(
    registries: &Registries,
    cancel: &Cancel,
    image: &Reference,
    prefer: Prefer,
    question: Question<'_, T>,
) -> Result<Found<T>, Vec<AskError>> {
    let places = registries.conf().pull_sources(image);
    let places = places.map_err(|error| vec![error.into()])?;
    let mut failed = Vec::new();
    for place in in_order(places, prefer) {
        let asked = registries
            .repository(image, &place, cancel)
            .map_err(AskError::from)
            .and_then(|repository| Ok(question(&repository, &place.reference)?));
        match asked {
            Ok(answer) => {
                return Ok(Found {
                    image: image.clone(),
                    place: place.reference,
                    answer,
                });
            }
            Err(error) => failed.push(error),
        }
    }
    Err(failed)
}

fn in_order(mut places: Vec<PullSource>, prefer: Prefer) -> Vec<PullSource> {
    if prefer == Prefer::Registry {
        places.sort_by_key(|place| place.is_mirror);
    }
    places
}

/// One failure says all by itself.
fn nowhere(images: &[Reference], mut failed: Vec<AskError>) -> Failure {
    if failed.len() == 1
        && let Some(only) = failed.pop()
    {
        return Failure::value(only);
    }
    let image = images.first().map(ToString::to_string);
    let failures = failed.into_iter().map(Failure::value);
    Failure::value(RemoteError::Nowhere {
        image: image.unwrap_or_default(),
        failures: failures.map(|failure| failure.to_string()).collect(),
    })
}
