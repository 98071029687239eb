//! `layerhold` on layers and containers: every command, as a table and as JSON.

use serde_json::json;

use crate::support::{Place, base_tar, upper_tar};

/// A store with an image called `localhost/app:1`.
fn loaded() -> (Place, String) {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    let loaded = place.json(["load".as_ref(), archive.as_os_str()]);
    let id = loaded[0]["id"].as_str().unwrap().to_owned();
    (place, id)
}

/// The words of each line.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[test]
fn root_images_are_listed() {
    let (place, id) = loaded();
    let text = place.text(["images"]);
    let rows = rows(&text);
    assert_eq!(rows[0], ["NAME", "ID", "CREATED", "SIZE"]);
    assert_eq!(rows[1][..2], ["localhost/app:1", &id[..12]]);
    assert_eq!(rows[1][3..5], ["years", "ago"]);
    assert!(place.text(["images", "--no-trunc"]).contains(&id));
    let images = place.json(["images"]);
    assert_eq!(images[0]["id"], json!(id));
    assert_eq!(images[0]["names"], json!(["localhost/app:1"]));
    assert_eq!(images[0]["created"], json!("2024-01-02T03:04:05Z"));
    let fields: Vec<&String> = images[0].as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["id", "names", "digests", "topLayer", "created", "size"]
    );
}

#[test]
fn root_an_empty_store_has_headings_and_empty_lists() {
    let place = Place::new();
    assert_eq!(place.text(["images"]), "NAME  ID  CREATED  SIZE\n");
    assert_eq!(
        place.text(["layers"]),
        "ID  PARENT  CREATED  SIZE  MOUNTED  NAMES\n"
    );
    assert_eq!(
        place.text(["containers"]),
        "ID  IMAGE  LAYER  CREATED  NAMES\n"
    );
    assert_eq!(place.text(["mount"]), "LAYER  COUNT  PATH\n");
    assert_eq!(place.text(["tree"]), "");
    for command in ["images", "layers", "containers", "mount", "tree"] {
        assert_eq!(place.json([command]), json!([]), "{command}");
    }
}

#[test]
fn root_layers_are_listed() {
    let (place, _) = loaded();
    let text = place.text(["layers"]);
    let rows = rows(&text);
    assert_eq!(
        rows[0],
        ["ID", "PARENT", "CREATED", "SIZE", "MOUNTED", "NAMES"]
    );
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2][1], rows[1][0]);
    let layers = place.json(["layers"]);
    assert_eq!(
        layers[0]["diffDigest"],
        json!(crate::support::digest(&base_tar()))
    );
    assert_eq!(layers[1]["diffSize"], json!(upper_tar().len()));
    assert_eq!(layers[1]["parent"], layers[0]["id"]);
    assert_eq!(layers[1]["mounted"], json!(0));
    let fields: Vec<&String> = layers[0].as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "id",
            "names",
            "parent",
            "created",
            "diffDigest",
            "diffSize",
            "compressedDigest",
            "compressedSize",
            "mounted"
        ]
    );
}

