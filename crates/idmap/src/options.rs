//! Resolves requested ID maps: explicit maps, the subordinate IDs of a user, or none.

use std::error::Error;

use crate::{IdKind, IdMap, ParseMapError, parse_map_strings};

/// The requested map of a layer or container, for users or for groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MapChoice {
    /// The map of the parent layer, or of the store if there is no parent.
    #[default]
    Inherit,
    /// No map: IDs inside equal IDs outside.
    Host,
    /// This map.
    Explicit(IdMap),
}

impl MapChoice {
    fn of(map: IdMap) -> Self {
        if map.is_identity() {
            Self::Host
        } else {
            Self::Explicit(map)
        }
    }

    /// Returns the resulting map; `inherited` is that of the parent.
    #[must_use]
    pub fn resolve(&self, inherited: &IdMap) -> IdMap {
        match self {
            Self::Inherit => inherited.clone(),
            Self::Host => IdMap::IDENTITY,
            Self::Explicit(map) => map.clone(),
        }
    }
}

/// The requested maps of a layer or container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdMappingOptions {
    /// For users.
    pub uids: MapChoice,
    /// For groups.
    pub gids: MapChoice,
}

/// Command line options about ID maps.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct MappingRequest<'a> {
    /// Map strings for users.
    pub uid_maps: &'a [String],
    /// Map strings for groups.
    pub gid_maps: &'a [String],
    /// The user whose `/etc/subuid` ranges are used; empty for none.
    pub sub_uid: &'a str,
    /// The group whose `/etc/subgid` ranges are used; empty for none.
    pub sub_gid: &'a str,
    /// The user and group ID of an unprivileged process. Without other options, they become maps of
    /// one ID each.
    pub unprivileged: Option<(u32, u32)>,
}

/// Why requested maps cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError<E: Error + 'static> {
    /// A map string is malformed.
    #[error("failed to parse {kind} maps")]
    Parse {
        /// For users or for groups.
        kind: IdKind,
        /// What is wrong.
        #[source]
        source: ParseMapError,
    },
    /// The subordinate ranges of a user or group cannot be found.
    #[error("failed to find subordinate {kind} ranges of {name:?}")]
    SubIds {
        /// For users or for groups.
        kind: IdKind,
        /// The name that was looked up.
        name: String,
        /// What is wrong.
        #[source]
        source: E,
    },
}

impl<'a> MappingRequest<'a> {
    /// No options: nothing is mapped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds map strings for users and for groups.
    #[must_use]
    pub fn with_maps(mut self, users: &'a [String], groups: &'a [String]) -> Self {
        self.uid_maps = users;
        self.gid_maps = groups;
        self
    }

    /// Adds the names whose subordinate ranges are used; empty for none.
    #[must_use]
    pub fn with_subordinate(mut self, user: &'a str, group: &'a str) -> Self {
        self.sub_uid = user;
        self.sub_gid = group;
        self
    }

    /// Says that the process is unprivileged, with these IDs.
    #[must_use]
    pub fn with_unprivileged(mut self, ids: impl Into<Option<(u32, u32)>>) -> Self {
        self.unprivileged = ids.into();
        self
    }

    /// Completes the options and makes the maps (Go: types/idmappings.go, `ParseIDMapping`).
    ///
    /// Map strings and names given for users also count for groups if none are given for those, and
    /// the reverse. Subordinate ranges come before those of map strings. `lookup` returns the map
    /// of a user's or group's ranges, see [`IdMap::contiguous_from_zero`]; it must fail if there
    /// are none.
    ///
    /// # Errors
    ///
    /// Fails for malformed map strings and if `lookup` fails.
    pub fn resolve<E: Error + 'static>(
        &self,
        mut lookup: impl FnMut(IdKind, &str) -> Result<IdMap, E>,
    ) -> Result<IdMappingOptions, ResolveError<E>> {
        let own = self.unprivileged.unzip();
        let sub_uid = first_given(self.sub_uid, self.sub_gid);
        let sub_gid = first_given(self.sub_gid, self.sub_uid);
        let uid_maps = first_filled(self.uid_maps, self.gid_maps);
        let gid_maps = first_filled(self.gid_maps, self.uid_maps);
        let uids = resolve_one(IdKind::Uid, sub_uid, uid_maps, own.0, &mut lookup)?;
        let gids = resolve_one(IdKind::Gid, sub_gid, gid_maps, own.1, &mut lookup)?;
        Ok(IdMappingOptions {
            uids: MapChoice::of(uids),
            gids: MapChoice::of(gids),
        })
    }
}

fn first_given<'a>(own: &'a str, other: &'a str) -> &'a str {
    if own.is_empty() { other } else { own }
}

fn first_filled<'a>(own: &'a [String], other: &'a [String]) -> &'a [String] {
    if own.is_empty() { other } else { own }
}

