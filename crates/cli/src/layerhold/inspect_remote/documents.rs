//! What a registry has of an image: manifests and the configuration.

use std::collections::BTreeMap;

use layerhold_ids::Digest;
use layerhold_oci::{MANIFEST_TYPES, MAX_CONFIG_SIZE, Platform};
use layerhold_reference::Reference;
use layerhold_registry::{Manifest, Repository, TagOrDigest};
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;

/// The media types of configurations of images.
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// Why what a registry has cannot be shown.
#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error("cannot read the {what} of {image}")]
    Json {
        what: &'static str,
        image: Reference,
        source: serde_json::Error,
    },
    #[error("cannot find an image for {wanted} in {image}; there are some for {}", offered.join(", "))]
    NoPlatform {
        wanted: Platform,
        image: Reference,
        offered: Vec<String>,
    },
    #[error(
        "cannot describe {image} as an image: its configuration is {media_type:?}; --raw shows its manifest"
    )]
    NotAnImage {
        image: Reference,
        media_type: String,
    },
    #[error("cannot use the manifest of {image}: it has no configuration")]
    NoConfiguration { image: Reference },
}

/// What names a document or a layer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    platform: Option<PlatformFields>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PlatformFields {
    architecture: String,
    os: String,
    variant: String,
}

impl Descriptor {
    /// The platform, if it has one. Attestations are listed with a platform that is unknown.
    pub(super) fn platform(&self) -> Option<Platform> {
        let fields = self.platform.clone().unwrap_or_default();
        let platform = Platform {
            architecture: fields.architecture,
            os: fields.os,
            variant: fields.variant,
        };
        let is_known = |name: &str| !name.is_empty() && name != "unknown";
        (is_known(&platform.os) && is_known(&platform.architecture)).then_some(platform)
    }

    fn digest(&self, image: &Reference) -> Result<Digest, Failure> {
        let parsed = self.digest.parse::<Digest>();
        parsed.map_err(|source| {
            let source = serde::de::Error::custom(source);
            let (what, image) = ("manifest", image.clone());
            Failure::value(DocumentError::Json {
                what,
                image,
                source,
            })
        })
    }
}

/// A manifest or an index.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// An image of a repository.
pub(super) struct RemoteImage<'a> {
    repository: &'a Repository,
    place: &'a Reference,
    /// The entries of the index, if the name leads to one.
    pub(super) entries: Vec<Descriptor>,
    /// The manifest of the image.
    pub(super) manifest: Manifest,
    /// What the manifest has.
    pub(super) layers: Vec<Descriptor>,
    config: Option<Descriptor>,
}

impl<'a> RemoteImage<'a> {
    /// The image that `first` is, or that it lists for the platform.
    pub(super) fn new(
        repository: &'a Repository,
        place: &'a Reference,
        first: &Manifest,
        platform: Option<&Platform>,
    ) -> Result<Self, Failure> {
        let mut document = parse("manifest", place, &first.bytes)?;
        let mut manifest = first.clone();
        let entries = index_entries(&mut document);
        if let Some(entries) = &entries {
            let chosen = choose(entries, platform, place)?;
            let name = TagOrDigest::from(chosen.digest(place)?);
            manifest = repository
                .manifest(&name, MANIFEST_TYPES)
                .map_err(Failure::value)?;
            document = parse("manifest", place, &manifest.bytes)?;
        }
        Ok(Self {
            repository,
            place,
            entries: entries.unwrap_or_default(),
            manifest,
            layers: document.layers.unwrap_or_default(),
            config: document.config,
        })
    }

    /// The descriptor of the configuration.
    pub(super) fn config(&self) -> Result<&Descriptor, Failure> {
        let config = self.config.as_ref();
        config.ok_or_else(|| {
            let image = self.place.clone();
            Failure::value(DocumentError::NoConfiguration { image })
        })
    }