#[test]
fn root_containers_are_made_listed_mounted_compared_and_removed() {
    let (place, id) = loaded();
    let container = place.text(["create", "app:1", "--name", "box"]);
    let container = container.trim_end();
    assert_eq!(container.len(), 64);
    let text = place.text(["containers"]);
    let listed = rows(&text);
    assert_eq!(listed[0], ["ID", "IMAGE", "LAYER", "CREATED", "NAMES"]);
    assert_eq!(listed[1][..2], [&container[..12], "localhost/app:1"]);
    assert_eq!(listed[1].last(), Some(&"box"));
    let json = place.json(["containers"]);
    assert_eq!(json[0]["id"], json!(container));
    assert_eq!(json[0]["image"], json!(id));
    assert_eq!(json[0]["imageName"], json!("localhost/app:1"));
    let layer = json[0]["layer"].as_str().unwrap().to_owned();

    let path = place.text(["mount", "box"]);
    let path = std::path::Path::new(path.trim_end());
    std::fs::write(path.join("new"), "x").unwrap();
    std::fs::write(path.join("c"), "changed").unwrap();
    std::fs::remove_file(path.join("link")).unwrap();
    assert_eq!(place.text(["diff", "box"]), "C /c\nD /link\nA /new\n");
    assert_eq!(
        place.json(["diff", "box"]),
        json!([
            { "path": "/c", "kind": "modify" },
            { "path": "/link", "kind": "delete" },
            { "path": "/new", "kind": "add" },
        ])
    );
    let mounts = place.json(["mount"]);
    assert_eq!(
        mounts,
        json!([{ "layer": layer, "path": path, "count": 1 }])
    );
    let text = place.text(["mount"]);
    assert_eq!(rows(&text)[1], [&layer[..12], "1", path.to_str().unwrap()]);

    let ran = place.run(["rm", "box"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        String::from_utf8_lossy(&ran.stderr),
        "layerhold: box: cannot remove it while it is mounted: unmount it first, or use --force\n"
    );
    assert_eq!(place.text(["unmount", "box"]), "");
    assert_eq!(
        place.text(["rm", "box"]),
        format!("container {container}\n")
    );
    assert_eq!(place.json(["containers"]), json!([]));
}

#[test]
fn root_the_tree_shows_what_stands_on_what() {
    let (place, id) = loaded();
    let made = place.json(["create", "app:1", "--name", "box"]);
    let layers = place.json(["layers"]);
    let short = |value: &serde_json::Value| value.as_str().unwrap()[..12].to_owned();
    let expected = format!(
        "└─{}  {}\n  └─{}  {}\n    image {} localhost/app:1\n    └─{}\n      container {} box\n",
        short(&layers[0]["id"]),
        "8.70 kB",
        short(&layers[1]["id"]),
        "2.56 kB",
        &id[..12],
        short(&made["layer"]),
        short(&made["id"]),
    );
    let text = place.text(["tree"]);
    let sizes_aside = |text: &str| {
        let words = text
            .lines()
            .map(|line| line.split("  ").next().unwrap_or_default().to_owned());
        words.collect::<Vec<_>>()
    };
    assert_eq!(sizes_aside(&text), sizes_aside(&expected));
    let tree = place.json(["tree"]);
    assert_eq!(tree[1]["images"], json!([id]));
    assert_eq!(tree[2]["container"], made["id"]);
    assert_eq!(tree[2]["parent"], tree[1]["id"]);
}

#[test]
fn root_everything_recorded_is_shown() {
    let (place, id) = loaded();
    let shown = place.json(["inspect", "app:1"]);
    assert_eq!(shown[0]["kind"], json!("image"));
    assert_eq!(shown[0]["record"]["id"], json!(id));
    let record = std::fs::read(place.path("root/vfs-images/images.json")).unwrap();
    let records: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(shown[0]["record"], records[0]);
    let ran = place.run(["inspect", "nosuch", &id[..6]]);
    assert_eq!(ran.code, Some(1));
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(err.starts_with("layerhold: nosuch: "), "{err}");
    let shown: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 1);
}

