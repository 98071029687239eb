//! Changes of overlay layers, compared with those of mounted overlays.

use std::path::{Path, PathBuf};
use std::process::Command;

use layerhold_archive::layerhold_sys::mount::{Detach, MountOptions, unmount};
use layerhold_archive::layerhold_sys::{
    Dir, NodeKind, OverlayApi, OverlayMount, remove_tree, xattr,
};
use layerhold_archive::{
    Cancel, Change, ChangeKind, ChangesError, CompareOptions, OverlayForm, OverlayLayers,
    OverlayNamespace, PackError, PackOptions, UnpackOptions, Whiteouts, changes_size,
    check_redirected, compare, overlay_changes, overlay_size, pack,
};
use layerhold_testkit::{
    Feature, SkipReason, TempDir, Tree, require_feature, require_root, run, scratch, skip,
};
use proptest::prelude::*;

use crate::support::{UnpackDir, write};

const NAMESPACES: [OverlayNamespace; 2] = [OverlayNamespace::Trusted, OverlayNamespace::User];

/// Layers on top of each other; `work` and mounts live beside them.
struct Stack {
    scratch: TempDir,
    base: Dir,
    namespace: OverlayNamespace,
    layers: Vec<String>,
}

/// An overlay that is unmounted on drop.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0, Detach::Lazy).unwrap();
    }
}

impl Stack {
    fn new(namespace: OverlayNamespace) -> Option<Self> {
        require_root()?;
        require_feature(Feature::Overlay)?;
        let scratch = scratch();
        let base = Dir::open_ambient(scratch.path()).unwrap();
        base.create_dir("empty", 0o755).unwrap();
        Some(Self {
            scratch,
            base,
            namespace,
            layers: Vec::new(),
        })
    }

    /// Adds a layer with the changes that `work` makes in the mounted tree.
    fn layer(&mut self, work: impl FnOnce(&Path)) {
        let mounted = self.add_and_mount();
        work(&mounted.0);
    }

    /// Adds a layer and mounts everything.
    fn add_and_mount(&mut self) -> Mounted {
        let name = format!("layer{}", self.layers.len());
        self.base.create_dir(&name, 0o755).unwrap();
        self.layers.insert(0, name);
        let (upper, lower) = self.layers.split_first().unwrap();
        self.mount("merged", Some(upper), lower)
    }

    fn mount(&self, target: &str, upper: Option<&str>, lower: &[String]) -> Mounted {
        let words = match self.namespace {
            OverlayNamespace::Trusted => "redirect_dir=off,index=off,metacopy=off",
            OverlayNamespace::User => "userxattr",
        };
        let mut overlay = OverlayMount::new(&self.base)
            .lowers(lower)
            .lower("empty")
            .options(MountOptions::parse(words));
        if let Some(upper) = upper {
            let work = format!("{upper}-work");
            drop(self.base.ensure_dir(&work, 0o755).unwrap());
            overlay = overlay.upper(upper, work);
        } else {
            overlay = overlay.lower("empty2");
            drop(self.base.ensure_dir("empty2", 0o755).unwrap());
        }
        drop(self.base.ensure_dir(target, 0o755).unwrap());
        overlay
            .mount(Path::new(target), OverlayApi::detect())
            .unwrap();
        Mounted(self.scratch.path().join(target))
    }

    fn dirs(&self) -> (Dir, Vec<Dir>) {
        let mut dirs = self
            .layers
            .iter()
            .map(|name| self.base.open_dir(name).unwrap());
        (dirs.next().unwrap(), dirs.collect())
    }

    fn form(&self) -> OverlayForm {
        self.namespace.into()
    }

    /// What the uppermost layer changes, read from its directory.
    fn changes(&self) -> Result<Vec<Change>, ChangesError> {
        let (upper, lower) = self.dirs();
        overlay_changes(&upper, &lower, self.form(), &Cancel::new())
    }

    /// The same changes, found by walking both mounted trees.
    fn compared(&self) -> Vec<Change> {
        let with = self.mount("with", None, &self.layers);
        let without = self.mount("without", None, &self.layers[1..]);
        compare_trees(&with.0, &without.0)
    }

