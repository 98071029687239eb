//! What all operations of one opened driver share: its homes, its options, and what the kernel
//! supports.

use std::path::PathBuf;
use std::sync::OnceLock;

use layerhold_archive::{OverlayNamespace, UnpackOptions, Whiteouts};
use layerhold_driver::{CopiedAttributes, CopyRules, LayerError, Privilege, Shifting};
use layerhold_idmap::IdMappings;
use layerhold_staging::{TempArea, TempRoot};
use layerhold_sys::{FsMagic, OverlayApi, effective_user, under_lock_on_purpose};

use crate::disk::{Home, Homes, TEMP};
use crate::kernel::{Answer, FeatureCache, Probe, Quota, Unusable, check_overlay};
use crate::options::OverlayOptions;

/// What all operations of one opened driver share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) homes: Homes,
    pub(crate) options: OverlayOptions,
    pub(crate) cache: FeatureCache,
    /// The program that mounts instead of the kernel: configured, or found where the kernel cannot.
    pub(crate) mount_program: Option<PathBuf>,
    pub(crate) privilege: Privilege,
    pub(crate) shifting: Shifting,
    pub(crate) api: OverlayApi,
    pub(crate) backing: FsMagic,
    /// Where layers can be limited.
    pub(crate) quota: Option<Quota>,
    pub(crate) probed: ProbedFeatures,
}

/// Which features the kernel has, each asked for at its first use.
#[derive(Debug, Default)]
pub(crate) struct ProbedFeatures {
    metacopy: OnceLock<bool>,
    native_diff: OnceLock<bool>,
    volatile: OnceLock<bool>,
    shifts: OnceLock<bool>,
}

impl Context {
    /// Which attributes mark opaque directories.
    pub(crate) fn namespace(&self) -> OverlayNamespace {
        match self.privilege {
            Privilege::Full => OverlayNamespace::Trusted,
            Privilege::UserNamespace => OverlayNamespace::User,
        }
    }

    /// How diffs are unpacked into `diff` (Go: drivers/overlay/overlay.go, `applyDiff`).
    pub(crate) fn unpack_options(&self) -> UnpackOptions {
        let mut options = UnpackOptions::new();
        options.whiteouts = match self.mount_program {
            // A process that needs a mount program most likely cannot make devices.
            Some(_) => Whiteouts::Keep,
            None => Whiteouts::Overlay(self.namespace()),
        };
        options.chown_errors = self.options.chown_errors;
        options.user_namespace = self.privilege.into();
        options.force_mask = self.options.force_mask;
        options
    }

    /// How contents are copied from layer to layer.
    pub(crate) fn copy_rules(&self) -> CopyRules {
        CopyRules::new(self.privilege)
            .with_chown_errors(self.options.chown_errors)
            .with_attributes(CopiedAttributes::All)
    }

    /// Makes a temporary area in a home.
    pub(crate) fn area(&self, home: &Home) -> Result<TempArea, LayerError> {
        TempRoot::new(home.temp_root())
            .begin()
            .map_err(LayerError::TempArea)
    }

    /// Makes a temporary area for private mounts.
    pub(crate) fn area_for_views(&self) -> Result<TempArea, LayerError> {
        let own = self.homes.own();
        if own.is_written() {
            return self.area(own);
        }
        TempRoot::new(self.cache.path().join(TEMP))
            .begin()
            .map_err(LayerError::TempArea)
    }

    // ---- what the kernel supports ----

    fn probe(&self) -> Probe<'_> {
        Probe {
            home: self.homes.own(),
            api: self.api,
            privilege: self.privilege,
            mount_options: &self.options.mount_options,
        }
    }

    /// Asks the cache, then the kernel. Where nothing may be written nothing can be tried out, and
    /// the answer is no.
    fn ask(&self, feature: &str, find_out: impl FnOnce(Probe<'_>) -> Answer) -> bool {
        let answer = if self.homes.own().is_written() {
            self.cache.ask(feature, || {
                under_lock_on_purpose("a few files are tried out, once for each run root", || {
                    find_out(self.probe())
                })
            })
        } else {
            self.cache
                .get(feature)
                .unwrap_or_else(|| Answer::No(String::new()))
        };
        answer == Answer::Yes
    }

    /// Whether metadata is changed without copying contents.
    pub(crate) fn uses_metacopy(&self) -> bool {
        if self.mount_program.is_some() {
            return false;
        }
        *self.probed.metacopy.get_or_init(|| {
            let feature = format!("metacopy({})", self.options.mount_option_text);
            self.ask(&feature, |probe| probe.metacopy())
        })
    }

    /// Whether `diff` is the difference to the layers below.
    pub(crate) fn has_native_diff(&self) -> bool {
        if self.mount_program.is_some() {
            return false;
        }
        *self.probed.native_diff.get_or_init(|| {
            let feature = format!("native-diff({})", self.options.mount_option_text);
            self.ask(&feature, |probe| probe.native_diff())
        })
    }

    /// Whether mounts can leave out syncing.
    pub(crate) fn has_volatile(&self) -> bool {
        if self.mount_program.is_some() {
            return true;
        }
        *self
            .probed
            .volatile
            .get_or_init(|| self.ask("volatile", |probe| probe.volatile()))
    }

    /// Whether mounts can show the owners of these maps without rewriting them
    /// (Go: drivers/overlay/overlay.go, `SupportsShifting`).
    pub(crate) fn can_shift(&self, maps: &IdMappings) -> bool {
        if self.shifting == Shifting::Disabled {
            return false;
        }
        if self.mount_program.is_some() {
            // fuse-overlayfs maps the upper layer too, and can do so for one range only.
            return maps.uids.is_contiguous() && maps.gids.is_contiguous();
        }
        *self.probed.shifts.get_or_init(|| {
            effective_user() == 0 && self.ask("idmapped-lower-dir", |probe| probe.shifted_lower())
        })
    }

    /// Whether overlay works here at all, cached.
    pub(crate) fn check_overlay(&self) -> Result<(), Unusable> {
        check_overlay(&self.cache, &self.probe(), self.backing)
    }
}