    /// The configuration, byte for byte.
    pub(super) fn configuration(&self) -> Result<Vec<u8>, Failure> {
        let config = self.config()?;
        let digest = config.digest(self.place)?;
        let blob = self.repository.blob(&digest, Some(config.size));
        let read = blob.and_then(|blob| blob.read_all(MAX_CONFIG_SIZE));
        read.map_err(Failure::value)
    }

    /// The configuration of an image: manifests may have others.
    pub(super) fn image_configuration(&self) -> Result<Value, Failure> {
        let media_type = &self.config()?.media_type;
        if !CONFIGURATIONS.contains(&media_type.as_str()) {
            return Err(Failure::value(DocumentError::NotAnImage {
                image: self.place.clone(),
                media_type: media_type.clone(),
            }));
        }
        parse("configuration", self.place, &self.configuration()?)
    }
}

fn parse<'b, T: Deserialize<'b>>(
    what: &'static str,
    place: &Reference,
    bytes: &'b [u8],
) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|source| {
        let image = place.clone();
        Failure::value(DocumentError::Json {
            what,
            image,
            source,
        })
    })
}

/// The entries of an index; `None` for a manifest.
fn index_entries(document: &mut Document) -> Option<Vec<Descriptor>> {
    match document.config {
        Some(_) => None,
        None => document.manifests.take(),
    }
}

/// The entry for a platform, which is the one that a pull takes: the first of those that run best
/// on it. An entry without a platform fits any, but only if no other entry does.
fn choose<'e>(
    entries: &'e [Descriptor],
    platform: Option<&Platform>,
    place: &Reference,
) -> Result<&'e Descriptor, Failure> {
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let ranked = entries.iter().filter_map(|entry| {
        let rank = wanted.rank(&entry.platform()?)?;
        Some((rank, entry))
    });
    let best = ranked.min_by_key(|(rank, _)| *rank).map(|(_, entry)| entry);
    let unnamed = || entries.iter().find(|entry| entry.platform.is_none());
    best.or_else(unnamed).ok_or_else(|| {
        let offered = entries.iter().filter_map(Descriptor::platform);
        Failure::value(DocumentError::NoPlatform {
            wanted,
            image: place.clone(),
            offered: offered.map(|platform| platform.to_string()).collect(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_chosen_by_platform() {
        let index = br#"{"manifests":[
            {"digest":"sha256:a","size":1,"platform":{"os":"unknown","architecture":"unknown"}},
            {"digest":"sha256:b","size":1,"platform":{"os":"linux","architecture":"arm","variant":"v6"}},
            {"digest":"sha256:c","size":1,"platform":{"os":"linux","architecture":"arm","variant":"v7"}},
            {"digest":"sha256:d","size":1},
            {"digest":"sha256:e","size":1}
        ]}"#;
        let place: Reference = "a.b/c:1".parse().unwrap();
        let mut document: Document = parse("manifest", &place, index).unwrap();
        let entries = index_entries(&mut document).unwrap();
        for (platform, digest) in [
            ("linux/arm/v7", "sha256:c"),
            ("linux/arm/v6", "sha256:b"),
            ("linux/riscv64", "sha256:d"),
        ] {
            let platform = platform.parse().unwrap();
            let chosen = choose(&entries, Some(&platform), &place).unwrap();
            assert_eq!(chosen.digest, digest);
        }
        let other = "linux/riscv64".parse().unwrap();
        let named = &entries[..3];
        let error = choose(named, Some(&other), &place).unwrap_err();
        let text = "cannot find an image for linux/riscv64 in a.b/c:1; there are some for linux/arm/v6, linux/arm/v7";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_manifest_is_no_index() {
        let manifest = br#"{"config":{"digest":"sha256:a","size":1},"layers":null,"manifests":[]}"#;
        let place: Reference = "a.b/c:1".parse().unwrap();
        let mut document: Document = parse("manifest", &place, manifest).unwrap();
        assert!(index_entries(&mut document).is_none());
        let error = parse::<Document>("manifest", &place, b"7").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read the manifest of a.b/c:1: ")
        );
    }
}
