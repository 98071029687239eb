//! Credential helpers.

use std::time::Duration;

use layerhold_registry_auth::{
    AuthError, Credentials, FileFormat, Helper, HelperError, HelperFailure, Place, Source,
};

use crate::place::{Scene, key, read};

const PRIMARY: &str = "run/containers/auth.json";

fn helper(scene: &Scene, name: &str) -> Helper {
    Helper::new(name.parse().unwrap(), scene.environment.clone())
}

fn failure(result: Result<Option<Credentials>, HelperError>) -> HelperFailure {
    let error = result.unwrap_err();
    assert_eq!(error.action, "get");
    error.source
}

#[test]
fn a_helper_keeps_gives_lists_and_erases() {
    let scene = Scene::new();
    let helper = helper(&scene, "dir");
    let credentials = Credentials::password("ann \"a\"", "hunter2\\\u{e4}");
    assert_eq!(helper.get("a:1").unwrap(), None);
    helper.store("a:1", &credentials).unwrap();
    assert_eq!(helper.get("a:1").unwrap(), Some(credentials));
    helper
        .store("b", &Credentials::identity_token("tok"))
        .unwrap();
    assert_eq!(
        helper.get("b").unwrap(),
        Some(Credentials::identity_token("tok"))
    );
    assert!(helper.erase("a:1").unwrap());
    assert!(!helper.erase("a:1").unwrap());
    let listed = helper.list().unwrap();
    assert_eq!(listed.get("b").map(String::as_str), Some("<token>"));
    // Secrets are in no argument.
    assert_eq!(
        scene.read("kept/arguments"),
        "get\nstore\nget\nstore\nget\nerase\nerase\nlist\n"
    );
}

#[test]
fn answers_are_what_the_protocol_says() {
    let scene = Scene::new();
    assert_eq!(helper(&scene, "none").get("a").unwrap(), None);
    assert_eq!(
        helper(&scene, "token").get("a").unwrap(),
        Some(Credentials::identity_token("tok"))
    );
    // It does not read its input, and answers in lowercase.
    let deaf = helper(&scene, "deaf").get(&"a".repeat(1 << 20)).unwrap();
    assert_eq!(deaf, Some(Credentials::password("deaf", "pw")));
    let odd = failure(helper(&scene, "odd").get("a"));
    assert!(matches!(odd, HelperFailure::Answer), "{odd:?}");
    let odd = helper(&scene, "odd").list().unwrap_err();
    assert!(matches!(odd.source, HelperFailure::Answer), "{odd:?}");
}

#[test]
fn helpers_that_fail_are_told_with_what_they_say() {
    let scene = Scene::new();
    let failed = failure(helper(&scene, "locked").get("a"));
    assert_eq!(
        failed.to_string(),
        "it ended with code 3: the keychain is locked"
    );
    let missing = helper(&scene, "missing").get("a").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "cannot get credentials with the helper missing"
    );
    assert!(matches!(missing.source, HelperFailure::NotInstalled { .. }));
    // It fails and repeats what it was given.
    let credentials = Credentials::password("ann", "hunter2");
    let leaky = helper(&scene, "leaky").store("a", &credentials);
    let leaky = format!("{:?}", leaky.unwrap_err());
    assert!(!leaky.contains("hunter2"), "{leaky}");
}

#[test]
fn helpers_that_do_not_end_or_write_too_much_are_killed() {
    let scene = Scene::new();
    let limit = Duration::from_millis(200);
    let slow = helper(&scene, "slow").with_time_limit(limit);
    let failed = failure(slow.get("a"));
    assert!(
        matches!(failed, HelperFailure::TimedOut { limit: told } if told == limit),
        "{failed:?}"
    );
    let failed = failure(helper(&scene, "flood").get("a"));
    assert!(
        matches!(failed, HelperFailure::TooLong { limit: 262_144 }),
        "{failed:?}"
    );
}

