//! What short names stand for.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use layerhold_registries_conf::{
    Origin, Problem, RecordError, RegistriesConf, ResolveError, Resolved, Selection, ShortNames,
};
use layerhold_testkit::{TempDir, scratch};

use crate::memory::{DIGEST, conf};

const TWO: &str = "unqualified-search-registries = [\"a.io\", \"docker.io\"]\n";

fn names(resolved: &Resolved) -> Vec<String> {
    resolved
        .candidates
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_name_with_a_registry_stands_for_itself() {
    let resolved = conf(TWO).unwrap().resolve("b.io/x").unwrap();
    assert_eq!(names(&resolved), ["b.io/x:latest"]);
    assert_eq!(
        (resolved.origin, resolved.selection),
        (Origin::Name, Selection::InOrder)
    );
}

#[test]
fn the_mode_says_how_registries_are_searched() {
    for (mode, selection, kept_as) in [
        ("", Selection::ChoiceIfTerminal, Some("x")),
        ("permissive", Selection::ChoiceIfTerminal, Some("x")),
        ("enforcing", Selection::Choice, Some("x")),
        ("disabled", Selection::InOrder, None),
    ] {
        let conf = conf(&format!("{TWO}short-name-mode = \"{mode}\"")).unwrap();
        let resolved = conf.resolve("x:1").unwrap();
        assert_eq!(names(&resolved), ["a.io/x:1", "docker.io/library/x:1"]);
        assert_eq!(resolved.origin, Origin::SearchRegistries("f".into()));
        assert_eq!(resolved.selection, selection, "{mode}");
        assert_eq!(resolved.kept_as.as_deref(), kept_as, "{mode}");
    }
}

#[test]
fn one_registry_needs_no_choice() {
    let text = "unqualified-search-registries = [\"a.io\"]\nshort-name-mode = \"enforcing\"";
    let resolved = conf(text).unwrap().resolve("x").unwrap();
    assert_eq!(
        (names(&resolved), resolved.selection),
        (vec!["a.io/x:latest".into()], Selection::InOrder)
    );
}

#[test]
fn an_alias_keeps_tag_and_digest_of_the_name() {
    let conf = conf(&format!(
        "{TWO}[aliases]\n\"p/x\" = \"docker.io/y\"\nz = \"\""
    ))
    .unwrap();
    let resolved = conf.resolve("p/x").unwrap();
    assert_eq!(resolved.origin, Origin::Alias("f".into()));
    assert_eq!(names(&resolved), ["docker.io/library/y:latest"]);
    let both = format!(":1@{DIGEST}");
    let resolved = conf.resolve(&format!("p/x{both}")).unwrap();
    assert_eq!(names(&resolved), [format!("docker.io/library/y{both}")]);
    assert_eq!(conf.resolve("z").unwrap().candidates.len(), 2);
    assert!(matches!(conf.resolve("p/x:"), Err(ResolveError::Name(_))));
}

#[test]
fn chosen_names_win_even_if_they_are_empty() {
    let mut conf = conf(&format!("{TWO}[aliases]\nx = \"b.io/x\"\ny = \"b.io/y\"")).unwrap();
    let mut chosen = ShortNames::parse("c", "[aliases]\ny = \"\"").unwrap();
    chosen.insert("x", "c.io/x".parse().unwrap()).unwrap();
    conf.set_short_names(chosen);
    let resolved = conf.resolve("x").unwrap();
    assert_eq!(resolved.origin, Origin::Alias("c".into()));
    assert_eq!(names(&resolved), ["c.io/x:latest"]);
    assert_eq!(conf.resolve("y").unwrap().candidates.len(), 2);
}

#[test]
fn local_names_are_searched_in_localhost_first() {
    let conf = conf(&format!("{TWO}[aliases]\nx = \"b.io/x\"")).unwrap();
    let local = |name| -> Vec<String> {
        let images = conf.resolve_locally(name).unwrap();
        images.iter().map(ToString::to_string).collect()
    };
    let wanted = [
        "b.io/x:1",
        "localhost/x:1",
        "a.io/x:1",
        "docker.io/library/x:1",
    ];
    assert_eq!(local("x:1"), wanted);
    assert_eq!(local("q.io/x"), ["q.io/x:latest"]);
}

#[test]
fn without_registries_a_short_name_stands_for_nothing() {
    for (conf, origin, message) in [
        (
            RegistriesConf::default(),
            None,
            "there is no registries.conf",
        ),
        (
            conf("").unwrap(),
            Some("f".into()),
            "it has no alias, and f has no unqualified-search-registries",
        ),
    ] {
        let error = conf.resolve("x").unwrap_err();
        let text = format!(
            "cannot resolve the short name \"x\": {message}; give the registry, as in \"quay.io/x\""
        );
        assert_eq!(error.to_string(), text);
        let ResolveError::NoRegistries { origin: found, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(found, origin);
        assert!(matches!(conf.resolve("X"), Err(ResolveError::Name(_))));
    }
}

/// A file of aliases in a directory that does not exist yet.
fn cache(dir: &TempDir) -> PathBuf {
    dir.path().join("containers/short-name-aliases.conf")
}

#[test]
fn a_choice_is_kept_beside_others() {
    let dir = scratch();
    let path = cache(&dir);
    let mut conf = conf("unqualified-search-registries = ['a.io', 'b.io']").unwrap();
    conf.set_short_names(ShortNames::new(&path));
    let resolved = conf.resolve("lib/app:1").unwrap();
    assert!(
        conf.keep_choice(&resolved, &resolved.candidates[1])
            .unwrap()
    );
    let text = "[aliases]\n  \"lib/app\" = \"b.io/lib/app\"\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let lock = path.with_file_name("short-name-aliases.conf.lock");
    assert_eq!(fs::read(lock).unwrap(), b"");
    // It counts from now on, and there is nothing to keep any more.
    let again = conf.resolve("lib/app").unwrap();
    assert_eq!(again.candidates, ["b.io/lib/app:latest".parse().unwrap()]);
    assert!(!conf.keep_choice(&again, &again.candidates[0]).unwrap());

    // What another process wrote stays.
    fs::write(&path, "[aliases]\nx = \"c.io/x\"\noff = \"\"\n").unwrap();
    let kept = ShortNames::keep(&path, "app", "a.io/app:2".parse().unwrap()).unwrap();
    let text = "[aliases]\n  app = \"a.io/app\"\n  off = \"\"\n  x = \"c.io/x\"\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(kept, ShortNames::parse(&path, text).unwrap());
    let left = ShortNames::forget(&path, "x").unwrap();
    assert_eq!(left.get("x"), None);
    assert_eq!(fs::read_to_string(&path).unwrap(), left.to_string());
}

#[test]
fn a_file_that_is_not_understood_is_left_alone() {
    let dir = scratch();
    let path = dir.path().join("c");
    fs::write(&path, "x = [").unwrap();
    let error = ShortNames::keep(&path, "app", "a.io/app".parse().unwrap()).unwrap_err();
    assert!(matches!(error, RecordError::Read(_)), "{error:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "x = [");
    let path = dir.path().join("d");
    let error = ShortNames::keep(&path, "a.io/app", "a.io/app".parse().unwrap()).unwrap_err();
    assert!(
        matches!(error, RecordError::Name(Problem::AliasName { .. })),
        "{error:?}"
    );
    assert!(!path.exists());
    ShortNames::forget(&path, "app").unwrap();
    assert!(!path.exists());
}

#[test]
fn a_link_stays_one() {
    let dir = scratch();
    let (path, real) = (dir.path().join("c"), dir.path().join("real"));
    fs::write(&real, "").unwrap();
    symlink("real", &path).unwrap();
    drop(ShortNames::keep(&path, "app", "a.io/app".parse().unwrap()).unwrap());
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(
        fs::read_to_string(real).unwrap(),
        "[aliases]\n  app = \"a.io/app\"\n"
    );
}

#[test]
fn changes_at_the_same_moment_are_all_kept() {
    let dir = scratch();
    let path = dir.path().join("c");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            let name = format!("app{number}");
            scope.spawn(move || {
                let image = format!("a.io/{name}").parse().unwrap();
                drop(ShortNames::keep(path, &name, image).unwrap());
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 9, "{text}");
}
