//! `login` and `logout`: with a registry, and beside podman and skopeo.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use layerhold_testkit::registry::{PASSWORD, Registry, Setup, USER};
use layerhold_testkit::{Ran, TempDir, require_docker_registry, require_peer, run, scratch};
use serde_json::{Value, json};

use crate::support::{LAYERHOLD, at_a_terminal};

/// A user with a home directory, a file of credentials and a `registries.conf`.
pub(super) struct User {
    dir: TempDir,
}

impl User {
    pub(super) fn new() -> Self {
        let user = User { dir: scratch() };
        fs::write(user.path("registries.conf"), "").unwrap();
        user
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program with the environment of the user.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path());
        command.env("HOME", self.path("home"));
        command.env("REGISTRY_AUTH_FILE", self.path("auth.json"));
        command.env("CONTAINERS_REGISTRIES_CONF", self.path("registries.conf"));
        command.env_remove("XDG_RUNTIME_DIR");
        command.env_remove("XDG_CONFIG_HOME");
        command.env_remove("DOCKER_CONFIG");
        command
    }

    pub(super) fn run(&self, program: &str, words: &[&str]) -> Ran {
        run(self.command(program).args(words))
    }

    /// `layerhold` with words and standard input.
    fn piped(&self, words: &[&str], input: &str) -> Ran {
        fs::write(self.path("input"), input).unwrap();
        let file = fs::File::open(self.path("input")).unwrap();
        let mut command = self.command(LAYERHOLD);
        let output = command.args(words).stdin(Stdio::from(file)).output();
        let output = output.unwrap();
        Ran {
            command: format!("{command:?}"),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }

    fn auth(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("auth.json")).unwrap()).unwrap()
    }
}

fn guarded() -> Registry {
    Setup::default().with_tls().with_password().start()
}

pub(super) fn note(ran: &Ran) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

#[test]
fn peer_registry_a_login_is_checked_and_stored_and_removed() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let (registry, user) = (guarded(), User::new());
    let (host, certificates) = (registry.address(), registry.certificates());
    let certificates = certificates.to_str().unwrap();
    let login = [
        "login",
        "--cert-dir",
        certificates,
        "-u",
        USER,
        "--password-stdin",
        &host,
    ];

    let wrong = user.piped(&login, "guess\n");
    let start = format!("layerhold: cannot log in to {host}: invalid username/password (");
    assert!(note(&wrong).starts_with(&start), "{}", note(&wrong));
    assert!(!note(&wrong).contains("guess"));
    assert_eq!((wrong.code, wrong.stdout.len()), (Some(1), 0));
    assert!(!user.path("auth.json").exists());

    let untrusted = user.piped(&["login", "-u", USER, "--password-stdin", &host], PASSWORD);
    assert!(
        note(&untrusted).contains("no trusted connection"),
        "{}",
        note(&untrusted)
    );
    assert_eq!(untrusted.code, Some(1));

    let ran = user.piped(&login, &format!("{PASSWORD}\n"));
    assert_eq!(
        (ran.text().as_str(), note(&ran).as_str()),
        ("Login Succeeded!\n", "")
    );
    let mode = fs::metadata(user.path("auth.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let entry = "dGVzdGVyOm9wZW46c2VzYW1l";
    assert_eq!(
        user.auth(),
        json!({ "auths": { &host: { "auth": entry } } })
    );

    let get = ["login", "--get-login", &host];
    assert_eq!(user.run(LAYERHOLD, &get).text(), format!("{USER}\n"));
    let again = user.run(LAYERHOLD, &["login", "--cert-dir", certificates, &host]);
    let said = format!(
        "Authenticating with existing credentials for {host}\n\
         Existing credentials are valid. Already logged in to {host}\n"
    );
    assert_eq!(again.text(), said);

    let out = user.run(LAYERHOLD, &["logout", &host]);
    assert_eq!(
        out.text(),
        format!("Removed login credentials for {host}\n")
    );
    assert_eq!(user.auth(), json!({ "auths": {} }));
    for words in [&["logout", &host][..], &get] {
        let ran = user.run(LAYERHOLD, words);
        assert_eq!(note(&ran), format!("layerhold: not logged into {host}\n"));
        assert_eq!((ran.code, ran.stdout.len()), (Some(1), 0));
    }
}

#[test]
fn peer_registry_one_without_tls_is_reached_if_that_is_allowed() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let (registry, user) = (Setup::default().with_password().start(), User::new());
    let host = registry.address();
    let login = |more: &[&str]| {
        let words = [&["login", "-v", "-u", USER, "-p", PASSWORD][..], more].concat();
        user.run(LAYERHOLD, &words)
    };
    assert_eq!(login(&[&host]).code, Some(1));
    let ran = login(&["--tls-verify=false", &format!("http://{host}/v2/")]);
    let file = user.path("auth.json");
    assert_eq!(
        ran.text(),
        format!("Used:  {}\nLogin Succeeded!\n", file.display())
    );
    assert!(note(&ran).contains("--password-stdin"), "{}", note(&ran));
    // The configuration allows it, and names the registry too.
    let conf = format!(
        "unqualified-search-registries = ['{host}']\n[[registry]]\nlocation = '{host}'\ninsecure = true\n"
    );
    fs::write(user.path("registries.conf"), &conf).unwrap();
    let ran = user.run(LAYERHOLD, &["--format", "json", "login"]);
    let said: Value = serde_json::from_str(&ran.text()).unwrap();
    let place = file.display().to_string();
    assert_eq!(
        said,
        json!({ "registry": host, "username": USER, "place": place })
    );
    assert_eq!(login(&["--tls-verify", &host]).code, Some(1));
    assert_eq!(user.run(LAYERHOLD, &["logout"]).code, Some(0));
    fs::write(
        user.path("registries.conf"),
        format!("{conf}blocked = true\n"),
    )
    .unwrap();
    let ran = login(&[&host]);
    assert!(note(&ran).contains("is blocked in"), "{}", note(&ran));
}

