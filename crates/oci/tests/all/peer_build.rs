//! podman, buildah and skopeo use what we built, in a store that both have.

use std::fs;
use std::path::Path;
use std::process::Command;

use layerhold::{Store, StoreOptions};
use layerhold_oci::{ImageBuilder, LayerSource, Quiet, SaveOptions, TargetKind, load, save};
use layerhold_testkit::{
    Buildah, GoStore, Podman, Skopeo, TempDir, require_peer, require_root, scratch,
};
use serde_json::{Value, json};

/// The static program that images are made of.
const BUSYBOX: &str = "/bin/busybox";

struct Shared {
    dir: TempDir,
    store: Store,
    go: GoStore,
}

impl Shared {
    fn new(driver: &str, peers: &[&str]) -> Option<Self> {
        require_root()?;
        peers.iter().try_for_each(|peer| require_peer(peer))?;
        require_peer("busybox")?;
        let dir = scratch();
        let (root, run) = (dir.path().join("root"), dir.path().join("runroot"));
        let store = Store::open(StoreOptions::new(&root, &run).with_driver(driver)).unwrap();
        let go = GoStore::new(&root, &run, driver);
        Some(Shared { dir, store, go })
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn options(&self) -> layerhold_oci::LoadOptions {
        layerhold_oci::LoadOptions::new().scratch(self.dir.path())
    }
}

/// Runs an example of this crate on the store, which it finds as every program does.
fn example(shared: &Shared, name: &str, arguments: &[&str]) -> String {
    let conf = shared.path("storage.conf");
    let text = format!(
        "[storage]\ndriver = {:?}\ngraphroot = {:?}\nrunroot = {:?}\n",
        shared.go.driver(),
        shared.go.root(),
        shared.go.runroot()
    );
    fs::write(&conf, text).unwrap();
    let test = std::env::current_exe().unwrap();
    let examples = test.parent().unwrap().parent().unwrap().join("examples");
    let program = examples.join(name);
    assert!(
        program.exists(),
        "`cargo test` of the whole package builds the examples"
    );
    let ran = Command::new(program)
        .args(arguments)
        .env("CONTAINERS_STORAGE_CONF", &conf)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{errors}");
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

#[test]
fn root_peer_podman_has_what_the_examples_make() {
    let Some(shared) = Shared::new("overlay", &["podman"]) else {
        return;
    };
    let tree = shared.path("tree");
    fs::create_dir_all(format!("{tree}/bin")).unwrap();
    fs::copy(BUSYBOX, format!("{tree}/bin/busybox")).unwrap();
    let id = example(&shared, "build_image", &[&tree, "/bin/busybox", "app"]);
    let podman = Podman::beside(&shared.go);
    let images = || {
        podman.run([
            "images",
            "--no-trunc",
            "--format",
            "{{.Repository}} {{.ID}}",
        ])
    };
    assert_eq!(images().lines(), [format!("localhost/app sha256:{id}")]);
    let inspected = podman.run([
        "image",
        "inspect",
        "--format",
        "{{.Config.Entrypoint}}",
        "app",
    ]);
    assert_eq!(inspected.lines(), ["[/bin/busybox]"]);
    podman
        .run(["create", "--name", "box", "app"])
        .assert_success();
    let committed = example(&shared, "commit_container", &["box", "committed"]);
    let (id, layers) = committed.split_once(' ').unwrap();
    assert_eq!(layers, "with 2 layers");
    assert!(
        images()
            .lines()
            .contains(&format!("localhost/committed sha256:{id}"))
    );
}

fn app<'a>() -> ImageBuilder<'a> {
    ImageBuilder::new()
        .file(BUSYBOX, "/bin/busybox")
        .filled(|root: &Path| {
            fs::create_dir_all(root.join("bin"))?;
            fs::create_dir(root.join("etc"))?;
            fs::write(root.join("etc/greeting"), "hello\n")?;
            std::os::unix::fs::symlink("busybox", root.join("bin/sh"))
        })
        .entrypoint(["/bin/sh", "-c"])
        .command(["cat /etc/greeting"])
        .env("PATH", "/bin")
        .label("purpose", "test")
        .user("0:0")
        .working_directory("/etc")
        .port("80")
        .volume("/data")
        .comment("by hand")
        .name("app:1")
}

#[test]
fn root_peer_podman_lists_inspects_and_mounts_what_we_built() {
    for driver in ["overlay", "vfs"] {
        let Some(shared) = Shared::new(driver, &["podman"]) else {
            return;
        };
        let image = app().build(&shared.store).unwrap();
        let podman = Podman::beside(&shared.go);
        let images = podman.run([
            "images",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Repository}}:{{.Tag}} {{.Digest}}",
        ]);
        assert_eq!(
            images.lines(),
            [format!(
                "sha256:{} localhost/app:1 {}",
                image.id, image.digest
            )]
        );
        let inspected = podman.run(["image", "inspect", "localhost/app:1"]);
        let inspected: Value = serde_json::from_str(&inspected.lines().join("\n")).unwrap();
        let config = &inspected[0]["Config"];
        assert_eq!(config["Entrypoint"], json!(["/bin/sh", "-c"]));
        assert_eq!(config["Cmd"], json!(["cat /etc/greeting"]));
        assert_eq!(config["Env"], json!(["PATH=/bin"]));
        assert_eq!(config["Labels"], json!({"purpose": "test"}));
        assert_eq!(config["ExposedPorts"], json!({"80/tcp": {}}));
        assert_eq!(config["WorkingDir"], json!("/etc"));
        let diff_ids: Vec<String> = image.diff_ids.iter().map(ToString::to_string).collect();
        assert_eq!(inspected[0]["RootFS"]["Layers"], json!(diff_ids));
        let history = podman.run([
            "history",
            "--format",
            "{{.CreatedBy}} {{.Comment}}",
            "app:1",
        ]);
        assert_eq!(
            history.lines(),
            [
                "layerhold: files by hand",
                "layerhold: file /bin/busybox by hand"
            ]
        );
        let mounted = podman.run(["image", "mount", "app:1"]).lines().remove(0);
        assert_eq!(
            fs::read_to_string(format!("{mounted}/etc/greeting")).unwrap(),
            "hello\n"
        );
        podman.run(["image", "unmount", "app:1"]).assert_success();
        // podman takes the layers for its own: an image on top of it shares them.
        podman
            .run(["create", "--name", "box", "app:1"])
            .assert_success();
        podman
            .run(["commit", "-q", "box", "above"])
            .assert_success();
        let view = shared.store.snapshot().unwrap();
        let above = view.image("localhost/above:latest").unwrap();
        let chain = view.layer_chain(above.top_layer().unwrap()).unwrap();
        let ids: Vec<_> = chain.iter().map(|layer| layer.id().clone()).collect();
        assert!(
            image.layers.iter().all(|layer| ids.contains(layer)),
            "{ids:?}"
        );
        podman.run(["rm", "box"]).assert_success();
        podman.run(["rmi", "above", "app:1"]).assert_success();
        assert_eq!(shared.store.snapshot().unwrap().layers().count(), 0);
    }
}

