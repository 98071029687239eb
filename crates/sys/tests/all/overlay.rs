//! Overlay mounts, by both interfaces of the kernel.

use std::path::Path;

use layerhold_sys::mount::{self, Detach, MountOptions};
use layerhold_sys::{Dir, OverlayApi, OverlayMount, OverlayMountError, mountinfo};
use layerhold_testkit::{
    Feature, SkipReason, TempDir, require_feature, require_root, scratch, skip,
};

/// A directory with `target`, `upper` and `work`, whose overlays are unmounted on drop.
struct OverlayDirs {
    scratch: TempDir,
    base: Dir,
}

impl OverlayDirs {
    fn new() -> Option<Self> {
        require_root()?;
        require_feature(Feature::Overlay)?;
        let scratch = scratch();
        let base = Dir::open_ambient(scratch.path()).unwrap();
        for name in ["target", "upper", "work"] {
            base.create_dir(name, 0o755).unwrap();
        }
        Some(Self { scratch, base })
    }

    /// A lower directory with one file of its own and one that all lowers have.
    fn lower(&self, name: &str) -> String {
        let path = self.scratch.path().join(name);
        let dir = Dir::create_ambient_all(&path, 0o755).unwrap();
        std::fs::write(dir.path().join("top"), name).unwrap();
        let own = name.rsplit('/').next().unwrap();
        std::fs::write(dir.path().join(format!("own-{own}")), "").unwrap();
        name.to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.scratch.path().join(name)).unwrap()
    }

    fn info(&self) -> mountinfo::MountInfo {
        let target = self.scratch.path().join("target");
        let mounts = mountinfo::read_mounts().unwrap();
        mounts
            .into_iter()
            .rfind(|m| m.mount_point == target)
            .unwrap()
    }
}

impl Drop for OverlayDirs {
    fn drop(&mut self) {
        layerhold_sys::best_effort(mount::unmount(
            &self.scratch.path().join("target"),
            Detach::Lazy,
        ));
    }
}

/// Both interfaces, or the classic one alone if the kernel has no other.
fn apis() -> Vec<OverlayApi> {
    match OverlayApi::detect() {
        OverlayApi::Classic => {
            let skipped: Option<()> = skip("the kernel has no lowerdir+", SkipReason::Kernel);
            assert_eq!(skipped, None);
            vec![OverlayApi::Classic]
        }
        detected => vec![detected, OverlayApi::Classic],
    }
}

fn entries(path: &Path) -> usize {
    std::fs::read_dir(path).unwrap().count()
}

#[test]
fn root_an_overlay_can_be_written() {
    for api in apis() {
        let Some(place) = OverlayDirs::new() else {
            return;
        };
        let lowers = ["l/A", "l/B"].map(|name| place.lower(name));
        let overlay = OverlayMount::new(&place.base)
            .lowers(lowers)
            .upper("upper", "work")
            .options(MountOptions::parse("nodev,noatime,metacopy=on,volatile"));
        overlay.mount(Path::new("target"), api).unwrap();
        assert_eq!(place.read("target/top"), "l/A", "{api:?}");
        std::fs::write(place.scratch.path().join("target/new"), "new").unwrap();
        assert_eq!(place.read("upper/new"), "new");
        let info = place.info();
        assert_eq!(
            (&*info.fs_type, &*info.source),
            ("overlay".as_ref(), "overlay".as_ref())
        );
        let words = |text: &std::ffi::OsStr| -> Vec<String> {
            text.to_str()
                .unwrap()
                .split(',')
                .map(str::to_owned)
                .collect()
        };
        let (flags, shown) = (words(&info.options), words(&info.super_options));
        for word in ["nodev", "noatime", "rw"] {
            assert!(flags.iter().any(|flag| flag == word), "{flags:?}");
        }
        // Newer kernels show `fsync=volatile`.
        assert!(
            shown.iter().any(|word| word.ends_with("volatile")),
            "{shown:?}"
        );
        for word in ["metacopy=on", "upperdir=upper", "workdir=work"] {
            assert!(shown.iter().any(|option| option == word), "{shown:?}");
        }
    }
}