#[test]
fn peer_registry_podman_skopeo_logins_are_shared() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    for peer in ["podman", "skopeo"] {
        let Some(()) = require_peer(peer) else { return };
        let (registry, user) = (guarded(), User::new());
        let (host, certificates) = (registry.address(), registry.certificates());
        let reach = ["--cert-dir", certificates.to_str().unwrap()];
        let given = ["-u", USER, "-p", PASSWORD, host.as_str()];
        for key in [host.clone(), format!("{host}/team/app")] {
            let given = [&given[..4], &[key.as_str()]].concat();
            let words = |command: &'static str, more: &[&'static str]| {
                [&[command][..], &reach, more].concat()
            };
            // Ours, used and removed by the peer.
            let login = [&words("login", &[])[..], &given].concat();
            user.run(LAYERHOLD, &login).assert_success();
            let again = [&words("login", &[])[..], &[&key]].concat();
            let theirs = user.run(peer, &again);
            let ours = user.run(LAYERHOLD, &again);
            assert_eq!(theirs.text(), ours.text(), "{peer}");
            let ran = user.run(peer, &["logout", &key]);
            assert_eq!(ran.text(), format!("Removed login credentials for {key}\n"));
            let gone = user.run(LAYERHOLD, &["logout", &key]);
            assert_eq!(gone.code, Some(1));
            // Theirs, used and removed by us.
            user.run(peer, &login).assert_success();
            assert_eq!(user.run(LAYERHOLD, &again).text(), ours.text());
            user.run(LAYERHOLD, &["logout", &key]).assert_success();
            let get = user.run(peer, &["login", "--get-login", &key]);
            assert_ne!(get.code, Some(0), "{peer}");
        }
        user.run(LAYERHOLD, &[&["login"][..], &reach, &given].concat())
            .assert_success();
        user.run(LAYERHOLD, &["logout", "--all"]).assert_success();
        assert_eq!(user.auth(), json!({ "auths": {} }));
    }
}