fn resolve_one<E: Error + 'static>(
    kind: IdKind,
    name: &str,
    specs: &[String],
    own_id: Option<u32>,
    lookup: &mut impl FnMut(IdKind, &str) -> Result<IdMap, E>,
) -> Result<IdMap, ResolveError<E>> {
    let mut map = IdMap::IDENTITY;
    if !name.is_empty() {
        map = lookup(kind, name).map_err(|source| ResolveError::SubIds {
            kind,
            name: name.to_owned(),
            source,
        })?;
    }
    let own_spec = own_id
        .filter(|_| name.is_empty() && specs.is_empty())
        .map(|id| format!("0:{id}:1"));
    let specs = own_spec.as_ref().map_or(specs, std::slice::from_ref);
    let parsed =
        parse_map_strings(specs, kind).map_err(|source| ResolveError::Parse { kind, source })?;
    map.extend(parsed.into_ranges());
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdRange, NotEnoughIds};

    const NONE: NotEnoughIds = NotEnoughIds {
        wanted: 0,
        available: 0,
    };

    fn lookup(kind: IdKind, name: &str) -> Result<IdMap, NotEnoughIds> {
        match (kind, name) {
            (IdKind::Uid, "u") => Ok(IdMap::new(vec![IdRange::new(0, 100, 10)])),
            (IdKind::Gid, "u") => Ok(IdMap::new(vec![IdRange::new(0, 200, 10)])),
            _ => Err(NONE),
        }
    }

    fn shown(choice: &MapChoice) -> String {
        match choice {
            MapChoice::Inherit => "inherit".to_owned(),
            MapChoice::Host => "host".to_owned(),
            MapChoice::Explicit(map) => map.to_string(),
        }
    }

    fn check(
        uid_maps: &[&str],
        gid_maps: &[&str],
        subs: [&str; 2],
        own: Option<(u32, u32)>,
        expected: [&str; 2],
    ) {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let request = MappingRequest {
            uid_maps: &owned(uid_maps),
            gid_maps: &owned(gid_maps),
            sub_uid: subs[0],
            sub_gid: subs[1],
            unprivileged: own,
        };
        let options = request.resolve(lookup).unwrap();
        assert_eq!([shown(&options.uids), shown(&options.gids)], expected);
    }

    #[test]
    fn gaps_are_filled() {
        check(&[], &[], ["", ""], None, ["host", "host"]);
        check(&["0:5:1"], &[], ["", ""], None, ["0:5:1", "0:5:1"]);
        check(&[], &["0:5:1"], ["", ""], None, ["0:5:1", "0:5:1"]);
        check(&["0:5:1"], &["0:6:1"], ["", ""], None, ["0:5:1", "0:6:1"]);
        check(&[], &[], ["u", ""], None, ["0:100:10", "0:200:10"]);
        check(&[], &[], ["", "u"], None, ["0:100:10", "0:200:10"]);
        check(
            &["50:5:1"],
            &[],
            ["u", ""],
            None,
            ["0:100:10,50:5:1", "0:200:10,50:5:1"],
        );
        check(&[""], &[], ["", ""], None, ["host", "host"]);
    }

    #[test]
    fn an_unprivileged_caller_maps_itself() {
        check(
            &[],
            &[],
            ["", ""],
            Some((1000, 1001)),
            ["0:1000:1", "0:1001:1"],
        );
        check(
            &["0:5:1"],
            &[],
            ["", ""],
            Some((1000, 1001)),
            ["0:5:1", "0:5:1"],
        );
        check(
            &[],
            &[],
            ["u", ""],
            Some((1000, 1001)),
            ["0:100:10", "0:200:10"],
        );
    }

    #[test]
    fn failures() {
        let bad = ["x".to_owned()];
        let request = MappingRequest {
            gid_maps: &bad,
            ..Default::default()
        };
        assert!(matches!(
            request.resolve(lookup),
            Err(ResolveError::Parse {
                kind: IdKind::Uid,
                ..
            })
        ));
        let request = MappingRequest {
            sub_uid: "u",
            sub_gid: "v",
            ..Default::default()
        };
        let error = request.resolve(lookup).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to find subordinate GID ranges of \"v\""
        );
        assert!(matches!(
            error,
            ResolveError::SubIds {
                kind: IdKind::Gid,
                source: NONE,
                ..
            }
        ));
    }

    #[test]
    fn choices_mean_maps() {
        let inherited = IdMap::new(vec![IdRange::new(0, 1, 2)]);
        assert_eq!(MapChoice::default().resolve(&inherited), inherited);
        assert_eq!(MapChoice::Host.resolve(&inherited), IdMap::IDENTITY);
        let own = IdMap::new(vec![IdRange::new(0, 3, 4)]);
        assert_eq!(MapChoice::Explicit(own.clone()).resolve(&inherited), own);
    }
}