    fn packed(&self) -> Result<Vec<u8>, PackError> {
        let (upper, lower) = self.dirs();
        let options = PackOptions::new().with_overlay(OverlayLayers::new(self.form(), lower));
        pack(&upper, &options, Vec::new())
    }

    /// Checks the change list and the archive of the uppermost layer.
    fn check(&self) {
        let changes = self.changes().unwrap();
        assert_eq!(texts(&changes), texts(&self.compared()));
        let (upper, _) = self.dirs();
        assert_eq!(
            overlay_size(&upper, self.form(), &Cancel::new()).unwrap(),
            changes_size(&upper, &changes, &Cancel::new()).unwrap()
        );
        assert!(check_redirected(&upper, self.form(), &Cancel::new()).is_ok());
        let archive = self.packed().unwrap();
        let with = self.mount("with", None, &self.layers);
        let expected = seen(&with.0);

        // Applied to a copy of the lower tree, the archive gives the same tree.
        let without = self.mount("without", None, &self.layers[1..]);
        let below = pack(
            &Dir::open_ambient(&without.0).unwrap(),
            &PackOptions::default(),
            Vec::new(),
        );
        let place = UnpackDir::new();
        place.unpack(&below.unwrap()).unwrap();
        place.unpack(&archive).unwrap();
        seen(&place.root).assert_same(&expected);

        // Converted for overlayfs, it does so too.
        drop(self.base.ensure_dir("again", 0o755).unwrap());
        let again = UnpackDir::new();
        let options = UnpackOptions::new().with_whiteouts(Whiteouts::Overlay(self.namespace));
        again.unpack_with(&archive, options).unwrap();
        let mut layers = self.layers.clone();
        layers[0] = again.root.to_str().unwrap().to_owned();
        let mounted = self.mount("again", None, &layers);
        seen(&mounted.0).assert_same(&expected);
    }
}

fn compare_trees(new: &Path, old: &Path) -> Vec<Change> {
    let open = |path| Dir::open_ambient(path).unwrap();
    compare(&open(new), Some(&open(old)), &CompareOptions::new()).unwrap()
}

