//! Trying out what overlayfs supports in a home (Go: drivers/overlay/check.go and
//! overlay.go, `supportsOverlay`).
//!
//! Everything is tried in a temporary area, so that a crash leaves nothing that looks like a layer.

use std::path::PathBuf;

use layerhold_archive::OverlayNamespace;
use layerhold_driver::{LayerError, OpenError, Privilege};
use layerhold_staging::{TempArea, TempRoot};
use layerhold_sys::{
    Create, Dir, FsMagic, IdMapping, NodeKind, OpenOptions, OverlayApi, PathError, RenameHow,
    UserNamespace, clone_idmapped, make_device, mount, open_ambient_file, supports_d_type, xattr,
};

use super::features::{Answer, FeatureCache};
use super::plan::{Lower, OverlayPlan, Upper};
use crate::disk::Home;

/// What a probe needs: the home to try features in, and how to mount.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) home: &'a Home,
    pub(crate) api: OverlayApi,
    pub(crate) privilege: Privilege,
    pub(crate) mount_options: &'a [String],
}

/// Directories to try something with: `lower`, `middle`, `upper`, `work` and `merged`.
struct Try<'a> {
    probe: &'a Probe<'a>,
    area: TempArea,
}

impl<'a> Try<'a> {
    fn new(probe: &'a Probe<'a>) -> Result<Self, LayerError> {
        let area = TempRoot::new(probe.home.temp_root())
            .begin()
            .map_err(LayerError::TempArea)?;
        for name in ["lower", "middle", "upper", "work", "merged"] {
            area.dir().create_dir(name, 0o755)?;
        }
        Ok(Self { probe, area })
    }

    fn dir(&self, name: &str) -> Result<Dir, PathError> {
        self.area.dir().open_dir(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.area.dir().path().join(name)
    }

    fn plan(&self, lowers: &[&str], options: &[String]) -> OverlayPlan {
        let mut options = options.to_vec();
        if self.probe.privilege == Privilege::UserNamespace {
            options.push("userxattr".to_owned());
        }
        OverlayPlan {
            base: self.area.dir().path().to_owned(),
            lowers: lowers
                .iter()
                .map(|name| Lower::inside(self.area.dir().path(), *name))
                .collect(),
            upper: Some(Upper {
                diff: self.path("upper"),
                work: self.path("work"),
            }),
            options,
            label: String::new(),
        }
    }

    /// Mounts and does something with the mounted tree.
    fn mounted<T>(
        &self,
        plan: &OverlayPlan,
        work: impl FnOnce(&Dir) -> Result<T, LayerError>,
    ) -> Result<T, LayerError> {
        plan.mount_privately(&self.path("merged"), self.probe.api)?
            .with(work)
    }

    fn attribute(&self, name: &str) -> String {
        attribute(self.probe.privilege, name)
    }
}

fn attribute(privilege: Privilege, name: &str) -> String {
    let opaque = match privilege {
        Privilege::Full => OverlayNamespace::Trusted,
        Privilege::UserNamespace => OverlayNamespace::User,
    }
    .opaque_attribute();
    opaque.replace("opaque", name)
}

impl Probe<'_> {
    /// Whether `diff` is the difference: not when directories are renamed by reference, and not on
    /// kernels that copy the mark of opaque directories up.
    pub(crate) fn native_diff(&self) -> Answer {
        match self.try_native_diff() {
            Ok(None) => Answer::Yes,
            Ok(Some(why)) => no_native_diff(why),
            Err(error) => no_native_diff(&error.to_string()),
        }
    }

