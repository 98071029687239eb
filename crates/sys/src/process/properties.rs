//! Properties, limits and privileges of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::CapabilitySet;

use crate::error::{Context, Result};

/// The effective user ID, which the kernel checks for file access.
#[must_use]
pub fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The effective group ID, which new files get.
#[must_use]
pub fn effective_group() -> u32 {
    rustix::process::getegid().as_raw()
}

/// The boot time in whole seconds since 1970, by the present clock; `None` if it is unknown.
#[must_use]
pub fn boot_time() -> Option<i64> {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Realtime).tv_sec;
    now.checked_sub(clock_gettime(ClockId::Boottime).tv_sec)
}

/// Raises this process's limit of open files to its maximum and returns the former limit. A process
/// that starts others should restore that limit for them, with
/// [`set_open_files`]: some go through all numbers that there may be.
///
/// # Errors
///
/// If the kernel refuses.
pub fn raise_open_files() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let former = limit.current.unwrap_or(u64::MAX);
    set_open_files(limit.maximum.unwrap_or(u64::MAX))?;
    Ok(former)
}

/// Sets the limit of open files of this process and its children, up to its maximum.
///
/// # Errors
///
/// If the kernel refuses.
pub fn set_open_files(number: u64) -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(number, |maximum| number.min(maximum)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum })
        .context("set the number of open files of", || "this process".into())
}

/// A privilege of the calling thread in its user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Changing owners.
    Chown,
    /// Reading and writing files regardless of their permissions.
    DacOverride,
    /// Changing attributes of other users' files.
    Fowner,
    /// Creating device nodes.
    Mknod,
    /// Setting file capabilities.
    Setfcap,
    /// Setting group IDs and their maps.
    Setgid,
    /// Setting user IDs and their maps.
    Setuid,
    /// Mounting, and attributes of the `trusted.` namespace.
    SysAdmin,
    /// Exceeding quotas and reserved blocks.
    SysResource,
}

/// Whether the calling thread has a privilege.
///
/// In a user namespace, a privilege covers what the namespace owns: [`Capability::Mknod`] does not
/// allow device nodes there, for example.
pub fn has_capability(capability: Capability) -> Result<bool> {
    let bit = match capability {
        Capability::Chown => CapabilitySet::CHOWN,
        Capability::DacOverride => CapabilitySet::DAC_OVERRIDE,
        Capability::Fowner => CapabilitySet::FOWNER,
        Capability::Mknod => CapabilitySet::MKNOD,
        Capability::Setfcap => CapabilitySet::SETFCAP,
        Capability::Setgid => CapabilitySet::SETGID,
        Capability::Setuid => CapabilitySet::SETUID,
        Capability::SysAdmin => CapabilitySet::SYS_ADMIN,
        Capability::SysResource => CapabilitySet::SYS_RESOURCE,
    };
    rustix::thread::capabilities(None)
        .map(|sets| sets.effective.contains(bit))
        .context("read privileges of", || "this thread".into())
}

/// Whether this process is in a child user namespace: whether its user map is not the full identity
/// map.
pub fn in_user_namespace() -> Result<bool> {
    let path = "/proc/self/uid_map";
    #[expect(
        clippy::disallowed_methods,
        reason = "procfs is reached by its fixed path; this is the crate that others go through"
    )]
    match std::fs::read(path) {
        Ok(map) => Ok(!maps_all_to_itself(&map)),
        // A kernel without user namespaces has no such file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("read", || path.into()),
    }
}

fn maps_all_to_itself(map: &[u8]) -> bool {
    let words: Vec<_> = map
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect();
    words == [b"0" as &[u8], b"0", b"4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_files_belong_to_the_effective_user() {
        use std::os::unix::fs::MetadataExt;
        let file = tempfile::tempfile().unwrap();
        let stat = file.metadata().unwrap();
        assert_eq!(
            (stat.uid(), stat.gid()),
            (effective_user(), effective_group())
        );
    }

    #[test]
    fn only_the_first_namespace_maps_all_to_itself() {
        assert!(maps_all_to_itself(b"         0          0 4294967295\n"));
        for map in [
            "",
            "0 0 65536",
            "0 1000 1",
            "0 0 1\n1 1 4294967294",
            "0 0 4294967295\n0 0 1",
        ] {
            assert!(!maps_all_to_itself(map.as_bytes()), "{map}");
        }
    }

    #[test]
    fn privileges_are_those_in_the_process_table() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = u64::from_str_radix(effective.unwrap().trim(), 16).unwrap();
        for (capability, bit) in [
            (Capability::Chown, 0),
            (Capability::DacOverride, 1),
            (Capability::Fowner, 3),
            (Capability::Setgid, 6),
            (Capability::Setuid, 7),
            (Capability::SysAdmin, 21),
            (Capability::SysResource, 24),
            (Capability::Mknod, 27),
            (Capability::Setfcap, 31),
        ] {
            let expected = effective & (1 << bit) != 0;
            assert_eq!(
                has_capability(capability).unwrap(),
                expected,
                "{capability:?}"
            );
        }
    }
}