fn texts(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

/// A tree without what archives lose: times of directories, fractions of other times, and
/// attributes of the root.
fn seen(root: &Path) -> Tree {
    Tree::of(root)
        .without_directory_times()
        .map(|_, node| node.mtime.1 = 0)
        .retain(|path, _| path.as_os_str() != "")
}

fn touch(path: &Path, seconds: i64) {
    let mut command = Command::new("touch");
    command.arg("-hd").arg(format!("@{seconds}")).arg(path);
    run(&mut command).assert_success();
}

fn make_below(root: &Path) {
    for dir in [
        "dir",
        "dir/sub",
        "gone",
        "gone/sub",
        "to-file",
        "kept",
        "kept/deep",
        "renewed",
    ] {
        std::fs::create_dir(root.join(dir)).unwrap();
    }
    for file in [
        "file",
        "deleted",
        "to-dir",
        "dir/file",
        "dir/sub/file",
        "gone/sub/file",
        "to-file/inside",
        "kept/file",
        "kept/deep/file",
        "renewed/old",
        "renewed/both",
    ] {
        write(root.join(file), file.as_bytes());
    }
    std::os::unix::fs::symlink("file", root.join("link")).unwrap();
}

#[test]
fn root_each_kind_of_change() {
    for namespace in NAMESPACES {
        let Some(mut stack) = Stack::new(namespace) else {
            return;
        };
        stack.layer(make_below);
        stack.layer(|root| {
            write(root.join("file"), b"longer than before");
            std::fs::remove_file(root.join("deleted")).unwrap();
            std::fs::remove_dir_all(root.join("gone")).unwrap();
            // One replaced by the other, in both directions.
            std::fs::remove_file(root.join("to-dir")).unwrap();
            std::fs::create_dir(root.join("to-dir")).unwrap();
            write(root.join("to-dir/inside"), b"");
            std::fs::remove_dir_all(root.join("to-file")).unwrap();
            write(root.join("to-file"), b"");
            // Deleted and recreated, with some old names and some new ones.
            std::fs::remove_dir_all(root.join("renewed")).unwrap();
            std::fs::create_dir(root.join("renewed")).unwrap();
            write(root.join("renewed/both"), b"other");
            write(root.join("renewed/new"), b"");
            write(root.join("kept/deep/file"), b"changed below");
            std::fs::hard_link(root.join("kept/deep/file"), root.join("hard")).unwrap();
            std::fs::remove_file(root.join("link")).unwrap();
            std::os::unix::fs::symlink("elsewhere", root.join("link")).unwrap();
            std::fs::create_dir_all(root.join("new/sub")).unwrap();
        });
        let listed = texts(&stack.changes().unwrap());
        assert_eq!(
            listed,
            [
                "D /deleted",
                "C /file",
                "D /gone",
                "A /hard",
                "C /kept",
                "C /kept/deep",
                "C /kept/deep/file",
                "C /link",
                "A /new",
                "A /new/sub",
                "C /renewed",
                "C /renewed/both",
                "A /renewed/new",
                "D /renewed/old",
                "C /to-dir",
                "A /to-dir/inside",
                "C /to-file",
            ],
            "{namespace:?}"
        );
        stack.check();
    }
}

#[test]
fn root_deletions_in_several_layers() {
    for namespace in NAMESPACES {
        let Some(mut stack) = Stack::new(namespace) else {
            return;
        };
        stack.layer(make_below);
        stack.layer(|root| {
            std::fs::remove_dir_all(root.join("gone")).unwrap();
            std::fs::remove_dir_all(root.join("renewed")).unwrap();
            std::fs::create_dir(root.join("renewed")).unwrap();
            write(root.join("renewed/middle"), b"");
            std::fs::remove_file(root.join("dir/file")).unwrap();
        });
        stack.check();
        // An entry that a lower layer deleted is an addition; of the lower layers, only what the
        // opaque directory in the middle shows can be deleted.
        stack.layer(|root| {
            std::fs::create_dir_all(root.join("gone/sub")).unwrap();
            write(root.join("gone/sub/file"), b"");
            write(root.join("dir/file"), b"");
            std::fs::remove_dir_all(root.join("renewed")).unwrap();
            std::fs::create_dir(root.join("renewed")).unwrap();
            write(root.join("renewed/old"), b"");
        });
        let listed = texts(&stack.changes().unwrap());
        assert_eq!(
            listed,
            [
                "C /dir",
                "A /dir/file",
                "A /gone",
                "A /gone/sub",
                "A /gone/sub/file",
                "C /renewed",
                "D /renewed/middle",
                "A /renewed/old",
            ]
        );
        stack.check();
    }
}

#[test]
fn root_an_opaque_directory_below_a_deleted_one() {
    let Some(mut stack) = Stack::new(OverlayNamespace::Trusted) else {
        return;
    };
    stack.layer(make_below);
    stack.layer(|root| {
        std::fs::remove_dir_all(root.join("gone")).unwrap();
        std::fs::create_dir_all(root.join("gone/sub")).unwrap();
        write(root.join("gone/sub/new"), b"");
    });
    // `gone/sub` is not marked itself, and still shows nothing of the old one.
    let listed = texts(&stack.changes().unwrap());
    assert_eq!(
        listed,
        [
            "C /gone",
            "C /gone/sub",
            "D /gone/sub/file",
            "A /gone/sub/new"
        ]
    );
    stack.check();
    // Whiteouts of missing entries mean nothing, wherever they are.
    let (upper, _) = stack.dirs();
    let whiteout = |dir: &Dir| {
        dir.make_node("nothing", NodeKind::CharDevice, 0, 0)
            .unwrap()
    };
    whiteout(&upper);
    whiteout(&upper.open_dir("gone").unwrap());
    assert_eq!(texts(&stack.changes().unwrap()), listed);
}

/// Links of the layers below are never followed, wherever they lead.
#[test]
fn root_a_directory_in_place_of_a_link() {
    let Some(mut stack) = Stack::new(OverlayNamespace::Trusted) else {
        return;
    };
    let link = |target: &str, path: PathBuf| std::os::unix::fs::symlink(target, path).unwrap();
    stack.layer(|root| {
        link("loop", root.join("loop"));
        link("/proc", root.join("out"));
        std::fs::create_dir(root.join("dir")).unwrap();
        write(root.join("dir/sub"), b"");
        link("dir", root.join("to-dir"));
    });
    stack.layer(|root| {
        for name in ["loop", "out", "to-dir"] {
            std::fs::remove_file(root.join(name)).unwrap();
            std::fs::create_dir_all(root.join(name).join("sub")).unwrap();
        }
        std::fs::create_dir(root.join("out/self")).unwrap();
    });
    let listed = texts(&stack.changes().unwrap());
    assert_eq!(
        listed,
        [
            "C /loop",
            "A /loop/sub",
            "C /out",
            "A /out/self",
            "A /out/sub",
            "C /to-dir",
            "A /to-dir/sub",
        ]
    );
    stack.check();
}

#[test]
fn root_directories_of_which_only_attributes_change() {
    let Some(mut stack) = Stack::new(OverlayNamespace::Trusted) else {
        return;
    };
    stack.layer(make_below);
    stack.layer(|root| {
        let dir = Dir::open_ambient(root.join("dir")).unwrap();
        dir.set_mode("sub", 0o700).unwrap();
        touch(&root.join("kept"), 1_000_000_000);
        let renewed = Dir::open_ambient(root.join("renewed")).unwrap();
        xattr::set(&renewed, "user.mine", b"1").unwrap();
    });
    let listed = texts(&stack.changes().unwrap());
    assert_eq!(listed, ["C /dir", "C /dir/sub", "C /kept", "C /renewed"]);
    stack.check();
}

#[test]
fn root_renamed_directories_and_files_without_content_need_the_mounted_tree() {
    let Some(mut stack) = Stack::new(OverlayNamespace::Trusted) else {
        return;
    };
    stack.layer(make_below);
    let (upper, lower) = ("upper", vec![stack.layers[0].clone()]);
    let renamed = |words: &str, work: &dyn Fn(&Path)| {
        for name in [upper, "upper-work"] {
            layerhold_sys::best_effort(remove_tree(&stack.base, name));
            stack.base.create_dir(name, 0o755).unwrap();
        }
        drop(stack.base.ensure_dir("merged", 0o755).unwrap());
        let overlay = OverlayMount::new(&stack.base)
            .lowers(&lower)
            .upper(upper, "upper-work")
            .options(MountOptions::parse(words));
        overlay
            .mount(Path::new("merged"), OverlayApi::detect())
            .unwrap();
        let mounted = Mounted(stack.scratch.path().join("merged"));
        work(&mounted.0);
        stack.base.open_dir(upper).unwrap()
    };
    let lower_dirs = [stack.base.open_dir(&lower[0]).unwrap()];
    let options =
        |form| PackOptions::new().with_overlay(OverlayLayers::new(form, lower_dirs.to_vec()));
    let form = OverlayForm::Kernel(OverlayNamespace::Trusted);

    let upper = renamed("redirect_dir=on", &|root| {
        std::fs::rename(root.join("kept"), root.join("moved")).unwrap();
    });
    let error = overlay_changes(&upper, &lower_dirs, form, &Cancel::new()).unwrap_err();
    assert!(matches!(error, ChangesError::Redirected { path } if path == Path::new("moved")));
    let error = overlay_size(&upper, form, &Cancel::new()).unwrap_err();
    assert!(matches!(error, ChangesError::Redirected { path } if path == Path::new("moved")));
    let error = check_redirected(&upper, form, &Cancel::new()).unwrap_err();
    assert!(matches!(error, ChangesError::Redirected { path } if path == Path::new("moved")));
    let error = pack(&upper, &options(form), Vec::new()).unwrap_err();
    assert!(matches!(error, PackError::Reference { entry } if entry == Path::new("moved/")));
    // The same one layer further down: the list cannot tell what is there.
    let above = stack.base.ensure_dir("above", 0o755).unwrap();
    drop(above.ensure_dir("moved", 0o755).unwrap());
    let stacked = [upper, lower_dirs[0].clone()];
    let error = overlay_changes(&above, &stacked, form, &Cancel::new()).unwrap_err();
    assert!(matches!(error, ChangesError::Redirected { .. }));
    drop(stacked);

    let upper = renamed("metacopy=on,redirect_dir=on", &|root| {
        let root = Dir::open_ambient(root).unwrap();
        root.set_mode("file", 0o600).unwrap();
    });
    let listed = overlay_changes(&upper, &lower_dirs, form, &Cancel::new()).unwrap();
    assert_eq!(texts(&listed), ["C /file"]);
    let error = pack(&upper, &options(form), Vec::new()).unwrap_err();
    assert!(matches!(error, PackError::Reference { entry } if entry == Path::new("file")));

    // Moved and then written: the upper directory has the content, and a redirect remains.
    let upper = renamed("metacopy=on,redirect_dir=on", &|root| {
        let dir = Dir::open_ambient(root).unwrap();
        dir.set_mode("file", 0o600).unwrap();
        std::fs::rename(root.join("file"), root.join("moved")).unwrap();
        write(root.join("moved"), b"content");
    });
    let moved = upper.open_file("moved").unwrap();
    assert!(
        xattr::get(&moved, "trusted.overlay.redirect")
            .unwrap()
            .is_some()
    );
    let listed = overlay_changes(&upper, &lower_dirs, form, &Cancel::new()).unwrap();
    assert_eq!(texts(&listed), ["D /file", "A /moved"]);
    assert!(pack(&upper, &options(form), Vec::new()).is_ok());
}

/// The form without devices and without attributes of the kernel's namespaces.
#[test]
fn root_fuse_overlayfs_agrees() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_feature(Feature::Fuse) else {
        return;
    };
    let Some(()) = layerhold_testkit::require_peer("fuse-overlayfs") else {
        return;
    };
    let scratch = scratch();
    let path = |name: &str| scratch.path().join(name);
    for dir in [
        "bottom", "middle", "upper", "work", "with", "without", "empty",
    ] {
        std::fs::create_dir(path(dir)).unwrap();
    }
    make_below(&path("bottom"));
    for (name, content) in [
        ("middle/.wh.deleted", ""),
        ("middle/dir/.wh.file", ""),
        ("middle/renewed/.wh..wh..opq", ""),
        ("middle/renewed/middle", ""),
        ("upper/.wh.gone", ""),
        ("upper/.wh.nothing", ""),
        ("upper/deleted", "new"),
        ("upper/dir/.wh.sub", ""),
        ("upper/file", "longer than before"),
        ("upper/renewed/.wh..wh..opq", ""),
        ("upper/renewed/old", ""),
        ("upper/kept/.wh.deep", ""),
    ] {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        write(path(name), content.as_bytes());
    }
    let open = |name: &str| Dir::open_ambient(path(name)).unwrap();
    let opaque_dir = open("upper").ensure_dir("to-file", 0o755).unwrap();
    xattr::set(&opaque_dir, "user.fuseoverlayfs.opaque", b"y").unwrap();
    open("upper")
        .make_node("link", NodeKind::CharDevice, 0, 0)
        .unwrap();
    for name in [
        "bottom/kept",
        "upper/kept",
        "bottom/dir",
        "middle/dir",
        "upper/dir",
    ] {
        touch(&path(name), 1_000_000_000);
    }

    let mount = |target: &str, lower: &str| {
        let mut command = Command::new("fuse-overlayfs");
        command
            .current_dir(scratch.path())
            .arg("-o")
            .arg(format!("lowerdir={lower}"));
        run(command.arg(target)).assert_success();
        Mounted(path(target))
    };
    let with = mount("with", "upper:middle:bottom");
    let without = mount("without", "middle:bottom");
    let lower = vec![open("middle"), open("bottom")];
    let listed =
        overlay_changes(&open("upper"), &lower, OverlayForm::Fuse, &Cancel::new()).unwrap();
    assert_eq!(texts(&listed), texts(&compare_trees(&with.0, &without.0)));
    assert!(
        listed
            .iter()
            .any(|change| change.kind == ChangeKind::Delete)
    );

    let options = PackOptions::new().with_overlay(OverlayLayers::new(OverlayForm::Fuse, lower));
    let archive = pack(&open("upper"), &options, Vec::new()).unwrap();
    let place = UnpackDir::new();
    let below = pack(
        &Dir::open_ambient(&without.0).unwrap(),
        &PackOptions::default(),
        Vec::new(),
    );
    place.unpack(&below.unwrap()).unwrap();
    place.unpack(&archive).unwrap();
    seen(&place.root).assert_same(&seen(&with.0));
}