#[test]
fn root_peer_buildah_runs_what_we_built() {
    let Some(shared) = Shared::new("vfs", &["buildah"]) else {
        return;
    };
    app().build(&shared.store).unwrap();
    let buildah = Buildah::beside(&shared.go);
    let container = buildah.run(["from", "localhost/app:1"]).lines().remove(0);
    let shell = |container: &str, script: &str| {
        let words = [
            "run",
            "--isolation",
            "chroot",
            container,
            "--",
            "/bin/sh",
            "-c",
        ];
        let ran = buildah.run(words.into_iter().chain([script]));
        ran.assert_success();
        ran.lines()
    };
    assert_eq!(shell(&container, "cat greeting"), ["hello"]);
    // Our image of buildah's container, with what was changed in it.
    shell(&container, "echo 2 > /new");
    let committed = ImageBuilder::from_container(container.as_str())
        .name("committed")
        .build(&shared.store)
        .unwrap();
    assert_eq!(committed.layers.len(), 3);
    let again = buildah
        .run(["from", "localhost/committed"])
        .lines()
        .remove(0);
    assert_eq!(shell(&again, "cat /new greeting"), ["2", "hello"]);
}

#[test]
fn root_peer_skopeo_copies_what_we_built_out_and_back() {
    let Some(shared) = Shared::new("overlay", &["skopeo", "podman"]) else {
        return;
    };
    let image = app().build(&shared.store).unwrap();
    let skopeo = Skopeo::beside(&shared.go);
    let layout = format!("oci:{}:app", shared.path("layout"));
    let copy = |from: &str, to: &str| skopeo.run(["copy", "-q", from, to]).assert_success();
    copy(&skopeo.reference("localhost/app:1"), &layout);
    copy(&layout, &skopeo.reference("localhost/back:1"));
    let view = shared.store.snapshot().unwrap();
    assert_eq!(view.image("localhost/back:1").unwrap().id(), &image.id);
    assert_eq!(view.layers().count(), 2, "the layers are the same");
    // What podman saves comes back to the same image, with the layers that are there.
    let podman = Podman::beside(&shared.go);
    for format in ["oci-archive", "docker-archive"] {
        let path = shared.path(format);
        let save = [
            "save",
            "-q",
            "--format",
            format,
            "-o",
            &path,
            "localhost/app:1",
        ];
        podman.run(save).assert_success();
        let loaded = load(&shared.store, path.as_ref(), &shared.options(), &Quiet).unwrap();
        assert_eq!(loaded[0].id, image.id, "{format}");
        assert_eq!((loaded[0].imported, loaded[0].reused), (0, 2), "{format}");
    }
    // And the same with what we save.
    let path = shared.path("ours");
    let options = SaveOptions::new(TargetKind::OciArchive).scratch(shared.dir.path());
    save(&shared.store, &["app:1"], path.as_ref(), &options, &Quiet).unwrap();
    podman.run(["load", "-q", "-i", &path]).assert_success();
    let view = shared.store.snapshot().unwrap();
    assert_eq!((view.images().count(), view.layers().count()), (1, 2));
}

