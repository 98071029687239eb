//! Limits of layers: project quota of XFS and ext4 (Go: drivers/quota, XFS only).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use layerhold_driver::{LayerAccess, LayerError, OptionError, StageRequest, parse_size};
use layerhold_sys::{
    Dir, FsMagic, PathError, Project, ProjectQuota, QuotaLimits, best_effort, project, set_project,
};

use crate::disk::{Home, QUOTA_DEVICE, optional};
use crate::options::{Limits, parse_count};

/// How many IDs each home has, so that two homes on one filesystem share none.
const IDS_PER_HOME: u64 = 10_000;

/// Gives layers of a home their limits.
#[derive(Debug)]
pub(crate) struct Quota {
    control: ProjectQuota,
    home: Home,
    /// The first ID that a layer may get.
    first: u32,
    /// The next free ID, once the IDs of the layers have been read.
    next: Mutex<Option<u32>>,
}

impl Quota {
    /// Tries to set limits, on the first of the home's own IDs, which no layer gets.
    pub(crate) fn open(home: &Home, dir: &Dir) -> Result<Self, PathError> {
        let own = project(dir)?.id;
        let first = if own == 0 { first_id(dir)? } else { own };
        let control = ProjectQuota::new(dir, QUOTA_DEVICE);
        if let Err(error) = control.set_limits(first, limits(Limits::default())) {
            // The attempt may have made it.
            best_effort(dir.remove_file(QUOTA_DEVICE));
            return Err(error);
        }
        if project(dir)?.inherits {
            // Otherwise all layers would be in one project.
            set_project(
                dir,
                Project {
                    id: own,
                    inherits: false,
                },
            )?;
        }
        Ok(Self {
            control,
            home: home.clone(),
            first: first.saturating_add(1),
            next: Mutex::new(None),
        })
    }

    /// Gives an empty directory a project of its own, with these limits. The kernel counts its
    /// space also without limits.
    pub(crate) fn limit(&self, dir: &Dir, wanted: Limits) -> Result<(), PathError> {
        let id = self.take_id()?;
        set_project(dir, Project { id, inherits: true })?;
        self.control.set_limits(id, limits(wanted))
    }

    fn take_id(&self) -> Result<u32, PathError> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut id = match *next {
            Some(id) => id,
            None => self.after_those_in_use()?,
        };
        // Another process may have used the next ID since.
        while self
            .control
            .usage(id)?
            .is_some_and(|usage| usage.inodes > 0)
        {
            id = id.saturating_add(1);
        }
        *next = Some(id.saturating_add(1));
        Ok(id)
    }

    fn after_those_in_use(&self) -> Result<u32, PathError> {
        let mut next = self.first;
        let Some(home) = self.home.open()? else {
            return Ok(next);
        };
        for id in self.home.ids()? {
            if let Some(layer) = optional(home.open_dir(id.as_str()))? {
                next = next.max(project(&layer)?.id.saturating_add(1));
            }
        }
        Ok(next)
    }
}

/// Go's choice: 10000 IDs for each home, by its inode number.
fn first_id(home: &Dir) -> Result<u32, PathError> {
    let inode = home.stat_self()?.ino;
    let room = u64::from(u32::MAX) - IDS_PER_HOME;
    let id = IDS_PER_HOME + inode.wrapping_mul(IDS_PER_HOME) % room;
    Ok(u32::try_from(id).unwrap_or(u32::MAX / 2))
}

fn limits(wanted: Limits) -> QuotaLimits {
    // 0 clears a limit that a removed layer of the same ID left.
    QuotaLimits {
        bytes: Some(wanted.size),
        inodes: Some(wanted.inodes),
    }
}

/// Whether a filesystem may have project quotas.
pub(crate) fn may_have_quota(backing: FsMagic) -> bool {
    [FsMagic::XFS, FsMagic::EXT].contains(&backing)
}

/// The limits of a new layer: its own, else those of the driver options (Go:
/// drivers/overlay/overlay.go, `CreateReadWrite` and `Create`).
pub(crate) fn wanted_limits(
    request: &StageRequest<'_>,
    defaults: Limits,
    is_possible: bool,
) -> Result<Limits, LayerError> {
    if request.access == LayerAccess::ReadOnly {
        let refused = ["size", "inodes"]
            .into_iter()
            .find(|key| request.storage_options.contains_key(*key));
        return match refused {
            Some(key) => Err(refusal(format!(
                "--storage-opt {key} is only supported for ReadWrite Layers"
            ))),
            None => parse(&request.storage_options, Limits::default()).map(|_| Limits::default()),
        };
    }
    if !request.storage_options.is_empty() && !is_possible {
        return Err(refusal(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
                .to_owned(),
        ));
    }
    parse(&request.storage_options, defaults)
}

fn parse(options: &BTreeMap<String, String>, mut limits: Limits) -> Result<Limits, LayerError> {
    let wrong = |error: OptionError| refusal(error.to_string());
    for (key, value) in options {
        match key.to_lowercase().as_str() {
            "size" => limits.size = parse_size(value).map_err(|error| wrong(error.into()))?,
            "inodes" => limits.inodes = parse_count(value).map_err(wrong)?,
            unknown => return Err(refusal(format!("unknown option {unknown}"))),
        }
    }
    Ok(limits)
}

fn refusal(reason: String) -> LayerError {
    LayerError::StorageOption { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(access: LayerAccess, options: &[(&str, &str)]) -> StageRequest<'static> {
        let pairs = options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        StageRequest::new()
            .with_access(access)
            .with_storage_options(pairs.collect())
    }

    #[track_caller]
    fn check(access: LayerAccess, options: &[(&str, &str)], expected: Result<(u64, u64), &str>) {
        let defaults = Limits { size: 7, inodes: 8 };
        let actual = wanted_limits(&request(access, options), defaults, true)
            .map(|limits| (limits.size, limits.inodes))
            .map_err(|error| error.to_string());
        assert_eq!(actual, expected.map_err(str::to_owned));
    }

    #[test]
    fn limits_are_for_layers_that_are_written_to() {
        use LayerAccess::{ReadOnly, ReadWrite};
        check(ReadWrite, &[], Ok((7, 8)));
        check(ReadWrite, &[("size", "1k")], Ok((1024, 8)));
        check(ReadWrite, &[("SIZE", "0"), ("Inodes", "5")], Ok((0, 5)));
        check(
            ReadWrite,
            &[("colour", "red")],
            Err("unknown option colour"),
        );
        check(ReadWrite, &[("size", "x")], Err("invalid size: 'x'"));
        check(
            ReadWrite,
            &[("inodes", "-1")],
            Err(r#"strconv.ParseUint: parsing "-1": invalid syntax"#),
        );
        check(ReadOnly, &[], Ok((0, 0)));
        check(
            ReadOnly,
            &[("size", "1")],
            Err("--storage-opt size is only supported for ReadWrite Layers"),
        );
        check(
            ReadOnly,
            &[("inodes", "1")],
            Err("--storage-opt inodes is only supported for ReadWrite Layers"),
        );
        let asked = request(ReadWrite, &[("size", "1")]);
        let error = wanted_limits(&asked, Limits::default(), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
        );
    }
}
