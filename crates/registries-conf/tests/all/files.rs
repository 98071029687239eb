//! Which files are read, and how they are merged.

use std::fs;
use std::os::unix::fs::symlink;

use layerhold_environment::{Environment, HostFiles};
use layerhold_registries_conf::{
    CredentialHelper, RegistriesConf, RegistriesError, ResolveError, ShortNameMode, load,
};

use crate::memory::{Memory, root, user};

const ETC: &str = "/etc/containers/registries.conf";
const OF_USER: &str = "/home/u/.config/containers/registries.conf";

fn searching(registry: &str) -> String {
    format!("unqualified-search-registries = [\"{registry}\"]\n")
}

fn sources(environment: &Environment, files: &Memory) -> Vec<String> {
    let conf = load(environment, files).unwrap();
    let paths = conf.sources().iter();
    paths.map(|path| path.display().to_string()).collect()
}

#[test]
fn without_files_nothing_is_configured() {
    let conf = load(&root(), &Memory::default()).unwrap();
    assert!(conf.sources().is_empty());
    assert!(conf.search_registries().is_empty());
    assert_eq!(conf.short_name_mode(), ShortNameMode::Permissive);
    assert_eq!(conf.credential_helpers(), [CredentialHelper::AuthFiles]);
    assert_eq!(conf.layer_store_helper(), None);
}

#[test]
fn the_users_file_hides_the_systems_directory() {
    let drop_in = "/etc/containers/registries.conf.d/1.conf";
    let of_user = "/home/u/.config/containers/registries.conf.d/0.conf";
    let files = Memory::default()
        .file(ETC, "")
        .file(drop_in, "")
        .file(of_user, "");
    assert_eq!(sources(&user(), &files), [ETC, drop_in, of_user]);
    assert_eq!(sources(&root(), &files), [ETC, drop_in]);
    let files = files.file(OF_USER, "");
    assert_eq!(sources(&user(), &files), [OF_USER, of_user]);
    let elsewhere = user().with("XDG_CONFIG_HOME", "/elsewhere");
    assert_eq!(sources(&elsewhere, &files), [OF_USER, of_user]);
}