#[test]
fn root_peer_podman_uses_an_image_of_its_own_image_and_a_squashed_one() {
    let Some(shared) = Shared::new("overlay", &["podman"]) else {
        return;
    };
    app().build(&shared.store).unwrap();
    let podman = Podman::beside(&shared.go);
    podman
        .run(["create", "--name", "box", "app:1"])
        .assert_success();
    podman
        .run(["commit", "-q", "--change", "ENV X=1", "box", "theirs"])
        .assert_success();
    let squashed = ImageBuilder::from_image("theirs")
        .layer(LayerSource::filled(|root| fs::write(root.join("top"), "top")).owner(0, 0))
        .label("flat", "yes")
        .squash()
        .name("flat")
        .build(&shared.store)
        .unwrap();
    let inspected = podman.run(["image", "inspect", "flat"]);
    let inspected: Value = serde_json::from_str(&inspected.lines().join("\n")).unwrap();
    // Those of our image, and what podman adds for a container.
    let variables = inspected[0]["Config"]["Env"].as_array().unwrap();
    assert!(variables.contains(&json!("PATH=/bin")) && variables.contains(&json!("X=1")));
    assert_eq!(
        inspected[0]["RootFS"]["Layers"].as_array().unwrap().len(),
        1
    );
    let mounted = podman.run(["image", "mount", "flat"]).lines().remove(0);
    assert_eq!(fs::read_to_string(format!("{mounted}/top")).unwrap(), "top");
    assert_eq!(
        fs::read_to_string(format!("{mounted}/etc/greeting")).unwrap(),
        "hello\n"
    );
    podman.run(["image", "unmount", "flat"]).assert_success();
    let images = podman.run(["images", "-a", "-q", "--no-trunc"]).lines();
    assert_eq!(images.len(), 3, "app, theirs, flat: {images:?}");
    assert!(images.contains(&format!("sha256:{}", squashed.id)));
}
