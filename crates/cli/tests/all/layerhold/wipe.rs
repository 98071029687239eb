//! `wipe`, and what `gc` would remove.

use std::fs;

use layerhold_testkit::{Podman, Tree, require_peer};
use serde_json::json;

use crate::support::Place;

/// A store with an image of two layers and a container.
fn filled() -> Place {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    place.text(["create", "app:1", "--name", "box"]);
    place
}

#[test]
fn root_wiping_asks_or_needs_force() {
    let place = filled();
    let ran = place.run(["wipe"]);
    let root = place.path("root");
    let expected = format!(
        "layerhold: cannot ask whether to remove 1 container, 1 image and 3 layers from {}, \
         because standard input is not a terminal: --force removes them without asking\n",
        root.display()
    );
    assert_eq!(String::from_utf8_lossy(&ran.stderr), expected);
    assert_eq!((ran.code, &ran.stdout[..]), (Some(1), &b""[..]));
    assert_eq!(place.json(["layers"]).as_array().unwrap().len(), 3);
}

#[test]
fn root_wiping_says_what_it_removed() {
    let place = filled();
    place.text(["mount", "box"]);
    let id = |list: &str, at: usize| place.json([list])[at]["id"].as_str().unwrap().to_owned();
    let expected = format!(
        "container {}\nimage {}\nlayer {}\nlayer {}\nlayer {}\n",
        id("containers", 0),
        id("images", 0),
        id("layers", 0),
        id("layers", 1),
        id("layers", 2),
    );
    assert_eq!(place.text(["wipe", "--force"]), expected);
    for list in ["containers", "images", "layers", "mount"] {
        assert_eq!(place.json([list]), json!([]), "{list}");
    }
    assert_eq!(
        place.json(["wipe", "-f"]),
        json!({ "containers": [], "images": [], "layers": [] })
    );
}

#[test]
fn root_damaged_records_are_wiped_and_named() {
    let place = filled();
    let image = place.json(["images"])[0]["id"].as_str().unwrap().to_owned();
    let records = place.path("root/vfs-images/images.json");
    let text = fs::read_to_string(&records).unwrap();
    let layer = text.split("\"layer\":").nth(1).unwrap()[..66].to_owned();
    fs::write(&records, text.replace(&layer, "7")).unwrap();
    let ran = place.run(["wipe", "--force"]);
    assert!(
        ran.text().contains(&format!("image {image}\n")),
        "{}",
        ran.text()
    );
    assert_eq!(fs::read_to_string(&records).unwrap(), "[]");
}

#[test]
fn root_peer_script_a_wipe_takes_yes_for_an_answer() {
    let Some(()) = require_peer("script") else {
        return;
    };
    let place = filled();
    for answer in ["no", "", "y"] {
        let ran = place.at_a_terminal("wipe", &format!("echo {answer}"));
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(
            text.contains("Remove 1 container, 1 image and 3 layers from "),
            "{text}"
        );
        assert!(text.contains("layerhold: nothing was removed"), "{text}");
        assert_eq!(ran.code, Some(1), "{text}");
    }
    place.text(["mount", "box"]);
    let ran = place.at_a_terminal("wipe", "echo yes");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        text.contains(" (1 layer mounted)? Answer `yes` to do so: "),
        "{text}"
    );
    assert!(text.contains(" container "), "{text}");
    assert_eq!(ran.code, Some(0), "{text}");
    assert_eq!(place.json(["layers"]), json!([]));
}

#[test]
fn root_peer_podman_goes_on_with_a_wiped_store() {
    let Some(()) = require_peer("podman") else {
        return;
    };
    let place = filled();
    let podman = Podman::beside(&place.go());
    place.text(["wipe", "--force"]);
    assert_eq!(podman.run(["images", "-aq"]).text(), "");
    let tar = place.path("t.tar");
    fs::write(&tar, crate::support::base_tar()).unwrap();
    podman
        .run(["import".as_ref(), tar.as_os_str(), "new:1".as_ref()])
        .assert_success();
    assert_eq!(
        place.json(["images"])[0]["names"],
        json!(["localhost/new:1"])
    );
}

#[test]
fn root_a_dry_collection_lists_and_changes_nothing() {
    let place = filled();
    let stray = "0".repeat(64);
    fs::create_dir(place.path("root/vfs/dir").join(&stray)).unwrap();
    fs::create_dir(place.path("root/vfs-images").join(&stray)).unwrap();
    let cut_off = place.path("root/vfs-images/.tmp-images.json123");
    fs::write(&cut_off, "[").unwrap();
    let area = place.path("root/vfs/tempdirs");
    fs::create_dir_all(area.join("temp-dir-7/0-x")).unwrap();
    fs::write(area.join("lock-7"), "").unwrap();
    let quarantine = place.path("root/vfs/tempdirs/layerhold-quarantine");
    fs::create_dir_all(&quarantine).unwrap();
    place.text(["gc", "--dry-run"]);
    let before = Tree::of(&place.path("root"));
    let would = place.text(["gc", "--dry-run", "--quarantine"]);
    let would_json = place.json(["gc", "--dry-run", "--quarantine"]);
    assert_eq!(Tree::of(&place.path("root")).differences(&before), [""; 0]);
    assert_eq!(would.lines().count(), 5, "{would}");
    assert!(
        would.lines().all(|line| line.starts_with("would remove ")),
        "{would}"
    );
    assert!(
        would.contains("would remove the contents of layer 000000000000\n"),
        "{would}"
    );
    assert_eq!(would_json["imageDirs"], json!([stray]));
    assert_eq!(place.json(["gc", "--quarantine"]), would_json);
    assert_eq!(place.text(["gc", "--dry-run"]), "");
}
