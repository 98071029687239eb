//! Where signatures are.

use std::path::PathBuf;

use layerhold_registries_conf::{
    Environment, Lookaside, LookasideError, LookasideProblem, RegistriesD, RegistriesDError,
    Warning, YamlProblem,
};

use crate::memory::{DIGEST, Memory, root, user};

const ETC: &str = "/etc/containers/registries.d";
const OF_USER: &str = "/home/u/.config/containers/registries.d";

fn one(text: &str) -> Result<RegistriesD, RegistriesDError> {
    let mut found = RegistriesD::default();
    found.add("f.yaml", text)?;
    Ok(found)
}

/// Where signatures of an image are read, and where they are written.
fn places(found: &RegistriesD, image: &str) -> (String, String) {
    let image = image.parse().unwrap();
    let read = match found.read_from(&image) {
        Ok(Some(Lookaside::Url(url))) => url.expose(),
        Ok(place) => place.map_or("-".to_owned(), |place| place.to_string()),
        Err(error) => error.to_string(),
    };
    let write = match found.write_to(&image) {
        Ok(place) => place.map_or("-".to_owned(), |path| path.display().to_string()),
        Err(error) => error.to_string(),
    };
    (read, write)
}

#[test]
fn each_setting_is_that_of_the_most_precise_scope_with_it() {
    let found = one("
default-docker:
    lookaside-staging: file:///default
docker:
    a.io: { lookaside: 'https://a.io/s', use-sigstore-attachments: true }
    a.io/f: { lookaside-staging: 'file:///staging' }
    a.io/f/app: { use-sigstore-attachments: false }
    a.io/f/app:1: { lookaside: 'file:///one' }
    '*.b.io': { lookaside: 'https://b.io' }
    c.io:5000: { sigstore: 'file:///old', sigstore-staging: 'file:///old-staging' }
    c.io: { sigstore: 'file:///old', lookaside: 'file:///new' }
")
    .unwrap();
    let uses = |image: &str| found.uses_attachments(&image.parse().unwrap());
    for (image, read, write, attachments) in [
        (
            "a.io/x",
            "https://a.io/s/x",
            "cannot write signatures to https://a.io/s/x: set lookaside-staging to a file:// URL in f.yaml",
            true,
        ),
        ("a.io/f/x", "https://a.io/s/f/x", "/staging/f/x", true),
        (
            "a.io/f/app",
            "https://a.io/s/f/app",
            "/staging/f/app",
            false,
        ),
        ("a.io/f/app:1", "/one/f/app", "/one/f/app", false),
        (
            "a.io/f/app:2",
            "https://a.io/s/f/app",
            "/staging/f/app",
            false,
        ),
        (
            "a.io:80/x",
            "/var/lib/containers/sigstore/x",
            "/default/x",
            false,
        ),
        (
            "x.y.b.io:80/x",
            "https://b.io/x",
            "cannot write signatures to https://b.io/x: set lookaside-staging to a file:// URL in f.yaml",
            false,
        ),
        ("c.io:5000/x", "/old/x", "/old-staging/x", false),
        ("c.io/x", "/new/x", "/new/x", false),
        (
            "busybox",
            "/var/lib/containers/sigstore/library/busybox",
            "/default/library/busybox",
            false,
        ),
    ] {
        let wanted = (read.to_owned(), write.to_owned());
        assert_eq!(places(&found, image), wanted, "{image}");
        assert_eq!(uses(image), attachments, "{image}");
    }
}

#[test]
fn an_image_is_looked_up_by_its_digest_and_else_by_its_tag() {
    let text = format!(
        "docker: {{'a.io/x@{DIGEST}': {{sigstore: 'file:///d'}}, 'a.io/x:latest': {{sigstore: 'file:///l'}}}}"
    );
    let found = one(&text).unwrap();
    let read = |image: &str| places(&found, image).0;
    assert_eq!(read(&format!("a.io/x:1@{DIGEST}")), "/d/x");
    assert_eq!(read("a.io/x"), "/l/x");
    assert_eq!(read("a.io/x:1"), "/var/lib/containers/sigstore/x");
}

#[test]
fn urls_that_are_no_places_are_told_when_they_are_needed() {
    let found = one("docker: {a.io: {lookaside: s, lookaside-staging: 'file:///s'}}").unwrap();
    let image = "a.io/x".parse().unwrap();
    let error = found.read_from(&image).unwrap_err();
    let wanted = LookasideError::Url {
        scope: "a.io".to_owned(),
        path: "f.yaml".into(),
        source: LookasideProblem::NotAUrl,
    };
    assert_eq!(error, wanted);
    assert_eq!(found.write_to(&image), Ok(Some("/s/x".into())));
}

#[test]
fn the_directory_of_the_user_hides_that_of_the_system() {
    let (etc, own) = (format!("{ETC}/a.yaml"), format!("{OF_USER}/a.yaml"));
    let text = |path: &str| format!("default-docker: {{sigstore: 'file://{path}'}}");
    let read = |environment: &Environment, files: &Memory| {
        let found = RegistriesD::load(environment, files).unwrap();
        places(&found, "a.io/x").0
    };
    let files = Memory::default();
    let of_user = "/home/u/.local/share/containers/sigstore/x";
    assert_eq!(read(&root(), &files), "/var/lib/containers/sigstore/x");
    assert_eq!(read(&user(), &files), of_user);
    assert_eq!(read(&Environment::new(7), &files), "-");
    let files = files.file(&etc, &text("/etc"));
    assert_eq!(read(&user(), &files), "/etc/x");
    let files = files.file(&own, &text("/own"));
    assert_eq!(read(&user(), &files), "/own/x");
    assert_eq!(read(&root(), &files), "/etc/x");
    let none = Memory::default()
        .file(&etc, &text("/etc"))
        .file(&format!("{OF_USER}/a.yml"), &text("/own"));
    assert_eq!(read(&user(), &none), of_user);
    let unreachable = Memory::default()
        .file(&etc, &text("/etc"))
        .unreachable(OF_USER);
    assert_eq!(read(&user(), &unreachable), "/etc/x");
}

#[test]
fn two_files_have_no_section_for_one_scope() {
    let (a, b) = (format!("{ETC}/a.yaml"), format!("{ETC}/b.yaml"));
    let load = |first: &str, second: &str| {
        let files = Memory::default().file(&a, first).file(&b, second);
        RegistriesD::load(&root(), &files).map(drop)
    };
    load("docker: {a.io: {}}", "docker: {b.io: {}}\ndefault-docker:").unwrap();
    load("default-docker: {}", "default-docker:").unwrap();
    for (text, wanted) in [
        ("docker: {a.io: }", Some("a.io".to_owned())),
        ("default-docker: {}", None),
    ] {
        let error = load(text, text).unwrap_err();
        let RegistriesDError::Twice {
            scope,
            first,
            second,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(
            (scope, first, second),
            (wanted, PathBuf::from(&a), PathBuf::from(&b))
        );
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let path = format!("{ETC}/a.yaml");
    let load = |files: Memory| RegistriesD::load(&root(), &files).unwrap_err();
    let error = load(Memory::default().unreadable(ETC));
    assert!(matches!(&error, RegistriesDError::Read { path, .. } if path.as_os_str() == ETC));
    let error = load(Memory::default().file(&path, "").unreadable(&path));
    assert!(
        matches!(&error, RegistriesDError::Read { path: found, .. } if found.as_os_str() == &*path)
    );
    let error = load(Memory::default().bytes(&path, b"a: b\n\xff"));
    assert_eq!(error.to_string(), format!("{path}:2: not UTF-8"));
    let error = load(Memory::default().file(&path, &"#".repeat(1024 * 1024 + 1)));
    assert!(matches!(error, RegistriesDError::TooLarge { .. }));
}

#[test]
fn values_are_as_strict_as_in_go() {
    for text in [
        "",
        "---",
        "# nothing",
        "~",
        "{}",
        "docker:",
        "docker: ~\ndefault-docker: null",
        "docker: {a.io: }",
        "docker: {1: {lookaside: 5}}",
        "docker: {~: 5}",
        "docker: {a.io: {lookaside: }}",
        "\u{feff}docker: {}",
        "a: &x {lookaside: 's'}\ndocker: {a.io: *x, b.io: *x}",
        "docker: {}\n--- ]\n",
        "docker: {a.io: {lookaside: !!str 5}}",
    ] {
        one(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    }
    for (text, wanted) in [
        (
            "x",
            "f.yaml:1: the file is a text, which should be a mapping",
        ),
        (
            "\n- x",
            "f.yaml:2: the file is a list, which should be a mapping",
        ),
        (
            "docker: x",
            "f.yaml:1: docker is a text, which should be a mapping",
        ),
        (
            "docker:\n  a: []",
            "f.yaml:2: docker.a is a list, which should be a mapping",
        ),
        (
            "docker: {a: {lookaside: []}}",
            "f.yaml:1: docker.a.lookaside is a list, which should be a text",
        ),
        (
            "docker: {a: {use-sigstore-attachments: 1}}",
            "f.yaml:1: docker.a.use-sigstore-attachments is a text, which should be true or false",
        ),
        (
            "docker: {a: {use-sigstore-attachments: 'true'}}",
            "f.yaml:1: docker.a.use-sigstore-attachments is a text, which should be true or false",
        ),
        (
            "docker:\n  a: {}\n  a: {}",
            "f.yaml:3: the key \"a\" is there twice",
        ),
        (
            "docker: {}\ndocker: {}",
            "f.yaml:2: the key \"docker\" is there twice",
        ),
        (
            "? []\n: x",
            "f.yaml:1: a key of the file is a list, which should be a text",
        ),
        (
            "docker: {a: &a {<<: *a}}",
            "f.yaml:1: an alias of what it is in cannot be used here: write the value out",
        ),
        (
            "docker: {a: &a {}, b: {<<: *a}}",
            "f.yaml:1: a merge key (<<) cannot be used here: write the value out",
        ),
        (
            "docker: {a: {lookaside: !!binary eA==}}",
            "f.yaml:1: a tag cannot be used here: write the value out",
        ),
    ] {
        assert_eq!(one(text).unwrap_err().to_string(), wanted, "{text:?}");
    }
    for text in ["}", "docker: {", "a: b: c", "docker: *x", "\t- x: ["] {
        let error = one(text).unwrap_err();
        let is_syntax = matches!(
            &error,
            RegistriesDError::Invalid {
                problem: YamlProblem::Syntax { .. },
                ..
            }
        );
        assert!(is_syntax, "{text:?}: {error:?}");
    }
}

#[test]
fn booleans_have_many_words() {
    let uses = |word: &str| {
        let found = one(&format!(
            "default-docker: {{use-sigstore-attachments: {word}}}"
        ));
        found
            .ok()
            .map(|found| found.uses_attachments(&"a.io/x".parse().unwrap()))
    };
    for word in ["true", "TRUE", "yes", "'on'", "Y"] {
        assert_eq!(uses(word), Some(true), "{word}");
    }
    for word in ["false", "No", "off", "\"n\"", "~", ""] {
        assert_eq!(uses(word), Some(false), "{word}");
    }
    for word in ["tRUE", "0", "'false'", "[]"] {
        assert_eq!(uses(word), None, "{word}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(100_000),
    ] {
        assert!(matches!(one(&text), Err(RegistriesDError::Invalid { .. })));
    }
}

#[test]
fn unknown_keys_are_warnings() {
    let found = one("docker:\n  a.io:\n    lokaside: x\nother: y\n").unwrap();
    let keys = found.warnings().iter().map(|warning| match warning {
        Warning::UnknownKey { line, key, .. } => (*line, key.as_str()),
        other => panic!("{other:?}"),
    });
    let wanted = [(3, "docker.a.io.lokaside"), (4, "other")];
    assert_eq!(keys.collect::<Vec<_>>(), wanted);
}
