//! Tests mounts in several mount namespaces: mounts that podman makes for an ordinary user are
//! visible only in the namespace of its containers.

use std::path::Path;

use layerhold::check::CheckOptions;

use layerhold::repair::RepairOptions;

use layerhold::{
    Conflict, ContainerSpec, DiffError, MountRequest, Shutdown, StillMounted, Store, StoreOptions,
    TreeFacts, TreeSpec, Unmounting,
};
use layerhold_sys::best_effort;
use layerhold_testkit::{
    Child, ChildSpec, Feature, TempDir, child_role, require_feature, require_peer, require_root,
    require_user_namespace, scratch,
};

use crate::support::{id, image, small_tar, unmount_outside};

/// A process in a namespace, which runs commands on the container of the store.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    assert_eq!(role.name(), "obey");
    let store = open(Path::new(role.argument(0)));
    role.say("ready");
    loop {
        match role.listen().as_str() {
            "" => return,
            command => role.say(&obey(&store, command)),
        }
    }
}

/// The answer of a clean check.
const CLEAN: &str = "found []";

fn obey(store: &Store, command: &str) -> String {
    let at = || store.mounts().unwrap()[0].path.clone();
    match command {
        "make" => {
            let (image, _) = image(store, "image", &small_tar());
            let mut tx = store.begin().unwrap();
            let spec = ContainerSpec::new().id(id("box")).image(image);
            tx.create_container(spec).unwrap();
            tx.commit().unwrap();
        }
        "mount" => {
            let path = store.mount("box", &MountRequest::new()).unwrap();
            assert!(path.join("etc/hostname").exists());
        }
        "write" => std::fs::write(at().join("kept"), "").unwrap(),
        "read" => assert!(at().join("kept").exists()),
        "unmount outside" => unmount_outside(&at()),
        "unmount" => {
            let still = store.unmount("box", Unmounting::Once).unwrap();
            return format!("{}", still == StillMounted::Yes);
        }
        "check" => {
            let report = store.check(&CheckOptions::new()).unwrap();
            let told = report.findings.iter().map(|it| it.damage.to_string());
            return format!("found {:?}", told.collect::<Vec<_>>());
        }
        "repair" => {
            let report = store.check(&CheckOptions::new()).unwrap();
            drop(store.repair(&report, &RepairOptions::new()));
        }
        "replace" => {
            let view = store.snapshot().unwrap();
            let layer = view.container("box").unwrap().layer().to_string();
            let layer = view.layer(&layer).unwrap();
            let tree = store.stage_tree(TreeSpec::for_layer(&layer)).unwrap();
            let tree = tree.filled(TreeFacts::new());
            let error = store.replace_tree(layer.id().as_str(), tree).unwrap_err();
            let is_mounted = matches!(error, DiffError::Conflict(Conflict::LayerMounted { .. }));
            assert!(is_mounted, "{error:?}");
        }
        other => panic!("unknown command {other}"),
    }
    let count = store.mounted("box").unwrap();
    count.to_string()
}

/// A process in each of two mount namespaces, and a store that both use.
struct Two {
    first: Child,
    second: Child,
    _place: Shared,
}

/// The directory of the store. Dropping it unmounts everything.
struct Shared(TempDir);

impl Drop for Shared {
    fn drop(&mut self) {
        best_effort(open(self.0.path()).shutdown(Shutdown::Force));
    }
}

fn open(place: &Path) -> Store {
    let options = StoreOptions::new(place.join("root"), place.join("runroot"));
    Store::open(options.with_driver("overlay")).unwrap()
}

impl Two {
    /// The second namespace exists before anything is mounted in the first.
    fn start(place: TempDir, first: &[String], second: &[String]) -> Self {
        let start = |wrapper: &[String]| {
            let child = ChildSpec::new("mount_namespaces::child_entry", "obey");
            let child = child.argument(place.path().display());
            let mut child = match wrapper {
                [] => child.spawn(),
                words => child.through(words).spawn(),
            };
            child.expect("ready");
            child
        };
        Self {
            first: start(first),
            second: start(second),
            _place: Shared(place),
        }
    }

    #[track_caller]
    fn first(&mut self, command: &str, answer: &str) {
        self.first.tell(command);
        self.first.expect(answer);
    }

    #[track_caller]
    fn second(&mut self, command: &str, answer: &str) {
        self.second.tell(command);
        self.second.expect(answer);
    }

    /// The second process does not affect the mount of the first.
    fn leave_each_other_alone(mut self) {
        self.first("make", "0");
        self.first("mount", "1");
        self.first("write", "1");
        self.second("check", CLEAN);
        self.second("repair", "1");
        self.second("replace", "1");
        self.second("mount", "2");
        self.second("unmount", "true");
        self.first("read", "1");
        // The mount of the second still exists, and serves all its further mounts.
        self.second("mount", "2");
        self.second("mount", "3");
        self.second("unmount", "true");
        self.first("mount", "3");
        self.first("unmount", "true");
        self.second("unmount", "true");
        self.first("read", "1");
        self.first("unmount", "false");
        self.second("check", CLEAN);
        assert!(self.first.wait().success());
        assert!(self.second.wait().success());
    }

    /// A mount that no namespace has is not counted for ever.
    fn learn_that_it_is_gone(mut self) {
        self.first("make", "0");
        self.first("mount", "1");
        self.second("mount", "2");
        self.first("unmount outside", "2");
        self.first.tell("check");
        let told = self.first.hear().unwrap();
        assert!(told.contains("it is counted as mounted 2 times"), "{told}");
        self.second("mount", "1");
        self.first("check", CLEAN);
        self.first("mount", "2");
        self.first("unmount outside", "2");
        self.second("repair", "0");
        self.second("check", CLEAN);
        assert!(self.first.wait().success());
        assert!(self.second.wait().success());
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn require_overlay_and_unshare() -> Option<()> {
    require_root()?;
    require_peer("unshare")?;
    require_feature(Feature::Overlay)
}

#[test]
fn root_mounts_in_another_namespace_are_believed() {
    let Some(()) = require_overlay_and_unshare() else {
        return;
    };
    let other = words(&["unshare", "--mount"]);
    Two::start(scratch(), &[], &other).leave_each_other_alone();
    // A process that cannot see the processes of the first.
    let other = words(&["unshare", "--mount", "--pid", "--fork", "--mount-proc"]);
    Two::start(scratch(), &[], &other).leave_each_other_alone();
}

#[test]
fn root_mounts_in_another_user_namespace_are_believed() {
    let (Some(first), Some(second)) = (require_user_namespace(), require_user_namespace()) else {
        return;
    };
    let place = scratch();
    first.give(place.path());
    Two::start(place, &first.wrapper(), &second.wrapper()).leave_each_other_alone();
}

#[test]
fn root_mounts_that_no_namespace_has_are_gone() {
    let Some(()) = require_overlay_and_unshare() else {
        return;
    };
    let Some(()) = require_feature(Feature::AllMounts) else {
        return;
    };
    let other = words(&["unshare", "--mount"]);
    Two::start(scratch(), &[], &other).learn_that_it_is_gone();
    let (Some(first), Some(second)) = (require_user_namespace(), require_user_namespace()) else {
        return;
    };
    let place = scratch();
    first.give(place.path());
    Two::start(place, &first.wrapper(), &second.wrapper()).learn_that_it_is_gone();
}