#[test]
fn root_images_are_mounted_for_reading_and_unmounted() {
    let (place, _) = loaded();
    let path = place.text(["mount", "app:1"]);
    assert_eq!(
        std::fs::read_to_string(format!("{}/c", path.trim_end())).unwrap(),
        "world"
    );
    let again = place.json(["mount", "app:1"]);
    assert_eq!(again[0]["path"], json!(path.trim_end()));
    let ran = place.run(["unmount", "app:1"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        String::from_utf8_lossy(&ran.stderr),
        "app:1 is still mounted\n"
    );
    assert_eq!(place.text(["unmount", "--force", path.trim_end()]), "");
    let ran = place.run(["unmount", "app:1"]);
    assert_eq!(ran.code, Some(1));
    let ran = place.run(["mount", "nosuch"]);
    assert_eq!((ran.code, ran.stdout.as_slice()), (Some(1), &b""[..]));
}

#[test]
fn root_removing_says_what_is_gone() {
    let (place, id) = loaded();
    let made = place.json(["create", "app:1"]);
    let container = made["id"].as_str().unwrap();
    let ran = place.run(["rm", "app:1"]);
    assert_eq!(ran.code, Some(1));
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        err.contains(&format!("is used by container {container}")),
        "{err}"
    );
    place.text(["mount", container]);
    let layers = place.json(["layers"]);
    let text = place.text(["rm", "--force", "app:1"]);
    let expected = format!(
        "container {container}\nimage {id}\nlayer {}\nlayer {}\n",
        layers[1]["id"].as_str().unwrap(),
        layers[0]["id"].as_str().unwrap(),
    );
    assert_eq!(text, expected);
    assert_eq!(place.json(["layers"]), json!([]));
    let ran = place.run(["rm", "nosuch"]);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn root_garbage_is_collected_and_named() {
    let (place, _) = loaded();
    assert_eq!(place.text(["gc"]), "");
    let stray = "0".repeat(64);
    std::fs::create_dir(place.path("root/vfs/dir").join(&stray)).unwrap();
    std::fs::create_dir(place.path("root/vfs-images").join(&stray)).unwrap();
    let report = place.json(["gc"]);
    assert_eq!(
        report,
        json!({
            "containerDirs": [],
            "imageDirs": [stray],
            "layers": [stray],
            "tarSplits": [],
            "layerDirs": [],
            "temporaryFiles": [],
            "areas": [],
            "quarantine": [],
        })
    );
    let cut_off = place.path("root/vfs-images/.tmp-images.json123");
    std::fs::write(&cut_off, "[").unwrap();
    let check = place.run(["check"]);
    assert!(check.succeeded() && check.text().contains("was left by a save that was cut off"));
    let removed = format!(
        "removed {}, left by an interrupted save\n",
        cut_off.display()
    );
    assert_eq!(place.text(["gc"]), removed);
    std::fs::create_dir(place.path("root/vfs/dir").join(&stray)).unwrap();
    assert_eq!(
        place.text(["gc"]),
        "removed the contents of layer 000000000000\n"
    );
}

#[test]
fn root_a_difference_can_be_written_as_a_tar() {
    let (place, _) = loaded();
    let layers = place.json(["layers"]);
    let top = layers[1]["id"].as_str().unwrap();
    let ran = place.run(["diff", "--tar", top]);
    assert!(ran.stdout == upper_tar());
    place.text(["diff", "--tar", "-o", "out.tar", "app:1"]);
    assert!(std::fs::read(place.path("out.tar")).unwrap() == upper_tar());
    let base = layers[0]["id"].as_str().unwrap();
    assert_eq!(place.text(["diff", top, base]), "D /a\nA /c\n");
    let ran = place.run(["diff", "nosuch"]);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn root_what_is_not_there_is_named_once() {
    let place = Place::new();
    for command in ["rm", "mount", "unmount", "inspect", "diff", "create"] {
        let ran = place.run([command, "nosuch"]);
        let text = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.code, Some(1), "{command}");
        assert!(text.starts_with("layerhold: nosuch: "), "{command}: {text}");
        assert_eq!(text.matches("nosuch").count(), 1, "{command}: {text}");
    }
}

#[test]
fn root_lists_say_which_records_they_leave_out() {
    let (place, id) = loaded();
    let path = place.path("root/vfs-images/images.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(&format!("\"id\":\"{id}\""), "\"id\":7")).unwrap();
    let ran = place.run(["images"]);
    assert_eq!(ran.code, Some(0));
    assert!(!ran.text().contains("localhost/app:1"));
    let notes = String::from_utf8_lossy(&ran.stderr).into_owned();
    let file = path.display();
    assert_eq!(
        notes,
        format!(
            "layerhold: left out: cannot read the image record at byte 1 of {file}: it has no ID\n"
        )
    );
    assert_eq!(place.text(["layers"]).lines().count(), 3);
}
