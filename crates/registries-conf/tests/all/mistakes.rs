//! Invalid files, and files with settings that have no effect.

use layerhold_registries_conf::{
    FileKind, Problem, RegistriesConf, RegistriesError, TomlError, Warning,
};

use crate::memory::conf;

/// The line and the problem of an invalid file.
fn problem(text: &str) -> (usize, Problem) {
    match conf(text) {
        Err(RegistriesError::Invalid { line, problem, .. }) => (line, problem),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn invalid_values_are_errors_with_lines() {
    let text = |text: &str| text.to_owned();
    for (file, wanted) in [
        (
            "\n[[registry]]\nlocation = 'http://a.io'",
            (
                2,
                Problem::Scheme {
                    value: text("http://a.io"),
                },
            ),
        ),
        (
            "[[registry]]\nprefix = 'https://a.io'\nlocation = 'a.io'",
            (
                1,
                Problem::Scheme {
                    value: text("https://a.io"),
                },
            ),
        ),
        (
            "[[registry]]\nlocation = 'a'\n\n[[registry]]\n",
            (4, Problem::NoLocation),
        ),
        (
            "[[registry]]\nprefix = 'a.io/'",
            (
                1,
                Problem::LocationNeeded {
                    prefix: text("a.io"),
                },
            ),
        ),
        (
            "[[registry]]\nprefix = '*.a.io/p'",
            (
                1,
                Problem::Wildcard {
                    prefix: text("*.a.io/p"),
                },
            ),
        ),
        (
            "[[registry]]\nlocation = 'a'\npull-from-mirror = 'all'",
            (1, Problem::NotAMirror { prefix: text("a") }),
        ),
        (
            "[[registry]]\nlocation = 'a'\n[[registry.mirror]]\n",
            (3, Problem::MirrorLocation { prefix: text("a") }),
        ),
        (
            "[[registry]]\nlocation = 'a'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = 'm'\npull-from-mirror = 'all'",
            (4, Problem::UsedTwice { mirror: text("m") }),
        ),
        (
            "[[registry]]\nlocation = 'a'\n[[registry.mirror]]\nlocation = 'm'\npull-from-mirror = 'x'",
            (3, Problem::MirrorUse { value: text("x") }),
        ),
        (
            "[[registry]]\nlocation = 'a'\n[[registry]]\nprefix = 'b'\nlocation = 'a'\ninsecure = true",
            (
                3,
                Problem::Conflict {
                    location: text("a"),
                    setting: "insecure",
                },
            ),
        ),
        (
            "[[registry]]\nprefix = '*.a'\n[[registry]]\nprefix = '*.a'\nblocked = true",
            (
                3,
                Problem::Conflict {
                    location: text("*.a"),
                    setting: "blocked",
                },
            ),
        ),
        (
            "\nunqualified-search-registries = ['a.io', 'b/c']",
            (2, Problem::SearchRegistry { value: text("b/c") }),
        ),
        (
            "short-name-mode = 'prompt'",
            (
                1,
                Problem::Mode {
                    value: text("prompt"),
                },
            ),
        ),
        (
            "[aliases]\n'a:1' = 'a.io/a'",
            (2, Problem::AliasName { name: text("a:1") }),
        ),
        (
            "[aliases]\n\n'a_b.c/x' = 'a.io/a'",
            (
                3,
                Problem::AliasName {
                    name: text("a_b.c/x"),
                },
            ),
        ),
        (
            "[aliases]\na = 'b'",
            (
                2,
                Problem::AliasValue {
                    name: text("a"),
                    value: text("b"),
                },
            ),
        ),
        (
            "[aliases]\na = 'a.io/b:1'",
            (
                2,
                Problem::AliasValue {
                    name: text("a"),
                    value: text("a.io/b:1"),
                },
            ),
        ),
        (
            "short-name-mode = 'disabled'\n[registries.block]\nregistries = []",
            (3, Problem::TwoVersions),
        ),
    ] {
        assert_eq!(problem(file), wanted, "{file}");
    }
}

#[test]
fn wrong_types_name_the_key() {
    for (file, wanted) in [
        (
            "\n[[registry]]\nlocation = 1",
            "f:3: registry.location is an integer, which should be a string",
        ),
        (
            "[[registry]]\ninsecure = 'true'",
            "f:2: registry.insecure is a string, which should be a boolean",
        ),
        (
            "registry = 1",
            "f:1: registry is an integer, which should be a list of tables",
        ),
        (
            "[registry]",
            "f:1: registry is a table, which should be a list of tables",
        ),
        (
            "credential-helpers = [1]",
            "f:1: credential-helpers is an integer, which should be a list of strings",
        ),
        (
            "[aliases]\nx = true",
            "f:2: aliases.x is a boolean, which should be a string: put it in quotes",
        ),
        (
            "registries = 1.5",
            "f:1: registries is a floating-point number, which should be a table",
        ),
    ] {
        assert_eq!(conf(file).unwrap_err().to_string(), wanted);
    }
    let error = conf("\nx = \n").unwrap_err();
    assert!(
        matches!(
            error,
            RegistriesError::File(TomlError::Syntax { line: 2, .. })
        ),
        "{error:?}"
    );
}

#[test]
fn nothing_changes_after_an_error() {
    let mut conf = conf("unqualified-search-registries = ['a.io']").unwrap();
    let text = "unknown = 1\nunqualified-search-registries = ['b.io']\nshort-name-mode = 'x'";
    assert!(conf.add("g", FileKind::DropIn, text).is_err());
    assert_eq!(conf.search_registries(), ["a.io"]);
    assert_eq!((conf.sources().len(), conf.warnings()), (1, &[][..]));
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let conf = conf(
        "x = 1\naliases = 2\n[[registry]]\nLocation = 'a'\ny = 1\n[[registry]]\nlocation = 'a'",
    )
    .unwrap();
    let path = || "f".into();
    let wanted = [
        Warning::NotATable {
            path: path(),
            line: 2,
            key: "aliases".into(),
        },
        Warning::UnknownKey {
            path: path(),
            line: 1,
            key: "x".into(),
        },
        Warning::UnknownKey {
            path: path(),
            line: 5,
            key: "registry.y".into(),
        },
        Warning::SamePrefix {
            path: path(),
            line: 6,
            prefix: "a".into(),
        },
    ];
    assert_eq!(conf.warnings(), wanted);
    assert_eq!(wanted[2].to_string(), "f:5: unknown key registry.y");
    assert_eq!(conf.registries().count(), 1);
}

#[test]
fn version_1_is_read_in_the_main_file_only() {
    let text = "[registries.search]\nregistries = ['a.io/', 'b.io']\n[registries.insecure]\nregistries = ['c.io', 'd.io/']\n[registries.block]\nregistries = ['d.io']";
    let conf = conf(text).unwrap();
    assert_eq!(conf.search_registries(), ["a.io", "b.io"]);
    let registries = conf
        .registries()
        .map(|one| (&*one.prefix, one.insecure, one.blocked));
    assert_eq!(
        registries.collect::<Vec<_>>(),
        [("c.io", true, false), ("d.io", true, true)]
    );
    let error = RegistriesConf::default().add("g", FileKind::DropIn, text);
    assert!(
        matches!(
            error,
            Err(RegistriesError::Invalid {
                line: 2,
                problem: Problem::OldDropIn,
                ..
            })
        ),
        "{error:?}"
    );
}
