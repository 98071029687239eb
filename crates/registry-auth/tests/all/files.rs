//! Looking up in files and changing them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use layerhold_registry_auth::{AuthError, Credentials, EditError, FileFormat, ParseError, Place};

use crate::place::{Scene, key, read};

const ANN: &str = "{\"auth\": \"YW5uOnB3\"}";
const BEN: &str = "{\"auth\": \"YmVuOnB3\"}";
const PRIMARY: &str = "run/containers/auth.json";

fn ann() -> Credentials {
    Credentials::password("ann", "pw")
}

#[test]
fn the_first_file_that_has_credentials_wins() {
    let scene = Scene::new();
    let store = scene.store();
    assert_eq!(scene.user(&store, "a"), "-");
    let entries = [
        ("home/.dockercfg", format!("{{\"a\": {ANN}}}")),
        (
            "home/.docker/config.json",
            format!("{{\"auths\": {{\"a\": {BEN}}}}}"),
        ),
        (
            "home/.config/containers/auth.json",
            format!("{{\"auths\": {{\"a\": {ANN}}}}}"),
        ),
        (PRIMARY, format!("{{\"auths\": {{\"a\": {BEN}}}}}")),
    ];
    for (name, text) in &entries {
        scene.write(name, text);
        let user = if text.contains(ANN) { "ann" } else { "ben" };
        assert_eq!(scene.user(&store, "a/b"), format!("{user} /{name}"));
    }
    // An entry without credentials in it does not end the search.
    scene.write(PRIMARY, "{\"auths\": {\"a\": {}}}");
    let own = "ann /home/.config/containers/auth.json";
    assert_eq!(scene.user(&store, "a"), own);
    assert_eq!(store.keys().unwrap(), [key("a")]);
    let only = scene.store().with_file("/nowhere", FileFormat::Containers);
    assert_eq!(scene.user(&only, "a"), "-");
}

#[test]
fn what_is_stored_is_private_and_nothing_else_changes() {
    let scene = Scene::new();
    let store = scene.store();
    let place = store.set(&key("a/b"), &ann()).unwrap();
    assert_eq!(place, Place::File(scene.path(PRIMARY)));
    let mode = |name| fs::metadata(scene.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(PRIMARY), mode("run/containers")), (0o600, 0o700));
    assert_eq!(
        store.get(&key("a/b/c")).unwrap().unwrap().credentials,
        ann()
    );

    let text = "{ \"x\":[1] ,\"auths\":{\"c\" : {\"y\":2}} }";
    let path = scene.write(PRIMARY, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    store.set(&key("a"), &ann()).unwrap();
    assert_eq!(
        read(&path),
        "{ \"x\":[1] ,\"auths\":{\"c\" : {\"y\":2},\"a\":{\"auth\":\"YW5uOnB3\"}} }"
    );
    assert_eq!(mode(PRIMARY), 0o600);
    assert!(store.remove(&key("a")).unwrap());
    assert_eq!(read(&path), text);
    assert!(!store.remove(&key("a")).unwrap());
    store.clear().unwrap();
    assert_eq!(read(&path), "{ \"x\":[1] ,\"auths\":{} }");
    let left = fs::read_dir(scene.path("run/containers")).unwrap().count();
    assert_eq!(left, 1);
}

#[test]
fn a_link_is_read_and_then_replaced() {
    let scene = Scene::new();
    let target = scene.write("target.json", &format!("{{\"auths\": {{\"a\": {BEN}}}}}"));
    let store = scene
        .store()
        .with_file(scene.path("link"), FileFormat::Containers);
    symlink(&target, scene.path("link")).unwrap();
    assert_eq!(scene.user(&store, "a"), "ben /link");
    store.set(&key("a"), &ann()).unwrap();
    assert!(fs::symlink_metadata(scene.path("link")).unwrap().is_file());
    assert_eq!(scene.user(&store, "a"), "ann /link");
    assert!(read(&target).contains(BEN));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let scene = Scene::new();
    let path = scene.write(PRIMARY, "{\"auths\": hunter2}");
    let store = scene.store();
    let error = store.get(&key("a")).unwrap_err();
    assert!(
        matches!(&error, AuthError::Parse { path: at, source: ParseError::Syntax { line: 1, .. } } if *at == path),
        "{error:?}"
    );
    assert!(!format!("{error:?}").contains("hunter2"));
    let error = store.set(&key("a"), &ann()).unwrap_err();
    assert!(matches!(error, AuthError::Parse { .. }), "{error:?}");
    assert_eq!(read(&path), "{\"auths\": hunter2}");

    scene.write(PRIMARY, "{\"auths\": {\"a\": {\"auth\": \"!\"}}}");
    let error = store.get(&key("a/b")).unwrap_err();
    assert!(matches!(&error, AuthError::Entry { key: at, .. } if *at == key("a/b")));
    assert_eq!(scene.user(&store, "b"), "-");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = store.get(&key("a")).unwrap_err();
    assert!(matches!(&error, AuthError::Read { path: at, .. } if *at == path));
}

#[test]
fn a_missing_runtime_directory_is_pointed_out_when_it_is_needed() {
    let scene = Scene::new();
    fs::remove_dir(scene.path("run")).unwrap();
    let store = scene.store();
    assert_eq!(scene.user(&store, "a"), "-");
    let error = store.set(&key("a"), &ann()).unwrap_err();
    assert!(
        matches!(&error, AuthError::RuntimeDirectory { path } if *path == scene.path("run")),
        "{error:?}"
    );
}

#[test]
fn a_home_that_is_a_file_holds_nothing() {
    let mut scene = Scene::new();
    scene.environment = scene.environment.with("HOME", "/dev/null");
    assert_eq!(scene.user(&scene.store(), "a"), "-");
}

#[test]
fn dockers_file_is_changed_by_its_rules() {
    let mut scene = Scene::new();
    scene.environment = scene
        .environment
        .clone()
        .with("DOCKER_CONFIG", scene.path("d"));
    let store = scene.store();
    scene.write("d/config.json", "{\"detachKeys\": \"ctrl-q\"}");
    store.set(&key("docker.io"), &ann()).unwrap();
    assert_eq!(
        scene.read("d/config.json"),
        "{\"detachKeys\": \"ctrl-q\",\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"YW5uOnB3\"}}}"
    );
    assert_eq!(
        scene.user(&store, "docker.io/library/x"),
        "ann /d/config.json"
    );
    let error = store.set(&key("a/b"), &ann()).unwrap_err();
    assert!(
        matches!(
            error,
            AuthError::Edit {
                source: EditError::Namespaced,
                ..
            }
        ),
        "{error:?}"
    );
}
