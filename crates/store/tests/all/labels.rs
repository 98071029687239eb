//! Tests SELinux labels of containers, on hosts that consist of a few files.

use std::collections::BTreeSet;

use layerhold::{ContainerSpec, LabelError, Labels, StageError, Store};
use layerhold_testkit::{TempDir, scratch};

use crate::support::{image, options, small_tar};

const LABELS: &str = "process = \"system_u:system_r:container_t:s0\"\nfile = \"system_u:object_r:container_file_t:s0\"\n";

/// A host with SELinux and this file of labels for containers.
fn system(file: &str, labels: &str) -> TempDir {
    let dir = scratch();
    let host = [
        ("sys/fs/selinux/enforce", "1"),
        (
            "proc/self/attr/current",
            "unconfined_u:unconfined_r:unconfined_t:s0\0",
        ),
        (
            "etc/selinux/config",
            "# SELINUXTYPE=minimum\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
        ),
        (file, labels),
    ];
    for (name, text) in host {
        let path = dir.path().join("host").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn usual() -> TempDir {
    system("etc/selinux/targeted/contexts/lxc_contexts", LABELS)
}

fn open(system: &TempDir) -> Store {
    let host = system.path().join("host");
    Store::open(options(system.path()).with_host_root(host)).unwrap()
}

/// Creates a container and returns the labels of its processes, its mounts and its layer.
fn made(store: &Store, spec: ContainerSpec) -> [String; 3] {
    let mut tx = store.begin().unwrap();
    let made = tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    recorded(store, made.id().as_str())
}

fn recorded(store: &Store, container: &str) -> [String; 3] {
    let view = store.snapshot().unwrap();
    let container = view.container(container).unwrap();
    let layer = view.layer(container.layer().as_str()).unwrap();
    [
        container.process_label(),
        container.mount_label(),
        layer.mount_label(),
    ]
    .map(str::to_owned)
}

/// The level of a container, which its three labels have in common.
fn level([process, mount, of_layer]: &[String; 3]) -> String {
    let level = process
        .strip_prefix("system_u:system_r:container_t:")
        .unwrap();
    let file = format!("system_u:object_r:container_file_t:{level}");
    assert_eq!([mount, of_layer], [&file, &file]);
    level.to_owned()
}

#[test]
fn each_container_has_a_level_of_its_own() {
    let system = usual();
    let store = open(&system);
    let (image, top) = image(&store, "image", &small_tar());
    let levels: BTreeSet<String> = (0..20)
        .map(|_| level(&made(&store, ContainerSpec::new().image(image.clone()))))
        .collect();
    assert_eq!(levels.len(), 20);
    assert!(
        levels.iter().all(|level| level.starts_with("s0:c")),
        "{levels:?}"
    );
    // Layers of images have none.
    assert_eq!(
        store
            .snapshot()
            .unwrap()
            .layer(top.as_str())
            .unwrap()
            .mount_label(),
        ""
    );
    let text = std::fs::read_to_string(system.path().join("root/vfs-containers/containers.json"));
    assert!(
        text.unwrap()
            .contains(r#""flags":{"MountLabel":"system_u:object_r:container_file_t:s0:c"#)
    );
}

#[test]
fn what_is_asked_for_is_taken() {
    let system = usual();
    let store = open(&system);
    let spec = ContainerSpec::new()
        .label_option("type:spc_t")
        .label_option("level:s0:c5,c6")
        .label_option("filetype:my_file_t");
    let file = "system_u:object_r:my_file_t:s0:c5,c6";
    assert_eq!(
        made(&store, spec),
        ["system_u:system_r:spc_t:s0:c5,c6", file, file]
    );
    let file = "system_u:object_r:container_file_t:s0:c1022,c1023";
    let spec = ContainerSpec::new().label_option("disable");
    assert_eq!(made(&store, spec), ["", file, file]);
    // Explicit labels come first.
    let labels = Labels {
        process: "p".to_owned(),
        mount: "m".to_owned(),
    };
    let spec = ContainerSpec::new().label_option("nonsense");
    assert_eq!(made(&store, spec.clone().labels(labels)), ["p", "m", "m"]);
    assert_eq!(
        made(
            &store,
            spec.clone()
                .flag("ProcessLabel", "p")
                .flag("MountLabel", "m")
        ),
        ["p", "m", "m"]
    );
    assert_eq!(
        made(&store, spec.clone().labels(Labels::default())),
        ["", "", ""]
    );
    let error = store.begin().unwrap().create_container(spec).unwrap_err();
    assert!(
        matches!(error, StageError::LabelOptions(LabelError::Option { .. })),
        "{error:?}"
    );
}

#[test]
fn without_selinux_there_are_no_labels() {
    let off: [fn(&std::path::Path); 5] = [
        |host| std::fs::remove_dir_all(host.join("sys")).unwrap(),
        |host| std::fs::write(host.join("proc/self/attr/current"), "kernel\0").unwrap(),
        |host| std::fs::remove_file(host.join("etc/selinux/config")).unwrap(),
        |host| std::fs::remove_dir_all(host.join("etc/selinux/targeted")).unwrap(),
        |host| {
            let file = host.join("etc/selinux/targeted/contexts/lxc_contexts");
            std::fs::write(file, "file = \"u:r:t\"\n").unwrap();
        },
    ];
    for turn_off in off {
        let system = usual();
        turn_off(&system.path().join("host"));
        let spec = ContainerSpec::new().label_option("nonsense");
        assert_eq!(made(&open(&system), spec), ["", "", ""]);
    }
}

#[test]
fn the_container_tools_may_have_labels_of_their_own() {
    let system = system(
        "usr/share/containers/selinux/contexts",
        "process=u:r:t\nfile=u:r:f\n",
    );
    let store = open(&system);
    // They have no level, so containers are not separated.
    assert_eq!(
        made(&store, ContainerSpec::new()),
        ["u:r:t", "u:r:f", "u:r:f"]
    );
    let file = system
        .path()
        .join("host/usr/share/containers/selinux/contexts");
    std::fs::write(&file, "process=u:r\nfile=u:r:f\n").unwrap();
    let error = store
        .begin()
        .unwrap()
        .create_container(ContainerSpec::new())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot use \"u:r\" in {} as a label", file.display())
    );
}