    fn try_native_diff(&self) -> Result<Option<&'static str>, LayerError> {
        let attempt = Try::new(self)?;
        let lower = attempt.dir("lower")?;
        lower.create_dir("d", 0o755)?;
        lower.create_dir("d1", 0o755)?;
        let middle = attempt.dir("middle")?;
        middle.create_dir("d", 0o755)?;
        let opaque = attempt.attribute("opaque");
        xattr::set(&middle.open_dir("d")?, &opaque, b"y")?;
        let plan = attempt.plan(&["middle", "lower"], self.mount_options);
        attempt.mounted(&plan, |merged| {
            drop(merged.open_dir("d")?.create_file("f", 0o644)?);
            let upper = attempt.dir("upper")?;
            if xattr::get(&upper.open_dir("d")?, &opaque)?.as_deref() == Some(b"y") {
                return Ok(Some(
                    "opaque flag erroneously copied up, consider update to kernel 4.8 or later to fix",
                ));
            }
            match merged.rename("d1", merged, "d2", RenameHow::Replace) {
                Err(error) if error.crosses_devices() => return Ok(None),
                other => other?,
            }
            let redirect = xattr::get(&upper.open_dir("d2")?, attempt.attribute("redirect"))?;
            Ok((redirect.as_deref() == Some(b"d1"))
                .then_some("kernel has CONFIG_OVERLAY_FS_REDIRECT_DIR enabled"))
        })
    }

    /// Whether a change of metadata copies no contents.
    pub(crate) fn metacopy(&self) -> Answer {
        answer(self.try_metacopy())
    }

    fn try_metacopy(&self) -> Result<bool, LayerError> {
        let attempt = Try::new(self)?;
        drop(attempt.dir("lower")?.create_file("f", 0o700)?);
        let plan = attempt.plan(&["lower"], self.mount_options);
        attempt.mounted(&plan, |merged| {
            merged.set_mode("f", 0o600)?;
            let mark = xattr::get_at(&attempt.dir("upper")?, "f", attempt.attribute("metacopy"))?;
            Ok(mark.is_some())
        })
    }

    /// Whether the option `volatile` is known.
    pub(crate) fn volatile(&self) -> Answer {
        answer(Try::new(self).and_then(|attempt| {
            let plan = attempt.plan(&["lower"], &["volatile".to_owned()]);
            attempt.mounted(&plan, |_| Ok(true))
        }))
    }

    /// Whether lower directories may be mounts with shifted owners.
    pub(crate) fn shifted_lower(&self) -> Answer {
        answer(self.try_shifted_lower())
    }

    fn try_shifted_lower(&self) -> Result<bool, LayerError> {
        let attempt = Try::new(self)?;
        let root = IdMapping {
            inside: 0,
            outside: 0,
            count: 1,
        };
        let namespace = UserNamespace::new(&[root], &[root])?;
        let shifted = attempt.path("middle");
        clone_idmapped(&attempt.dir("lower")?, &namespace, mount::Depth::Single)?
            .attach(&shifted)?;
        let plan = attempt.plan(&["middle"], &[]);
        let outcome = attempt.mounted(&plan, |_| Ok(true));
        mount::unmount(&shifted, mount::Detach::Lazy)?;
        outcome
    }

    /// Whether overlay works in this home.
    fn overlay(&self, backing: FsMagic) -> Result<(), Unusable> {
        let name = backing.name().unwrap_or("<unknown>");
        let attempt = Try::new(self).map_err(Unusable::from_failure)?;
        let types = supports_d_type(attempt.area.dir());
        if !types.map_err(|error| Unusable::from_failure(error.into()))? {
            return Err(Unusable::NotSupported(without_types(name)));
        }
        attempt.fill().map_err(Unusable::from_failure)?;
        let whiteout = attempt.dir("upper").and_then(|upper| {
            upper.make_node("whiteout", NodeKind::CharDevice, 0o600, make_device(0, 0))
        });
        if let Err(error) = whiteout {
            return Err(Unusable::Incompatible(format!(
                "unable to create kernel-style whiteout: {}",
                error.into_source()
            )));
        }
        let mut plan = attempt.plan(&["lower", "middle"], &[]);
        plan.label = test_label();
        let removed = attempt.mounted(&plan, |merged| {
            let subdir = merged.open_dir("subdir")?;
            Ok(subdir
                .remove_file("file")
                .and_then(|()| merged.remove_empty_dir("subdir")))
        });
        match removed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Unusable::NotSupported(format!(
                "kernel returned {} when we tried to delete an item in the merged directory",
                error.into_source()
            ))),
            Err(_) => Err(Unusable::Incompatible(format!(
                "'overlay' is not supported over {name} at {:?}",
                self.home.path().display()
            ))),
        }
    }
}

impl Try<'_> {
    /// Makes something that can be deleted through the mount.
    fn fill(&self) -> Result<(), LayerError> {
        let subdir = self.dir("middle")?.ensure_dir("subdir", 0o700)?;
        drop(subdir.create_file("file", 0o600)?);
        Ok(())
    }
}

fn answer(outcome: Result<bool, LayerError>) -> Answer {
    match outcome {
        Ok(true) => Answer::Yes,
        _ => Answer::No(String::new()),
    }
}

fn no_native_diff(why: &str) -> Answer {
    Answer::No(format!(
        "Not using native diff for overlay, this may cause degraded performance for building images: {why}"
    ))
}

