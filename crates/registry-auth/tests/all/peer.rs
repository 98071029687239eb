//! What podman and skopeo write and read.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use layerhold_registry_auth::{Credentials, FileFormat};
use layerhold_testkit::{Ran, require_peer, run};

use crate::place::{Scene, key};

const FILE: &str = "auth.json";

fn tool(scene: &Scene, program: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new(program);
    let variables = &scene.environment.variables;
    command.env_clear().envs(variables);
    // Relative directories make Go refuse the programs after them.
    let path = scene.environment.get("PATH").unwrap().to_str().unwrap();
    command.env("PATH", path.trim_start_matches("relative:"));
    run(command
        .args(arguments)
        .arg("--authfile")
        .arg(scene.path(FILE)))
}

/// The user that podman finds.
fn theirs(scene: &Scene, key: &str) -> String {
    let ran = tool(scene, "podman", &["login", "--get-login", key]);
    if ran.succeeded() {
        return ran.text().trim().to_owned();
    }
    let message = ran.failure();
    assert!(message.contains("not logged in"), "{key}: {message}");
    "-".to_owned()
}

fn ours(scene: &Scene, text: &str) -> String {
    let store = scene.store().with_file(FILE, FileFormat::Containers);
    let login = store.get(&key(text)).unwrap();
    login.map_or("-".to_owned(), |login| {
        login.credentials.username().to_owned()
    })
}

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.environment = scene.environment.clone().in_directory(scene.dir.path());
    scene
}

#[test]
fn peer_podman_finds_the_same() {
    let Some(()) = require_peer("podman") else {
        return;
    };
    let scene = scene();
    let auth = |user: &str| match user {
        "ann" => "{\"auth\": \"YW5uOnB3\"}",
        _ => "{\"auth\": \"YmVuOnB3\"}",
    };
    let (ann, ben) = (auth("ann"), auth("ben"));
    for text in [
        format!("{{\"auths\": {{\"a.b\": {ann}, \"a.b/c/d\": {ben}}}}}"),
        format!("{{\"AUTHS\": {{\"https://a.b/v1/\": {ann}, \"a.b/c\": {ben}}}}}"),
        format!("{{\"auths\": {{\"https://index.docker.io/v1/\": {ben}, \"a.b/c/d/e\": {ann}}}}}"),
        format!("{{\"auths\": {{\"docker.io\": {ann}, \"index.docker.io\": {ben}}}}}"),
        format!(
            "{{\"auths\": {{\"a.b\": {{}}, \"a.b/c\": {{\"auth\": \"dXA=\"}}, \"docker.io/x\": {ben}}}}}"
        ),
        format!(
            "{{\"auths\": {{\"a.b\": {ann}}}, \"credHelpers\": {{\"a.b\": \"deaf\", \"docker.io\": \"none\"}}}}"
        ),
    ] {
        scene.write(FILE, &text);
        for key in [
            "a.b",
            "a.b/c",
            "a.b/c/d/e",
            "docker.io",
            "docker.io/x/y",
            "a.b.c",
        ] {
            assert_eq!(ours(&scene, key), theirs(&scene, key), "{key} in {text}");
        }
    }
}

#[test]
fn peer_podman_and_skopeo_read_and_change_what_we_write() {
    let (Some(()), Some(())) = (require_peer("podman"), require_peer("skopeo")) else {
        return;
    };
    let scene = scene();
    let store = scene.store().with_file(FILE, FileFormat::Containers);
    for (text, user) in [
        ("a.b", "ann"),
        ("a.b/c", "b\u{e9}n \"b\""),
        ("docker.io", "eve"),
    ] {
        let credentials = Credentials::password(user, "p:w \\ \u{20ac}");
        store.set(&key(text), &credentials).unwrap();
        assert_eq!(theirs(&scene, text), user);
    }
    let out = tool(&scene, "skopeo", &["logout", "a.b/c"]);
    assert_eq!(out.text().trim(), "Removed login credentials for a.b/c");
    assert_eq!(ours(&scene, "a.b/c"), "ann");
    let docker = store.get(&key("docker.io")).unwrap().unwrap();
    let wanted = Credentials::password("eve", "p:w \\ \u{20ac}");
    assert_eq!(docker.credentials, wanted);
    assert!(store.remove(&key("docker.io")).unwrap());
    assert_eq!(theirs(&scene, "docker.io"), "-");
    assert_eq!(theirs(&scene, "a.b"), "ann");
}

/// A registry that lets all users in. It serves until the test process ends.
fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = [0; 4096];
            let read = connection.read(&mut request).unwrap_or(0);
            // Without TLS, which clients try first.
            let status = match request[..read].starts_with(b"GET ") {
                true => "200 OK",
                false => "400 Bad Request",
            };
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            drop(connection.write_all(answer.as_bytes()));
        }
    });
    address.to_string()
}

#[test]
fn peer_logins_of_podman_and_skopeo_are_ours_too() {
    let (Some(()), Some(())) = (require_peer("podman"), require_peer("skopeo")) else {
        return;
    };
    let scene = scene();
    let store = scene.store().with_file(FILE, FileFormat::Containers);
    for program in ["podman", "skopeo"] {
        let registry = registry();
        let options = [
            "login",
            "--tls-verify=false",
            "-u",
            program,
            "-p",
            "p:\u{e9}",
        ];
        let ran = tool(&scene, program, &[&options[..], &[&registry]].concat());
        assert_eq!(ran.text().trim(), "Login Succeeded!");
        let login = store.get(&key(&registry)).unwrap().unwrap();
        let wanted = Credentials::password(program, "p:\u{e9}");
        assert_eq!(login.credentials, wanted);
        let before = scene.read(FILE);
        // Ours has the layout of theirs.
        store.set(&key(&registry), &wanted).unwrap();
        assert_eq!(scene.read(FILE), before);
    }
    assert_eq!(store.keys().unwrap().len(), 2);
}