#[test]
fn a_variable_names_the_file() {
    let drop_in = "/etc/containers/registries.conf.d/1.conf";
    let files = Memory::default()
        .file(ETC, "")
        .file(OF_USER, "")
        .file(drop_in, "")
        .file("/w/mine", "")
        .file("/old", "");
    let mine = user()
        .in_directory("/w")
        .with("CONTAINERS_REGISTRIES_CONF", "mine")
        .with("REGISTRIES_CONFIG_PATH", "/old");
    assert_eq!(sources(&mine, &files), ["/w/mine", drop_in]);
    let old = user().with("REGISTRIES_CONFIG_PATH", "/old");
    assert_eq!(sources(&old, &files), ["/old", drop_in]);
    let neither = old.clone().with("CONTAINERS_REGISTRIES_CONF", "");
    assert_eq!(sources(&neither, &files), [OF_USER]);
    let missing = user().with("REGISTRIES_CONFIG_PATH", "/nosuch");
    let error = load(&missing, &files).unwrap_err();
    let wanted = "cannot read /nosuch (from REGISTRIES_CONFIG_PATH): it does not exist";
    assert!(matches!(error, RegistriesError::Missing { .. }));
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn drop_ins_are_sorted_and_links_count() {
    let files = Memory::default()
        .file(
            "/etc/containers/registries.conf.d/b.conf",
            &searching("b.io"),
        )
        .link(
            "/etc/containers/registries.conf.d/c.conf",
            &searching("c.io"),
        )
        .file(
            "/etc/containers/registries.conf.d/a.conf",
            &searching("a.io"),
        )
        .file("/etc/containers/registries.conf.d/d.txt", "not read")
        .file(
            "/etc/containers/registries.conf.d/e.conf/f.conf",
            "not read",
        );
    let conf = load(&root(), &files).unwrap();
    assert_eq!(conf.search_registries(), ["c.io"]);
    assert_eq!(conf.sources().len(), 3);
}

#[test]
fn later_files_replace_tables_and_lists() {
    let main = r#"
        unqualified-search-registries = ["a.io", "b.io"]
        credential-helpers = ["pass", "containers-auth.json"]
        short-name-mode = "enforcing"
        additional-layer-store-auth-helper = "h"
        [[registry]]
        location = "a.io"
        insecure = true
        [[registry]]
        location = "b.io"
        [aliases]
        x = "a.io/x"
        y = "a.io/y"
    "#;
    let drop_in = r#"
        credential-helpers = []
        [[registry]]
        prefix = "a.io"
        location = "c.io"
        [aliases]
        x = ""
    "#;
    let files = Memory::default().file(ETC, main);
    let conf = load(&root(), &files).unwrap();
    let helpers = [
        CredentialHelper::Program("pass".into()),
        CredentialHelper::AuthFiles,
    ];
    assert_eq!(conf.credential_helpers(), helpers);

    let files = files.file("/etc/containers/registries.conf.d/1.conf", drop_in);
    let conf = load(&root(), &files).unwrap();
    assert_eq!(conf.search_registries(), ["a.io", "b.io"]);
    assert_eq!(conf.credential_helpers(), [CredentialHelper::AuthFiles]);
    assert_eq!(conf.short_name_mode(), ShortNameMode::Enforcing);
    assert_eq!(conf.layer_store_helper(), Some("h"));
    let all: Vec<_> = conf
        .registries()
        .map(|one| (&*one.prefix, one.location.as_deref(), one.insecure))
        .collect();
    assert_eq!(
        all,
        [("a.io", Some("c.io"), false), ("b.io", Some("b.io"), false)]
    );
    assert_eq!(conf.resolve("y").unwrap().candidates.len(), 1);
    assert_eq!(conf.resolve("x").unwrap().candidates.len(), 2);
}

#[test]
fn chosen_short_names_are_in_the_cache() {
    let text = "[aliases]\napp = \"cache.io/app\"\n";
    let files = Memory::default()
        .file(ETC, "[aliases]\napp = \"etc.io/app\"\n")
        .file("/var/cache/containers/short-name-aliases.conf", text);
    let resolved = |environment: &Environment, files: &Memory| {
        let conf = load(environment, files).unwrap();
        conf.resolve("app").unwrap().candidates[0].to_string()
    };
    assert_eq!(resolved(&root(), &files), "cache.io/app:latest");
    assert_eq!(resolved(&user(), &files), "etc.io/app:latest");
    let files = files.file("/home/u/.cache/containers/short-name-aliases.conf", text);
    assert_eq!(resolved(&user(), &files), "cache.io/app:latest");
    let elsewhere = user().with("XDG_CACHE_HOME", "/c");
    assert_eq!(resolved(&elsewhere, &files), "etc.io/app:latest");
    let files = files.file("/c/containers/short-name-aliases.conf", text);
    assert_eq!(resolved(&elsewhere, &files), "cache.io/app:latest");
}

#[test]
fn an_invalid_cache_stops_short_names_only() {
    let files = Memory::default()
        .file(ETC, &searching("a.io"))
        .file("/var/cache/containers/short-name-aliases.conf", "x");
    let conf = load(&root(), &files).unwrap();
    assert_eq!(conf.resolve("a.io/x").unwrap().candidates.len(), 1);
    let error = conf.resolve("x").unwrap_err();
    assert!(matches!(error, ResolveError::ShortNames { name, .. } if name == "x"));
}

#[test]
fn files_that_cannot_be_read_are_errors() {
    let files = Memory::default().unreadable(ETC);
    let error = load(&root(), &files).unwrap_err();
    assert!(
        matches!(error, RegistriesError::Read { path, .. } if path == std::path::Path::new(ETC))
    );
    let files = Memory::default().bytes(ETC, b"\n\xff");
    let error = load(&root(), &files).unwrap_err();
    assert_eq!(error.to_string(), format!("{ETC}:2: not UTF-8"));
}

#[test]
fn files_on_disk_are_found() {
    let dir = layerhold_testkit::scratch();
    let containers = dir.path().join(".config/containers");
    let drop_ins = containers.join("registries.conf.d");
    fs::create_dir_all(drop_ins.join("directory.conf")).unwrap();
    fs::write(containers.join("registries.conf"), searching("a.io")).unwrap();
    fs::write(drop_ins.join("text"), "short-name-mode = \"disabled\"").unwrap();
    symlink("text", drop_ins.join("1.conf")).unwrap();
    let environment = Environment::new(7).with("HOME", dir.path());
    let conf: RegistriesConf = load(&environment, &HostFiles).unwrap();
    assert_eq!(conf.search_registries(), ["a.io"]);
    assert_eq!(conf.short_name_mode(), ShortNameMode::Disabled);
    assert_eq!(conf.sources().len(), 2);
}