fn without_types(filesystem: &str) -> String {
    let advice = match filesystem {
        "xfs" => " Reformat the filesystem with ftype=1 to enable d_type support.",
        _ => "",
    };
    format!(
        "overlay: the backing {filesystem} filesystem is formatted without d_type support, which leads to incorrect behavior.{advice} Running without d_type is not supported."
    )
}

/// The label of container files, if SELinux is on and knows it: then mounts with labels are tried
/// too.
fn test_label() -> String {
    const LABEL: &str = "system_u:object_r:container_file_t:s0";
    // The kernel says whether a label means something when it is written here.
    let options = OpenOptions::read_write().create(Create::Never);
    let known = open_ambient_file("/sys/fs/selinux/context", options)
        .is_ok_and(|mut file| std::io::Write::write_all(&mut file, LABEL.as_bytes()).is_ok());
    if known {
        LABEL.to_owned()
    } else {
        String::new()
    }
}

/// Why overlay cannot be used in a home.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// The kernel does not support it.
    NotSupported(String),
    /// Overlay cannot use the filesystem.
    Incompatible(String),
    /// The answer could not be found out.
    Unknown(LayerError),
}

const NOT_SUPPORTED: &str = "driver not supported";
const INCOMPATIBLE: &str = "backing file system is unsupported for this graph driver";
const PREFIX: &str = "kernel does not support overlay fs: ";

impl Unusable {
    /// Judges a failure. A full disk says nothing about overlay; any other failure does, as in Go.
    fn from_failure(error: LayerError) -> Self {
        match error {
            LayerError::Os(os) if !os.is_out_of_space() && !os.is_read_only_filesystem() => {
                Self::Incompatible(format!("unable to create test file: {}", os.into_source()))
            }
            other => Self::Unknown(other),
        }
    }

    /// The text that Go keeps.
    fn text(&self) -> Option<String> {
        match self {
            Self::NotSupported(reason) => Some(format!("{PREFIX}{reason}: {NOT_SUPPORTED}")),
            Self::Incompatible(reason) => Some(format!("{PREFIX}{reason}: {INCOMPATIBLE}")),
            Self::Unknown(_) => None,
        }
    }

    fn from_text(text: &str) -> Self {
        let reason = text.strip_prefix(PREFIX).unwrap_or(text);
        let without = |end: &str| reason.strip_suffix(end)?.strip_suffix(": ");
        if let Some(reason) = without(INCOMPATIBLE) {
            return Self::Incompatible(reason.to_owned());
        }
        Self::NotSupported(without(NOT_SUPPORTED).unwrap_or(reason).to_owned())
    }
}

impl From<Unusable> for OpenError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::NotSupported(reason) => Self::NotSupported {
                reason: format!("{PREFIX}{reason}"),
            },
            Unusable::Incompatible(reason) => Self::IncompatibleFilesystem {
                reason: format!("{PREFIX}{reason}"),
            },
            Unusable::Unknown(LayerError::Os(error)) => Self::Os(error),
            Unusable::Unknown(error) => Self::Prerequisites {
                reason: format!("{PREFIX}{error}"),
            },
        }
    }
}

/// Tells whether overlay works, from the cache if it has an answer.
pub(crate) fn check_overlay(
    cache: &FeatureCache,
    probe: &Probe<'_>,
    backing: FsMagic,
) -> Result<(), Unusable> {
    const FEATURE: &str = "overlay";
    match cache.get(FEATURE) {
        Some(Answer::Yes) => return Ok(()),
        Some(Answer::No(text)) => return Err(Unusable::from_text(&text)),
        None => {}
    }
    let outcome = probe.overlay(backing);
    match &outcome {
        Ok(()) => cache.put(FEATURE, &Answer::Yes),
        Err(unusable) => {
            if let Some(text) = unusable.text() {
                cache.put(FEATURE, &Answer::No(text));
            }
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_kept_and_read_again() {
        let text = Unusable::Incompatible("x".to_owned()).text().unwrap();
        assert_eq!(
            text,
            "kernel does not support overlay fs: x: backing file system is unsupported for this graph driver"
        );
        let again = OpenError::from(Unusable::from_text(&text));
        assert_eq!(again.to_string(), text);
        assert!(matches!(again, OpenError::IncompatibleFilesystem { .. }));
        let text = Unusable::NotSupported("y".to_owned()).text().unwrap();
        let again = OpenError::from(Unusable::from_text(&text));
        assert_eq!(again.to_string(), text);
        assert!(again.is_unsuitable());
        // A text that older versions of Go's library wrote means that overlay does not work.
        assert!(OpenError::from(Unusable::from_text("")).is_unsuitable());
    }
}