#[test]
fn root_whiteouts_that_are_files_with_an_attribute() {
    for namespace in NAMESPACES {
        let Some(mut stack) = Stack::new(namespace) else {
            return;
        };
        stack.layer(make_below);
        stack.layer(|_| {});
        let (upper, _) = stack.dirs();
        let prefix = match namespace {
            OverlayNamespace::Trusted => "trusted.overlay.",
            OverlayNamespace::User => "user.overlay.",
        };
        let dir = upper.ensure_dir("dir", 0o755).unwrap();
        xattr::set(&dir, format!("{prefix}opaque"), b"x").unwrap();
        let file = dir.create_file("file", 0o644).unwrap();
        xattr::set(&file, format!("{prefix}whiteout"), b"y").unwrap();
        drop(dir.create_file("empty", 0o644).unwrap());
        let listed = texts(&stack.changes().unwrap());
        assert_eq!(listed, ["C /dir", "A /dir/empty", "D /dir/file"]);
        let mounted = stack.mount("with", None, &stack.layers);
        if mounted.0.join("dir/file").exists() {
            let why = "the kernel knows no whiteouts that are files";
            let skipped: Option<()> = skip(why, SkipReason::Kernel);
            assert_eq!(skipped, None);
            return;
        }
        drop(mounted);
        stack.check();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(String, u8),
    MakeDir(String),
    Remove(String),
    Link(String),
    NewLayer,
}

fn any_step() -> impl Strategy<Value = Step> {
    let path = || "[ab]/[ab]/[ab]|[ab]/[ab]|[ab]";
    prop_oneof![
        3 => (path(), any::<u8>()).prop_map(|(path, n)| Step::Write(path, n)),
        3 => path().prop_map(Step::MakeDir),
        3 => path().prop_map(Step::Remove),
        1 => path().prop_map(Step::Link),
        1 => Just(Step::NewLayer),
    ]
}

fn take(step: &Step, root: &Path, counter: u64) {
    // Impossible steps are left out.
    let time = |path: &Path| touch(path, 1_000_000_000 + counter as i64);
    match step {
        Step::Write(path, n) => {
            let path = root.join(path);
            let is_file = path.symlink_metadata().is_ok_and(|m| m.is_file());
            if (is_file || path.symlink_metadata().is_err())
                && std::fs::write(&path, vec![*n; usize::from(*n)]).is_ok()
            {
                time(&path);
            }
        }
        Step::MakeDir(path) => layerhold_sys::best_effort(std::fs::create_dir(root.join(path))),
        Step::Remove(path) => {
            let path = root.join(path);
            layerhold_sys::best_effort(
                std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path)),
            );
        }
        Step::Link(path) => {
            let path = root.join(path);
            if std::os::unix::fs::symlink("a", &path).is_ok() {
                time(&path);
            }
        }
        Step::NewLayer => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn root_any_steps_in_any_layers(steps in prop::collection::vec(any_step(), 30..60)) {
        let Some(mut stack) = Stack::new(OverlayNamespace::Trusted) else { return Ok(()) };
        let mut counter = 0;
        for steps in steps.split(|step| matches!(step, Step::NewLayer)) {
            stack.layer(|root| for step in steps {
                counter += 1;
                take(step, root, counter);
            });
            stack.check();
        }
    }
}
