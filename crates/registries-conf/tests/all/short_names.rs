//! What short names stand for.

use layerhold_registries_conf::{
    Origin, RegistriesConf, ResolveError, Resolved, Selection, ShortNames,
};

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
