//! The flags that choose maps of user and group IDs.

use std::fs::File;
use std::io::Read;

use layerhold_idmap::{
    IdKind, IdMap, IdMappingOptions, MapChoice, SubIdFile, SubIdOwner, parse_map_strings,
    uid_of_user,
};

use super::flags::Values;
use crate::failure::Failure;

/// The largest `/etc/subuid` or `/etc/passwd` that is read. Each line is some tens of bytes.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// Reads the map flags (Go: `paramIDMapping` in `cmd/containers-storage/create.go`).
pub(crate) fn choice(flags: &Values) -> Result<IdMappingOptions, Failure> {
    let is_given = |flag: &str| !flags.text(flag).is_empty();
    if flags.is_on("hostuidmap") && (is_given("uidmap") || is_given("subuidmap")) {
        return Err(Failure::Flags(
            "host uid map specified along with UID mapping",
        ));
    }
    if flags.is_on("hostgidmap") && (is_given("gidmap") || is_given("subgidmap")) {
        return Err(Failure::Flags(
            "host gid map specified along with GID mapping",
        ));
    }
    // A name for only one of user and group counts for both.
    let (mut sub_user, mut sub_group) = (flags.text("subuidmap"), flags.text("subgidmap"));
    if sub_group.is_empty() {
        sub_group = sub_user;
    }
    if sub_user.is_empty() {
        sub_user = sub_group;
    }
    let (mut uids, mut gids) = (IdMap::IDENTITY, IdMap::IDENTITY);
    if !sub_user.is_empty() {
        uids = subordinate(IdKind::Uid, sub_user)?;
        gids = subordinate(IdKind::Gid, sub_group)?;
    }
    let parse =
        |flag, setting| parse_map_strings([flags.text(flag)], setting).map_err(Failure::value);
    uids.extend(parse("uidmap", "uid")?.into_ranges());
    gids.extend(parse("gidmap", "gid")?.into_ranges());
    Ok(IdMappingOptions {
        uids: chosen(flags.is_on("hostuidmap"), uids),
        gids: chosen(flags.is_on("hostgidmap"), gids),
    })
}

fn chosen(host: bool, map: IdMap) -> MapChoice {
    match (host, map.ranges().is_empty()) {
        (true, _) => MapChoice::Host,
        (false, true) => MapChoice::Inherit,
        (false, false) => MapChoice::Explicit(map),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no {kind} ranges found for {owner} {name:?} in {path}")]
struct NoRanges {
    kind: &'static str,
    owner: &'static str,
    name: String,
    path: &'static str,
}

/// The ranges that a file like `/etc/subuid` gives a user, laid out from ID 0 on.
fn subordinate(kind: IdKind, name: &str) -> Result<IdMap, Failure> {
    let (path, what, owner) = match kind {
        IdKind::Uid => ("/etc/subuid", "subuid", "user"),
        IdKind::Gid => ("/etc/subgid", "subgid", "group"),
    };
    let text = read(path)?;
    // Lines may name the user by number. Without a list of users there are only names.
    let uid = read("/etc/passwd")
        .ok()
        .and_then(|passwd| uid_of_user(&passwd, name));
    let ranges = SubIdFile::parse(&text)
        .and_then(|file| file.ranges_for(SubIdOwner::new(name).with_uid(uid)))
        .map_err(Failure::value)?;
    if ranges.is_empty() {
        return Err(Failure::value(NoRanges {
            kind: what,
            owner,
            name: name.to_owned(),
            path,
        }));
    }
    Ok(IdMap::contiguous_from_zero(ranges))
}

fn read(path: &str) -> Result<String, Failure> {
    let error = |source| Failure::File {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    File::open(path)
        .map_err(error)?
        .take(MAX_TEXT)
        .read_to_string(&mut text)
        .map_err(error)?;
    Ok(text)
}
