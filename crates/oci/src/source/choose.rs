//! Choosing entries of an index.

use layerhold_ids::Digest;

use super::error::SourceError;
use super::found::{FoundImage, Selection};
use crate::manifest::Descriptor;
use crate::media;
use crate::platform::Platform;

/// Entries that are one image, which may exist for several platforms.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Option<String>,
    pub(super) entries: Vec<Descriptor>,
}

/// Whether the source has a blob.
pub(super) type Has<'a> = &'a dyn Fn(&Digest) -> bool;

/// The name an index entry gives its image, in full where the entry has that.
pub(super) fn name_of(entry: &Descriptor) -> Option<&str> {
    [media::CONTAINERD_NAME, media::REF_NAME]
        .into_iter()
        .find_map(|key| entry.annotations.get(key))
        .map(String::as_str)
        .filter(|name| !name.is_empty())
}

/// Groups entries that are one image: those with the same name. Entries without a name are one
/// image if each is for another platform, and otherwise each is an image of its own.
pub(super) fn groups(entries: Vec<Descriptor>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut nameless: Vec<Descriptor> = Vec::new();
    for entry in entries {
        let name = name_of(&entry).map(str::to_owned);
        let entries = match groups.iter_mut().find(|group| group.name == name) {
            _ if name.is_none() => &mut nameless,
            Some(group) => &mut group.entries,
            None => {
                let entries = vec![entry];
                groups.push(Group { name, entries });
                continue;
            }
        };
        if !entries.iter().any(|known| known.digest == entry.digest) {
            entries.push(entry);
        }
    }
    let nameless = match are_one_image(&nameless) {
        true => vec![nameless],
        false => nameless.into_iter().map(|entry| vec![entry]).collect(),
    };
    groups.extend(nameless.into_iter().map(|entries| Group {
        name: None,
        entries,
    }));
    groups
}

fn are_one_image(entries: &[Descriptor]) -> bool {
    let mut platforms: Vec<&Platform> = Vec::new();
    for entry in entries {
        match &entry.platform {
            Some(platform) if !platforms.contains(&platform) => platforms.push(platform),
            _ => return false,
        }
    }
    !platforms.is_empty()
}

/// The entries that are called `wanted`.
pub(super) fn called(entries: Vec<Descriptor>, wanted: &str) -> Result<Vec<Group>, SourceError> {
    let groups = groups(entries);
    let offered = groups
        .iter()
        .flat_map(|group| match &group.name {
            Some(name) => vec![name.clone()],
            None => group.entries.iter().map(|e| e.digest.to_string()).collect(),
        })
        .collect();
    let matches = |entry: &Descriptor| {
        entry.annotations.get(media::REF_NAME).map(String::as_str) == Some(wanted)
            || name_of(entry) == Some(wanted)
    };
    let found: Vec<Group> = groups
        .into_iter()
        .filter_map(|mut group| {
            group.entries.retain(matches);
            (!group.entries.is_empty()).then_some(group)
        })
        .collect();
    if found.is_empty() {
        return Err(SourceError::NoSuchImage {
            wanted: wanted.to_owned(),
            offered,
        });
    }
    Ok(found)
}

/// The entries of a group to load. An image for only one platform is loaded unless another platform
/// was requested.
pub(super) fn candidates<'a>(
    entries: &'a [Descriptor],
    selection: Selection<'_>,
    has: Has<'_>,
) -> Result<Vec<&'a Descriptor>, SourceError> {
    match entries {
        [only] if selection.platform.is_none() => Ok(vec![only]),
        _ => equally_good(entries, selection, has),
    }
}

/// The entry of an index to load. Of several for one platform it is the first, as in Go.
pub(super) fn best<'a>(
    entries: &'a [Descriptor],
    selection: Selection<'_>,
    has: Has<'_>,
) -> Result<&'a Descriptor, SourceError> {
    let found = equally_good(entries, selection, has)?;
    found
        .first()
        .copied()
        .ok_or_else(|| no_platform(entries, &selection.platform()))
}

/// The entries that run best on the platform. An entry without a platform fits any, but only if no
/// other entry does.
fn equally_good<'a>(
    entries: &'a [Descriptor],
    selection: Selection<'_>,
    has: Has<'_>,
) -> Result<Vec<&'a Descriptor>, SourceError> {
    let platform = selection.platform();
    let rank = |entry: &Descriptor| platform.rank(entry.platform.as_ref()?);
    let mut ranked: Vec<(u32, &Descriptor)> = entries
        .iter()
        .filter_map(|entry| Some((rank(entry)?, entry)))
        .collect();
    let listed = ranked.first().map(|(_, entry)| *entry);
    ranked.retain(|(_, entry)| has(&entry.digest));
    if let Some(best) = ranked.iter().map(|(rank, _)| *rank).min() {
        let equal = ranked.into_iter().filter(|(rank, _)| *rank == best);
        return Ok(equal.map(|(_, entry)| entry).collect());
    }
    if let Some(entry) = listed {
        return Err(SourceError::NotIncluded {
            wanted: Box::new(platform),
            digest: entry.digest.clone(),
            offered: platforms(entries.iter().filter(|entry| has(&entry.digest))),
        });
    }
    let unnamed: Vec<&Descriptor> = entries
        .iter()
        .filter(|entry| entry.platform.is_none())
        .collect();
    if unnamed.is_empty() {
        return Err(no_platform(entries, &platform));
    }
    Ok(unnamed)
}

fn no_platform(entries: &[Descriptor], wanted: &Platform) -> SourceError {
    SourceError::NoSuchPlatform {
        wanted: wanted.clone(),
        offered: platforms(entries.iter()),
    }
}

fn platforms<'a>(entries: impl Iterator<Item = &'a Descriptor>) -> Vec<String> {
    entries
        .filter_map(|entry| entry.platform.as_ref())
        .map(ToString::to_string)
        .collect()
}

/// Checks that no two images have the same name, which could then mean either.
pub(super) fn check_names(images: &[FoundImage]) -> Result<(), SourceError> {
    for (position, image) in images.iter().enumerate() {
        for name in &image.names {
            let others = images.iter().skip(position + 1);
            let same = others.filter(|other| {
                other.config_digest != image.config_digest && other.names.contains(name)
            });
            let mut digests: Vec<String> = same.filter_map(manifest_digest).collect();
            if !digests.is_empty() {
                digests.extend(manifest_digest(image));
                digests.sort();
                return Err(SourceError::SameName {
                    name: name.clone(),
                    digests,
                });
            }
        }
    }
    Ok(())
}

fn manifest_digest(image: &FoundImage) -> Option<String> {
    let manifest = image.manifest.as_ref()?;
    Some(manifest.digest.to_string())
}
