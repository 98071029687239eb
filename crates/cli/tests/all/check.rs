//! `check` of both command lines, and `repair`.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Place, base_tar};

/// An image `i` of the layer `a`, and a container `c` of it with the layer `w`, in a clean store.
pub(crate) fn furnished() -> Place {
    let place = Place::new();
    let tar = place.path("base.tar");
    fs::write(&tar, base_tar()).unwrap();
    let tar = tar.to_str().unwrap();
    for words in [
        &["import-layer", "-i", "a", "-f", tar][..],
        &["create-image", "-i", "i", "a"],
        &["create-container", "-i", "c", "i"],
    ] {
        place.containers_storage(words).assert_success();
    }
    place
}

fn file(place: &Place) -> std::path::PathBuf {
    place.path("root/vfs/dir/a/dir/b")
}

/// Other bytes in a file, with nothing else changed.
fn forge(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, "y".repeat(5000)).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

fn layer_of_container(place: &Place) -> String {
    let shown = place.containers_storage(["container", "c"]).text();
    let line = shown
        .lines()
        .find(|line| line.starts_with("Layer: "))
        .unwrap();
    line.trim_start_matches("Layer: ").to_owned()
}

#[test]
fn root_the_drop_in_check_prints_as_go_does() {
    let place = furnished();
    let clean = place.containers_storage(["check"]);
    clean.assert_success();
    assert_eq!(clean.text(), "");
    let clean = place.containers_storage(["check", "-j", "-q"]).text();
    assert_eq!(
        clean,
        "{\"Layers\":{},\"ROLayers\":{},\"Images\":{},\"ROImages\":{},\"Containers\":{}}\n"
    );
    forge(&file(&place));
    fs::write(place.path("root/vfs/dir/a/extra"), "").unwrap();
    let damaged = place.containers_storage(["check"]);
    assert_eq!(damaged.code, Some(1));
    let sum = "layer a: file integrity checksum failed: /dir/b has other content";
    let extra = "layer a: +/extra, layer content modified";
    let expected = format!(
        "layer a:\n {sum}\n {extra}\nimage i:\n {sum}\n {extra}\ncontainer c:\n {sum}\n {extra}\n"
    );
    assert_eq!(String::from_utf8_lossy(&damaged.stdout), expected);
    assert_eq!(
        String::from_utf8_lossy(&damaged.stderr),
        "1 layer errors, 0 read-only layer errors, 1 image errors, 0 read-only image errors, 1 container errors\n"
    );
    // Errors have texts in JSON, where Go has `{}`. Without contents, what is too much is not
    // found.
    let told = place.containers_storage(["check", "-j", "-q"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["Layers"], json!({ "a": [sum] }));
    assert_eq!(told["Containers"], json!({ "c": [sum] }));
    // A container keeps its image.
    let kept = place.containers_storage(["check", "-r"]);
    assert_eq!(kept.code, Some(1));
    let stderr = String::from_utf8_lossy(&kept.stderr).into_owned();
    assert!(
        stderr.contains(
            "deleting image i: image used by container c: image is in use by a container"
        ),
        "{stderr}"
    );
    let told = stderr.lines().next().unwrap();
    assert!(
        told.starts_with("container c keeps from being removed: container c, image i, layer a; check --force removes that, with all that the container wrote (")
            && told.ends_with(" bytes)"),
        "{stderr}"
    );
    place.containers_storage(["check", "-f"]).assert_success();
    assert_eq!(place.containers_storage(["layers", "-q"]).text(), "");
    assert_eq!(place.containers_storage(["check"]).text(), "");
}

#[test]
fn root_the_drop_in_check_leaves_mounts_alone() {
    let place = furnished();
    place.containers_storage(["mount", "c"]).assert_success();
    place.containers_storage(["check"]).assert_success();
    assert!(
        place
            .containers_storage(["mounted", "c"])
            .text()
            .starts_with("c mounted")
    );
}

#[test]
fn root_the_age_of_forgotten_layers_is_read_as_go_does() {
    let place = Place::new();
    place
        .containers_storage(["create-layer", "-i", "x"])
        .assert_success();
    place.containers_storage(["check"]).assert_success();
    place
        .containers_storage(["check", "-m", "1h30m"])
        .assert_success();
    let wrong = place.containers_storage(["check", "-m", "soon"]);
    assert_eq!(wrong.code, Some(1));
    assert_eq!(
        String::from_utf8_lossy(&wrong.stderr),
        "time: invalid duration \"soon\"\n"
    );
    let found = place.containers_storage(["check", "-m", "0"]);
    assert_eq!(
        String::from_utf8_lossy(&found.stdout),
        "layer x:\n layer x: layer not referenced by any images or containers\n"
    );
    place
        .containers_storage(["check", "-r", "-m", "0"])
        .assert_success();
    assert_eq!(place.containers_storage(["layers", "-q"]).text(), "");
}

#[test]
fn root_people_see_what_is_wrong_before_it_is_repaired() {
    let place = furnished();
    let clean = place.run(["check"]);
    clean.assert_success();
    assert_eq!(
        String::from_utf8_lossy(&clean.stderr),
        "Nothing is damaged.\n"
    );
    fs::create_dir_all(place.path("root/vfs/dir/stray")).unwrap();
    fs::write(place.path("root/vfs/dir/stray/file"), "12345").unwrap();
    let found = place.run(["check"]);
    assert_eq!(found.code, Some(1));
    let wrong =
        "layer stray\n  the driver holds a layer that has no record [can only be removed]\n";
    let printed = format!("{wrong}A repair would free 5 B, or 5 B with damaged containers.\n");
    assert_eq!(String::from_utf8_lossy(&found.stdout), printed);
    let dry = place.text(["repair", "--dry-run"]);
    assert_eq!(
        dry,
        format!("{wrong}would remove contents of layer stray\nWould free 5 B.\n")
    );
    assert!(place.path("root/vfs/dir/stray").exists());
    let told = place.run(["--format", "json", "check"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(
        told["findings"][0]["subject"],
        json!({ "kind": "layer", "id": "stray", "readOnly": false })
    );
    assert_eq!(told["removals"][0]["bytes"], json!(5));
    let repaired = place.text(["repair"]);
    assert_eq!(
        repaired,
        format!("{wrong}removed contents of layer stray\nFreed 5 B.\n")
    );
    assert!(!place.path("root/vfs/dir/stray").exists());
    place.run(["check"]).assert_success();
}

#[test]
fn root_images_that_a_repair_removes_are_named() {
    let place = furnished();
    place
        .containers_storage(["delete-container", "c"])
        .assert_success();
    place
        .containers_storage(["set-names", "-n", "example.com/app:1", "i"])
        .assert_success();
    forge(&file(&place));
    let repaired = place.run(["repair"]);
    let printed = repaired.text();
    for part in [
        "image i (example.com/app:1)\n  its layer a is damaged [can only be removed]\n",
        "removed image i (example.com/app:1)\n",
        "removed layer a; its contents are in ",
        "example.com/app:1 was removed: pull or load it again\n",
    ] {
        assert!(printed.contains(part), "{part} is not in {printed}");
    }
}

#[test]
fn root_people_are_told_what_containers_hold() {
    let place = furnished();
    forge(&file(&place));
    let own = layer_of_container(&place);
    let kept = place.run(["repair"]);
    assert_eq!(kept.code, Some(1));
    let printed = String::from_utf8_lossy(&kept.stdout).into_owned();
    for part in [
        "layer a\n  /dir/b: has other content [can only be removed]\n",
        &format!("layer {own}\n  its parent a is damaged [can only be removed]\n"),
        "image i\n  its layer a is damaged [can only be removed]\n",
        "container c stays: container c needs it; --containers removes the container, with all that it wrote\n",
        "image i stays: container c needs it; --containers removes the container, with all that it wrote\n",
    ] {
        assert!(printed.contains(part), "{part} is not in {printed}");
    }
    let told = place.json(["repair", "--containers", "--depth", "digests"]);
    assert_eq!(
        told["repair"]["done"],
        json!([
            "remove container c",
            "remove image i",
            "move layer a to the quarantine"
        ])
    );
    // What was damaged can be looked at until it is erased.
    assert_eq!(told["removals"][2]["setAside"], json!(true));
    let place_of_a = told["repair"]["setAside"][0]["place"].as_str().unwrap();
    let kept = Path::new(place_of_a);
    assert_eq!(
        fs::read_to_string(kept.join("dir/b")).unwrap(),
        "y".repeat(5000)
    );
    assert!(place_of_a.ends_with("root/vfs/tempdirs/layerhold-quarantine/a"));
    place.run(["gc"]).assert_success();
    assert!(kept.exists());
    let erased = place.text(["gc", "--quarantine"]);
    assert_eq!(erased.lines().count(), 2, "{erased}");
    assert!(!kept.exists());
    place.run(["check"]).assert_success();
}

#[test]
fn root_what_belongs_to_no_item_has_a_list_of_its_own() {
    let place = furnished();
    let stray = place.path("root/vfs-layers/gone.tar-split.gz");
    fs::write(&stray, "").unwrap();
    let found = place.containers_storage(["check"]);
    let text = format!(
        "{} belongs to layer gone, which has no record",
        stray.display()
    );
    assert_eq!(
        String::from_utf8_lossy(&found.stdout),
        format!("store:\n {text}\n")
    );
    assert_eq!(
        String::from_utf8_lossy(&found.stderr),
        "0 layer errors, 0 read-only layer errors, 0 image errors, 0 read-only image errors, 0 container errors, 1 store errors\n"
    );
    let found = place.containers_storage(["check", "-j"]);
    let told: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(told["Store"], json!([text]));
    // Its layer may be in an image store that was not named.
    assert_eq!(place.containers_storage(["check", "-r"]).code, Some(1));
    assert!(stray.exists());
}

#[test]
fn root_lost_records_are_made_anew_and_what_is_missing_is_said() {
    let place = furnished();
    let own = layer_of_container(&place);
    fs::write(place.path("root/vfs-layers/layers.json"), "").unwrap();
    let dry = place.text(["repair", "--dry-run"]);
    assert!(
        dry.contains("would rebuild layer a: its record is lost, and with it "),
        "{dry}"
    );
    let found = place.containers_storage(["check"]);
    assert_eq!(found.code, Some(1));
    let printed = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(
        printed.contains("layer a: its record is lost, and with it "),
        "{printed}"
    );
    assert!(printed.contains("names, metadata, flags"), "{printed}");
    place.containers_storage(["check", "-r"]).assert_success();
    place.containers_storage(["check"]).assert_success();
    assert_eq!(layer_of_container(&place), own);
    place
        .containers_storage(["diff", "-u", "-f", "/dev/null", "a"])
        .assert_success();
    place.containers_storage(["mount", "c"]).assert_success();
}
