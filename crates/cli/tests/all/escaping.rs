//! Names from images on their way to layerhold: none makes a line look like another one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use layerhold_cli::{Environment, Streams, containers_storage};
use layerhold_testkit::{TarBuilder, run};
use serde_json::json;

use crate::support::{LAYERHOLD, Place};

/// Names that act on a terminal, and how they are shown.
const NAMES: [(&[u8], &str); 6] = [
    (b"a\nD etc", "a\\nD etc"),
    (b"esc\x1b[2J", "esc\\x1b[2J"),
    (b"c1\xc2\x9b1m", "c1\\u009b1m"),
    (b"txt.\xe2\x80\xaeexe", "txt.\\u202eexe"),
    (b"byte\xff", "byte\\xff"),
    ("größe-名前".as_bytes(), "größe-名前"),
];

/// A store with a layer `x` that holds those names.
fn place() -> Place {
    let place = Place::new();
    let tar = NAMES.iter().fold(TarBuilder::new(), |tar, (name, _)| {
        tar.file(name, 0o644, "content")
    });
    let path = place.path("x.tar");
    fs::write(&path, tar.finish()).unwrap();
    let import = ["import-layer", "--id", "x", "-f", path.to_str().unwrap()];
    place.containers_storage(import).assert_success();
    place
}

fn sorted(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.sort();
    lines
}

#[test]
fn root_a_path_is_one_line_of_a_difference() {
    let place = place();
    let lines = sorted(place.text(["diff", "x"]).lines().map(str::to_owned));
    let expected = NAMES.map(|(_, shown)| format!("A /{shown}"));
    assert_eq!(lines, sorted(expected));
    let changes = place.json(["diff", "x"]);
    let changes = changes.as_array().unwrap();
    assert_eq!(changes.len(), NAMES.len());
    for (name, _) in NAMES {
        let change = match std::str::from_utf8(name) {
            Ok(name) => json!({ "path": format!("/{name}"), "kind": "add" }),
            // JSON has no bytes: what stands for the path is told beside it.
            Err(_) => json!({ "path": "/byte\u{fffd}", "kind": "add", "pathHex": "2f62797465ff" }),
        };
        assert!(changes.contains(&change), "{change}");
    }
}

#[test]
fn root_damage_and_errors_name_a_path_in_one_line() {
    let place = place();
    fs::remove_file(place.path("root/vfs/dir/x").join("a\nD etc")).unwrap();
    let ran = place.run(["check", "--depth", "contents"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("a\\nD etc"), "{text}");
    assert!(!text.contains("\nD etc"), "{text}");
    let ran = place.run(["inspect", "no\u{1b}[2Jsuch\nlayerhold: all is well"]);
    let text = String::from_utf8(ran.stderr).unwrap();
    let start = "layerhold: no\\x1b[2Jsuch\\nlayerhold: all is well: ";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn root_names_do_not_forge_rows_of_tables() {
    let place = place();
    let name = "n\nroot\u{202e}";
    place
        .containers_storage(["create-layer", "--id", "y", "-n", name])
        .assert_success();
    let text = place.text(["layers"]);
    assert!(text.ends_with("  n\\nroot\\u202e\n"), "{text}");
    assert_eq!(text.lines().count(), 3);
    assert!(place.text(["tree"]).contains(" n\\nroot\\u202e\n"));
    assert_eq!(place.json(["layers"])[1]["names"], json!([name]));
}

#[test]
fn root_names_of_files_and_texts_of_images_pass_through_every_command() {
    let place = place();
    let text = "n\n\u{1b}[2J\u{202e}";
    fs::create_dir(place.path(text)).unwrap();
    for (name, _) in NAMES {
        let path = place.path(text).join(OsStr::from_bytes(name));
        fs::write(path, "content").unwrap();
    }
    let (label, variable) = (format!("l{text}=v{text}"), format!("V={text}"));
    let built = place.text([
        "build", "--dir", text, "--label", &label, "--env", &variable, "-m", text, "--author",
        text, "--name", "app",
    ]);
    assert_eq!(built.lines().count(), 1);
    assert_eq!(place.json(["history", "app"])[0]["comment"], json!(text));
    let lines = place.text(["history", "app", "--no-trunc"]);
    assert!(lines.ends_with("  n\\n\\x1b[2J\\u202e\n"), "{lines}");
    let lines = sorted(place.text(["diff", "app"]).lines().map(str::to_owned));
    assert_eq!(lines, sorted(NAMES.map(|(_, shown)| format!("A /{shown}"))));
    // In and out, names stay as they are.
    place.text(["create", "app", "--name", "box"]);
    place.text(["cp", text, "box:/"]);
    place.text(["cp", &format!("box:/{text}"), "back"]);
    for (name, _) in NAMES {
        let path = place.path("back").join(OsStr::from_bytes(name));
        assert_eq!(fs::read_to_string(path).unwrap(), "content");
    }
    for (words, said) in [
        (vec!["tag", "app", text], "is not an image name"),
        (vec!["untag", "app", text], "cannot remove the name"),
        (
            vec!["cp", text, "box:/a\n/b\n"],
            "there is no such directory",
        ),
        (vec!["cp", "a\u{1b}b:/x", "."], "a\\x1bb"),
        (vec!["mount", text, "--", "true"], "n\\n\\x1b[2J\\u202e: "),
        (vec!["export", text], "n\\n\\x1b[2J\\u202e: "),
        (vec!["export", "app", "-o", "no\nsuch/x"], "no\\nsuch/x"),
        (vec!["build", "--layer", "no\nsuch"], "no\\nsuch"),
        (vec!["import", "no\nsuch"], "no\\nsuch"),
        (vec!["commit", text], "not known"),
        (vec!["commit", "box", text], "is not an image name"),
    ] {
        let ran = place.run(&words);
        let err = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.code, Some(1), "{words:?}: {err}");
        assert!(
            err.contains(said) && err.lines().count() == 1,
            "{words:?}: {err}"
        );
        assert!(
            !err.contains('\u{1b}') && !err.contains('\u{202e}'),
            "{words:?}: {err}"
        );
    }
}

/// What the drop-in prints in this process, where streams may be terminals.
fn containers_storage_on(place: &Place, terminal: bool, words: &[&str]) -> (String, String) {
    let path = |name| place.path(name).to_str().unwrap().to_owned();
    let store = [
        "containers-storage".to_owned(),
        "-g".to_owned(),
        path("root"),
        "-R".to_owned(),
        path("runroot"),
        "-s=vfs".to_owned(),
        "-U=false".to_owned(),
    ];
    let arguments: Vec<String> = store
        .into_iter()
        .chain(words.iter().map(|word| (*word).to_owned()))
        .collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let input = Box::new(std::io::empty());
    let mut streams = Streams::new(&mut out, &mut err, input).on_terminals(terminal, terminal);
    containers_storage::run(&arguments, &Environment::default(), &mut streams).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(out), text(err))
}