#[test]
fn the_helper_that_a_file_names_is_used_for_its_registry() {
    let scene = Scene::new();
    let text = "{\"credHelpers\": {\"a\": \"dir\"}, \"auths\": {\"a\": {\"auth\": \"YW5uOnB3\"}}}";
    scene.write(PRIMARY, text);
    let store = scene.store();
    assert_eq!(scene.user(&store, "a/b"), "-");
    let credentials = Credentials::password("ben", "pw");
    let place = store.set(&key("a"), &credentials).unwrap();
    assert_eq!(place, Place::Helper("dir".parse().unwrap()));
    assert_eq!(scene.read(PRIMARY), text);
    assert_eq!(scene.user(&store, "a/b"), "ben credential helper dir");
    assert!(store.remove(&key("a")).unwrap());
    assert_eq!(scene.user(&store, "a/b"), "-");
    assert_eq!(
        scene.read(PRIMARY),
        "{\"credHelpers\": {\"a\": \"dir\"}, \"auths\": {}}"
    );
    store.set(&key("a"), &credentials).unwrap();
    store.clear().unwrap();
    assert_eq!(scene.read(PRIMARY), "{\"credHelpers\": {}, \"auths\": {}}");
    assert_eq!(helper(&scene, "dir").get("a").unwrap(), None);
}

#[test]
fn the_helper_of_all_registries_is_asked_by_dockers_name() {
    let scene = Scene::new();
    let text = "{\"credsStore\": \"dir\", \"auths\": {\"https://index.docker.io/v1/\": {}}}";
    scene.write("home/.docker/config.json", text);
    let credentials = Credentials::password("ann", "pw");
    let kept = helper(&scene, "dir");
    kept.store("https://index.docker.io/v1/", &credentials)
        .unwrap();
    let store = scene.store();
    let user = scene.user(&store, "docker.io/library/x");
    assert_eq!(user, "ann credential helper dir");
    assert_eq!(scene.user(&store, "a"), "-");
    scene.write("home/.docker/config.json", "{\"credsStore\": \"missing\"}");
    assert_eq!(scene.user(&store, "a"), "-");
    scene.write("home/.docker/config.json", "{\"credsStore\": \"locked\"}");
    let error = store.get(&key("a")).unwrap_err();
    assert!(matches!(error, AuthError::Helper { key, .. } if key == "a"));
}

#[test]
fn sources_are_asked_in_their_order() {
    let scene = Scene::new();
    scene.write(PRIMARY, "{\"auths\": {\"a\": {\"auth\": \"YW5uOnB3\"}}}");
    let sources = |names: &[&str]| {
        let sources = names.iter().map(|name| name.parse::<Source>().unwrap());
        scene.store().with_sources(sources)
    };
    let both = sources(&["dir", "containers-auth.json"]);
    assert_eq!(scene.user(&both, "a"), format!("ann /{PRIMARY}"));
    both.set(&key("a"), &Credentials::password("ben", "pw"))
        .unwrap();
    assert_eq!(scene.user(&both, "a/b"), "ben credential helper dir");
    both.set(&key("a/b"), &Credentials::password("eve", "pw"))
        .unwrap();
    assert_eq!(scene.user(&scene.store(), "a/b"), format!("eve /{PRIMARY}"));
    assert_eq!(both.keys().unwrap(), [key("a"), key("a/b")]);

    // A helper that fails does not hide what another source has.
    let broken = sources(&["locked", "containers-auth.json"]);
    assert_eq!(scene.user(&broken, "a"), format!("ann /{PRIMARY}"));
    let error = broken.get(&key("b")).unwrap_err();
    assert!(matches!(error, AuthError::Helper { .. }), "{error:?}");

    let only = sources(&["dir"]);
    let error = only
        .set(&key("a/c"), &Credentials::password("x", "y"))
        .unwrap_err();
    assert!(matches!(error, AuthError::Namespaced { .. }), "{error:?}");
    both.clear().unwrap();
    assert_eq!(scene.user(&both, "a"), "-");
    assert_eq!(sources(&["missing"]).keys().unwrap(), []);
}

#[test]
fn a_file_of_dockers_is_changed_itself() {
    let scene = Scene::new();
    let path = scene.path("config.json");
    let store = scene.store().with_file(&path, FileFormat::Docker);
    let store = store.with_sources([Source::Helper("dir".parse().unwrap())]);
    store
        .set(&key("a"), &Credentials::password("u", "p"))
        .unwrap();
    assert!(read(&path).contains("\"dTpw\""));
}
