//! User and group ID mappings: ranges, two-way translation, `/etc/subuid` text, map strings.
//!
//! A map translates between IDs inside a user namespace ([`ContainerId32`]) and IDs outside
//! ([`HostId`]). These are distinct types, so an ID that was translated twice, or not at all, does
//! not compile.
//!
//! ```
//! use layerhold_idmap::{ContainerId32, HostId, IdKind, parse_map_strings};
//!
//! let map = parse_map_strings(&["0:100000:65536"], IdKind::Uid)?;
//! assert_eq!(map.to_host(ContainerId32::new(33))?, HostId::new(100_033));
//! assert_eq!(map.to_container(HostId::new(100_000))?, ContainerId32::ROOT);
//! assert!(map.to_host(ContainerId32::new(65536)).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! - Only text and numbers: reading files, querying `getent` or libsubid, and changing owners are
//!   up to the caller.
//! - A map without ranges is the identity. For Go, an empty but allocated slice maps nothing; no
//!   file can express that.
//! - The kernel's own limits (340 ranges, no empty range) are not checked here.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod options;
mod auto;
mod subid;
mod passwd;
mod parse;
mod kernel;
mod capability;
mod override_stat;
mod mappings;
mod map;
mod overlap;
mod set;
mod range;
mod id;
mod kind;

pub use auto::auto_map;
pub use capability::capability_for;
pub use id::{ContainerId32, HostId, Id};
pub use kernel::KernelMapError;
pub use kind::IdKind;
pub use map::{DEFAULT_OVERFLOW_ID, IdMap, UnmappedError};
pub use mappings::{ContainerOwner, HostOwner, IdMappings};
pub use options::{IdMappingOptions, MapChoice, MappingRequest, ResolveError};
pub use overlap::OverlapError;
pub use override_stat::{OVERRIDE_STAT_XATTR, OverrideKind, OverrideStat, OverrideStatError};
pub use parse::{ParseMapError, parse_map_strings};
pub use passwd::{home_of_uid, ids_named, uid_of_user, user_of_uid};
pub use range::IdRange;
pub use set::{IdSet, NotEnoughIds};
pub use subid::{SubIdError, SubIdFile, SubIdOwner, SubIdRange};