#[test]
fn root_the_drop_in_escapes_on_a_terminal_only() {
    let place = place();
    let name = "n\n\tname: root";
    place
        .containers_storage(["create-layer", "--id", "y", "-n", name])
        .assert_success();
    let layers = |terminal| containers_storage_on(&place, terminal, &["layers"]).0;
    assert_eq!(layers(false), format!("x\ny\n\tname: {name}\n"));
    assert_eq!(layers(true), "x\ny\n\tname: n\\n\\tname: root\n");
    let missing = |terminal| containers_storage_on(&place, terminal, &["layer", "a\u{1b}b"]).1;
    assert!(missing(false).starts_with("a\u{1b}b: "));
    assert!(missing(true).starts_with("a\\x1bb: "));
    let archive = |terminal| containers_storage_on(&place, terminal, &["diff", "-u", "y"]).0;
    assert_eq!(archive(true), archive(false));
}

#[test]
fn paths_that_are_not_text_are_shown_with_their_bytes() {
    let place = layerhold_testkit::scratch();
    let dir = place.path().join(OsStr::from_bytes(b"d\xff"));
    fs::create_dir(&dir).unwrap();
    let conf = "[storage]\ngraphroot = '/g'\nrunroot = '/r'\nimagestore = 'i'\n";
    fs::write(dir.join("conf"), conf).unwrap();
    let config = |format| {
        let mut command = Command::new(LAYERHOLD);
        command.env("CONTAINERS_STORAGE_CONF", "conf");
        run(command
            .args(["--format", format, "config"])
            .current_dir(&dir))
        .text()
    };
    let line = format!("image store         {}/d\\xff/i\n", place.path().display());
    assert!(config("table").contains(&line), "{}", config("table"));
    let json: serde_json::Value = serde_json::from_str(&config("json")).unwrap();
    let lossy = format!("{}/d\u{fffd}/i", place.path().display());
    assert_eq!(json["imageStore"], json!(lossy));
}

/// Every file of the sources below a directory.
fn sources(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn nothing_prints_but_the_streams() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&src);
    let with = |words: &[&str]| {
        let has = |text: &str| words.iter().any(|word| text.contains(word));
        let found = files.iter().filter(|(_, text)| has(text));
        sorted(found.map(|(name, _)| name.clone()))
    };
    // The streams of the process, its standard error beside them, and the terminal that a progress
    // bar draws on.
    let direct = [
        "io::stdout",
        "io::stderr",
        "println!(",
        "print!(",
        "DrawTarget::std",
    ];
    assert_eq!(
        with(&direct),
        ["bars.rs", "entry.rs", "progress.rs", "say.rs"]
    );
    assert_eq!(
        with(&["set_message(", ".println("]),
        ["bars.rs", "progress.rs"]
    );
    // What must not be escaped: archives, items, completion scripts, documents of registries.
    let exact = [
        "archive_output.rs",
        "completions.rs",
        "mod.rs",
        "mod.rs",
        "output.rs",
        "save.rs",
        "streams.rs",
    ];
    assert_eq!(with(&[".exact()"]), exact);
}