#[test]
fn credentials_elsewhere_are_told() {
    let user = User::new();
    fs::create_dir_all(user.path("home/.docker")).unwrap();
    let entry = r#"{"auths":{"quay.io":{"auth":"YW5uOnB3"}}}"#;
    let dockers = user.path("home/.docker/config.json");
    fs::write(&dockers, entry).unwrap();
    let run = |words: &[&str]| {
        let mut command = user.command(LAYERHOLD);
        command.env_remove("REGISTRY_AUTH_FILE");
        command.env("XDG_RUNTIME_DIR", user.path(""));
        run(command.args(words))
    };
    let ran = run(&["logout", "quay.io"]);
    let place = dockers.display();
    let said =
        format!("Not logged into quay.io with current tool. Existing credentials are in {place}\n");
    assert_eq!(ran.text(), said);
    fs::create_dir_all(user.path("containers")).unwrap();
    fs::write(user.path("containers/auth.json"), entry).unwrap();
    let ran = run(&["logout", "quay.io"]);
    assert_eq!(ran.text(), "Removed login credentials for quay.io\n");
    assert_eq!(
        note(&ran),
        format!("layerhold: {place} has credentials for quay.io too\n")
    );
    assert_eq!(fs::read_to_string(&dockers).unwrap(), entry);
    let ran = run(&[
        "logout",
        "--compat-auth-file",
        dockers.to_str().unwrap(),
        "quay.io",
    ]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(fs::read_to_string(&dockers).unwrap(), r#"{"auths":{}}"#);
}

#[test]
fn what_cannot_be_a_login_is_refused_before_anything_is_sent() {
    let user = User::new();
    let token = r#"{"auths":{"quay.io":{"auth":"YTo=","identitytoken":"hunter2"}}}"#;
    fs::write(user.path("auth.json"), token).unwrap();
    for (words, input, code, said) in [
        (
            &["login"][..],
            "",
            1,
            "registries.conf has no unqualified-search-registries",
        ),
        (
            &["login", "a.example"],
            "",
            1,
            "cannot ask for the user name",
        ),
        (
            &["login", "-u", "x", "a.example"],
            "",
            1,
            "cannot ask for the password",
        ),
        (
            &["login", "-u", "x", "--password-stdin", "a.example"],
            "\n",
            1,
            "without a password",
        ),
        (
            &["login", "-u", " ", "-p", "hunter2", "a.example"],
            "",
            1,
            "without a user name",
        ),
        (
            &["login", "--password-stdin", "a.example"],
            "x",
            2,
            "--username",
        ),
        (
            &[
                "login",
                "-u",
                "x",
                "-p",
                "hunter2",
                "--password-stdin",
                "a.example",
            ],
            "x",
            2,
            "cannot be used with",
        ),
        (
            &["login", "-u", "x", "-p", "y", "quay.io"],
            "",
            1,
            "identity token",
        ),
        (&["login", "quay.io/Team"], "", 1, "quay.io/Team"),
        (&["login", "quay.io/team:1"], "", 1, "it has a tag"),
        (
            &[
                "login",
                "--cert-dir",
                "nosuch",
                "-u",
                "x",
                "-p",
                "y",
                "a.example",
            ],
            "",
            1,
            "cannot find the directory of certificates",
        ),
        (
            &["logout", "--authfile", "nosuch", "quay.io"],
            "",
            1,
            "cannot find the file of credentials nosuch",
        ),
        (
            &["logout", "--all", "quay.io"],
            "",
            2,
            "cannot be used with",
        ),
    ] {
        let ran = user.piped(words, input);
        let err = note(&ran);
        assert_eq!(ran.code, Some(code), "{words:?}: {err}");
        assert!(err.contains(said), "{words:?}: {err}");
        assert!(!err.contains("hunter2"), "{words:?}: {err}");
    }
    assert_eq!(fs::read_to_string(user.path("auth.json")).unwrap(), token);
}

/// Runs a line of the shell at a terminal, where `input` types.
fn typed(user: &User, line: &str, input: &str) -> (Option<i32>, String) {
    fs::write(user.path("inner"), line).unwrap();
    let shell = at_a_terminal("sh inner", input);
    let mut command = user.command("sh");
    command.args(shell.get_args()).env("SHELL", "/bin/sh");
    let ran = run(&mut command);
    (
        ran.code,
        String::from_utf8_lossy(&ran.stdout).replace('\r', ""),
    )
}

#[test]
fn peer_registry_script_a_password_is_typed_unseen() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let Some(()) = require_peer("script") else {
        return;
    };
    let (registry, user) = (guarded(), User::new());
    let certs_d = user.path("home/.config/containers/certs.d");
    fs::create_dir_all(certs_d.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(registry.certs_d(), certs_d).unwrap();
    let host = registry.address();
    // What is typed before the question is shown, or shown before the question.
    let until = |text: &str| format!("until grep -qs {text} screen; do sleep 0.01; done");
    let (named, asked, ended) = (until("Username"), until("Password:"), until("^code"));
    let echoes = "if stty -a | grep -q -- -echo\\ ; then echo hidden; else echo shown; fi";
    let line = format!("{LAYERHOLD} login {host}; echo code $?; {echoes}");
    let input = format!("{named}; echo {USER}; {asked}; echo {PASSWORD}; {ended}");
    let (code, screen) = typed(&user, &line, &input);
    let wanted = format!("Username: {USER}\nPassword: \nLogin Succeeded!\ncode 0\nshown\n");
    assert_eq!((code, screen), (Some(0), wanted));

    // The known name, and a signal instead of the password.
    fs::remove_file(user.path("screen")).unwrap();
    let known = format!(r#"{{"auths":{{"{host}":{{"auth":"YW5uOg=="}}}}}}"#);
    fs::write(user.path("auth.json"), known).unwrap();
    let line = format!("trap : INT; {line}");
    let input = format!("{named}; echo; {asked}; printf '\\003'; {ended}");
    let (code, screen) = typed(&user, &line, &input);
    assert_eq!(code, Some(0));
    assert!(screen.contains("Username (ann): "), "{screen}");
    assert!(screen.ends_with("code 130\nshown\n"), "{screen}");
}
