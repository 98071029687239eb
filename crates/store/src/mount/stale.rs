//! Finds stale mount counts.
//!
//! A mount belongs to a mount namespace. What podman mounts for an ordinary user is visible in the
//! namespace of its containers only, and a service may have a namespace of its own. So a mount that
//! this process does not see may still exist. A count is stale only if no mount namespace has the
//! mount and this process may read all of them; every other count is trusted.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use layerhold_driver::Stacking;
use layerhold_sys::mountinfo::MountInfo;
use layerhold_sys::{Coverage, Dir, PathError, canonical_ambient, visit_mounts_everywhere};

use crate::catalog::mount_counts::Mounted;
use crate::engine::Engine;

/// Finds counted mounts that are proven to be gone. The result holds only while the counts are
/// locked.
pub(crate) fn stale(engine: &Engine, counted: Vec<Mounted>) -> Result<Vec<Mounted>, PathError> {
    let unseen = counted
        .into_iter()
        .filter(|mount| !may_be_here(engine, mount));
    if engine.driver().capabilities().stacking == Stacking::Copies {
        return Ok(unseen.collect());
    }
    let mut unseen: Vec<UnseenMount> = unseen.map(UnseenMount::new).collect();
    if unseen.is_empty() {
        return Ok(Vec::new());
    }
    let coverage = visit_mounts_everywhere(&mut |mount| {
        unseen.retain(|unseen_mount| !unseen_mount.is_shown_by(mount));
        match unseen.is_empty() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok(match coverage {
        Coverage::Complete => unseen
            .into_iter()
            .map(|unseen_mount| unseen_mount.mount)
            .collect(),
        Coverage::Incomplete => Vec::new(),
    })
}

/// Tells whether this process sees a mount, or cannot find out.
fn may_be_here(engine: &Engine, mount: &Mounted) -> bool {
    let is_here = is_mounted_here(engine, &mount.path);
    is_here.unwrap_or(true)
}

/// Tells whether this process sees a counted mount. Drivers that return a layer's own tree mount
/// nothing: the count is right as long as the tree exists.
pub(crate) fn is_mounted_here(engine: &Engine, path: &Path) -> Result<bool, PathError> {
    let is_there = match engine.driver().capabilities().stacking {
        Stacking::Copies => Dir::open_ambient(path).map(|_| true),
        _ => layerhold_sys::mount::is_mount_point(path),
    };
    match is_there {
        Err(error) if error.is_not_found() => Ok(false),
        other => other,
    }
}

/// A counted mount that this process does not see.
struct UnseenMount {
    mount: Mounted,
    /// The path without symbolic links, as mount tables show it.
    real: Option<PathBuf>,
    /// The end of the path, which stays the same where the store is mounted elsewhere.
    tail: PathBuf,
}

impl UnseenMount {
    fn new(mount: Mounted) -> Self {
        let mut tail: Vec<_> = mount.path.iter().rev().take(2).collect();
        tail.reverse();
        Self {
            real: canonical_ambient(&mount.path).ok(),
            tail: tail.iter().collect(),
            mount,
        }
    }

    /// Tells whether a mount, in any namespace, is this one or a copy of it, such as the root
    /// directory of a container.
    fn is_shown_by(&self, mount: &MountInfo) -> bool {
        let at = &mount.mount_point;
        *at == self.mount.path
            || self.real.as_ref() == Some(at)
            || (self.tail.starts_with(self.mount.layer.as_str()) && at.ends_with(&self.tail))
            || self.is_written_through(mount)
    }

    fn is_written_through(&self, mount: &MountInfo) -> bool {
        let options = mount.super_options.to_string_lossy();
        let upper = options
            .split(',')
            .find_map(|word| word.strip_prefix("upperdir="));
        let layer = self.mount.layer.as_str();
        upper.is_some_and(|upper| Path::new(upper).iter().any(|part| part == layer))
    }
}

#[cfg(test)]
mod tests {
    use layerhold_sys::mountinfo::parse;

    use super::*;

    fn sees(line: &str) -> bool {
        let unseen_mount = UnseenMount::new(Mounted {
            layer: "abc".parse().unwrap(),
            path: "/nosuch/overlay/abc/merged".into(),
            count: 1,
        });
        let table = format!("1 2 0:3 / {line}");
        unseen_mount.is_shown_by(parse(table.as_bytes()).first().unwrap())
    }

    #[test]
    fn the_same_mount_elsewhere_is_known() {
        for line in [
            "/nosuch/overlay/abc/merged rw - overlay overlay rw",
            "/elsewhere/abc/merged rw - fuse.fuse-overlayfs none rw",
            "/ rw - overlay overlay rw,lowerdir=l/A,upperdir=/nosuch/overlay/abc/diff,workdir=/w",
            "/ rw - overlay overlay rw,lowerdir=l/A,upperdir=abc/diff,workdir=abc/work",
        ] {
            assert!(sees(line), "{line}");
        }
        for line in [
            "/nosuch/overlay/abcd/merged rw - overlay overlay rw,upperdir=/nosuch/overlay/abcd/diff",
            "/nosuch/overlay rw - overlay overlay rw,lowerdir=/nosuch/overlay/abc/diff",
            "/merged rw - tmpfs tmpfs rw",
        ] {
            assert!(!sees(line), "{line}");
        }
    }
}