#[test]
fn root_depth_500_fits_in_both_ways() {
    for api in apis() {
        let Some(place) = OverlayDirs::new() else {
            return;
        };
        let lowers: Vec<_> = (0..500)
            .map(|n| place.lower(&format!("l/ABCDEFGHIJKLMNOPQRSTUV{n:04}")))
            .collect();
        let overlay = OverlayMount::new(&place.base).lowers(&lowers);
        let current = std::env::current_dir().unwrap();
        overlay
            .clone()
            .upper("upper", "work")
            .mount(Path::new("target"), api)
            .unwrap();
        assert_eq!(place.read("target/top"), lowers[0], "{api:?}");
        assert_eq!(entries(&place.scratch.path().join("target")), 501);
        std::fs::write(place.scratch.path().join("target/new"), "new").unwrap();
        assert_eq!(place.read("upper/new"), "new");
        assert_eq!(std::env::current_dir().unwrap(), current);

        // One more than the kernel supports.
        let error = overlay
            .lower("upper")
            .mount(Path::new("work"), api)
            .unwrap_err();
        assert!(
            matches!(error, OverlayMountError::Refused { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn root_any_name_will_do() {
    let strange = [
        "a:b", "c,d", "e\\f", "g\\:h\\,", "i j\tk", "l\"m'", "n=o", "\\",
    ];
    let long = format!("{0}/{0}", "long".repeat(50));
    for api in apis() {
        let Some(place) = OverlayDirs::new() else {
            return;
        };
        let lowers = strange.map(|name| place.lower(name));
        place.base.create_dir("u:p,p\\er", 0o755).unwrap();
        place.base.create_dir("w:o,r\\k", 0o755).unwrap();
        let overlay = OverlayMount::new(&place.base)
            .lowers(lowers)
            .lower(place.lower(&long))
            .upper("u:p,p\\er", "w:o,r\\k");
        overlay.mount(Path::new("target"), api).unwrap();
        assert_eq!(
            entries(&place.scratch.path().join("target")),
            strange.len() + 2
        );
        std::fs::write(place.scratch.path().join("target/new"), "new").unwrap();
        assert_eq!(place.read("u:p,p\\er/new"), "new", "{api:?}");
    }
}

#[test]
fn root_absolute_paths_and_targets_elsewhere() {
    for api in apis() {
        let Some(place) = OverlayDirs::new() else {
            return;
        };
        let root = place.scratch.path();
        let lower = root.join(place.lower("lower"));
        let elsewhere = Dir::open_ambient("/").unwrap();
        let overlay = OverlayMount::new(&elsewhere)
            .lower(lower)
            .upper(root.join("upper"), root.join("work"));
        overlay.mount(&root.join("target"), api).unwrap();
        assert_eq!(place.read("target/top"), "lower");
    }
}

#[test]
fn root_data_only_lowers() {
    if OverlayApi::detect() == OverlayApi::Classic {
        let skipped: Option<()> = skip(
            "the kernel may have no data-only lowers",
            SkipReason::Kernel,
        );
        assert_eq!(skipped, None);
        return;
    }
    for api in apis() {
        let Some(place) = OverlayDirs::new() else {
            return;
        };
        let overlay = OverlayMount::new(&place.base)
            .lower(place.lower("meta"))
            .data_lower(place.lower("data1"))
            .data_lower(place.lower("data2"))
            .options(MountOptions::parse("ro,metacopy=on,redirect_dir=on"));
        let redirect = |target: &str| {
            let meta = place.base.open_dir("meta").unwrap();
            let file = meta.create_file("file", 0o644).unwrap();
            file.set_len(5).unwrap();
            layerhold_sys::xattr::set(&file, "trusted.overlay.metacopy", b"").unwrap();
            let path = target.as_bytes();
            layerhold_sys::xattr::set(&file, "trusted.overlay.redirect", path).unwrap();
        };
        redirect("/own-data2");
        std::fs::write(place.scratch.path().join("data2/own-data2"), "hello").unwrap();
        overlay.mount(Path::new("target"), api).unwrap();
        // Only redirected files of the data layer are visible, with their content.
        assert_eq!(entries(&place.scratch.path().join("target")), 3);
        assert_eq!(place.read("target/file"), "hello", "{api:?}");
        let denied = std::fs::write(place.scratch.path().join("target/x"), "");
        assert_eq!(
            denied.unwrap_err().kind(),
            std::io::ErrorKind::ReadOnlyFilesystem
        );
    }
}

#[test]
fn root_a_detached_overlay_needs_no_target() {
    let Some(place) = OverlayDirs::new() else {
        return;
    };
    if OverlayApi::detect() == OverlayApi::Classic {
        let skipped: Option<()> = skip("the kernel has no lowerdir+", SkipReason::Kernel);
        assert_eq!(skipped, None);
        return;
    }
    let overlay = OverlayMount::new(&place.base).lowers([place.lower("A"), place.lower("B")]);
    let detached = overlay.detached().unwrap();
    let dir = detached.open(Path::new("merged")).unwrap();
    assert_eq!(dir.read_file("top", 10).unwrap().unwrap(), b"A");
    assert_eq!(dir.entries().unwrap().count(), 3);
    assert_eq!(entries(&place.scratch.path().join("target")), 0);
}

#[test]
fn root_refusals_say_what_was_wrong() {
    let Some(place) = OverlayDirs::new() else {
        return;
    };
    let target = Path::new("target");
    let base = || OverlayMount::new(&place.base).lower(place.lower("lower"));
    let missing = base().lower("missing");
    let unknown = base().options(MountOptions::parse("nosuchoption=1"));
    for api in apis() {
        let error = missing.mount(target, api).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(2), "{error}");
        let error = unknown.mount(target, api).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(22), "{error}");
        let text = error.to_string();
        if api == OverlayApi::Context {
            let step = text.starts_with("cannot mount an overlay at target: nosuchoption=1");
            assert!(
                step && text.contains("Unknown parameter 'nosuchoption'"),
                "{text}"
            );
            let text = missing.mount(target, api).unwrap_err().to_string();
            assert!(text.contains("lowerdir+=missing"), "{text}");
        }
        for words in ["remount", "bind", "private", "rshared"] {
            let error = base()
                .options(MountOptions::parse(words))
                .mount(target, api);
            assert!(matches!(
                error,
                Err(OverlayMountError::NotForNewMounts { .. })
            ));
        }
        let error = base().label("a\"b").mount(target, api).unwrap_err();
        assert!(matches!(error, OverlayMountError::BadLabel { .. }));
    }
    assert!(!mount::is_mount_point(&place.scratch.path().join("target")).unwrap());
}

#[test]
fn root_options_that_do_not_fit_are_told_before_the_kernel_cuts_them() {
    let Some(place) = OverlayDirs::new() else {
        return;
    };
    let words = vec!["x".repeat(100); 60].join(",");
    let overlay = OverlayMount::new(&place.base)
        .lower(place.lower("lower"))
        .options(MountOptions::parse(&words));
    let error = overlay
        .mount(Path::new("target"), OverlayApi::Classic)
        .unwrap_err();
    let OverlayMountError::OptionsTooLong { length, limit, .. } = error else {
        panic!("{error:?}");
    };
    assert!(length > 6000 && limit + 1 == rustix::param::page_size());
}
