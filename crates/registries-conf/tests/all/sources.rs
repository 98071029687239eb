//! Which registry an image belongs to, and where it is pulled from.

use layerhold_reference::Reference;
use layerhold_registries_conf::{PullSourceError, RegistriesConf};

use crate::memory::{DIGEST, conf};

fn image(text: &str) -> Reference {
    text.parse().unwrap()
}

/// The sources as texts; insecure ones begin with `!`, mirrors end with `*`.
fn sources(conf: &RegistriesConf, text: &str) -> Vec<String> {
    let sources = conf.pull_sources(&image(text)).unwrap().into_iter();
    let text = sources.map(|source| {
        let insecure = if source.insecure { "!" } else { "" };
        let mirror = if source.is_mirror { "*" } else { "" };
        format!("{insecure}{}{mirror}", source.reference)
    });
    text.collect()
}

#[test]
fn the_longest_prefix_wins() {
    let conf = conf(
        r#"
        [[registry]]
        location = "a.io"
        [[registry]]
        location = "a.io/p"
        [[registry]]
        location = "a.io/p/q:1"
        [[registry]]
        prefix = "*.d"
        [[registry]]
        prefix = "*.c.io"
        [[registry]]
        location = "x.c.io"
    "#,
    )
    .unwrap();
    for (text, wanted) in [
        ("a.io/x", Some("a.io")),
        ("a.io:5000/x", Some("a.io")),
        ("a.io/p/q", Some("a.io/p")),
        ("a.io/pq", Some("a.io")),
        // Tags do not count.
        ("a.io/p/q:1", Some("a.io/p")),
        ("b.d/x", Some("*.d")),
        // Of the same length, the wildcard is first.
        ("x.c.io/x", Some("*.c.io")),
        ("b.io/x", None),
    ] {
        let found = conf.registry(&image(text)).map(|found| &*found.prefix);
        assert_eq!(found, wanted, "{text}");
    }
    assert_eq!(
        conf.registry_of("a.io").map(|found| &*found.prefix),
        Some("a.io")
    );
}

#[test]
fn an_unknown_registry_is_its_own_source() {
    let conf = RegistriesConf::default();
    assert_eq!(sources(&conf, "a.io/x:1"), ["a.io/x:1"]);
}

#[test]
fn mirrors_come_before_the_location() {
    let conf = conf(
        r#"
        [[registry]]
        prefix = "a.io/p"
        location = "b.io:1/q/"
        insecure = true
        [[registry.mirror]]
        location = "m.io/all"
        pull-from-mirror = "all"
        [[registry.mirror]]
        location = "m.io/digest"
        insecure = true
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "m.io/tag"
        pull-from-mirror = "tag-only"
    "#,
    )
    .unwrap();
    let by_tag = ["m.io/all/x:1*", "m.io/tag/x:1*", "!b.io:1/q/x:1"];
    assert_eq!(sources(&conf, "a.io/p/x:1"), by_tag);
    let x = format!("x@{DIGEST}");
    let by_digest = [
        format!("m.io/all/{x}*"),
        format!("!m.io/digest/{x}*"),
        format!("!b.io:1/q/{x}"),
    ];
    assert_eq!(sources(&conf, &format!("a.io/p/{x}")), by_digest);
}

#[test]
fn mirror_by_digest_only_is_for_all_mirrors() {
    let conf = conf(
        r#"
        [[registry]]
        location = "a.io"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "m.io"
    "#,
    )
    .unwrap();
    assert_eq!(sources(&conf, "a.io/x:1"), ["a.io/x:1"]);
    let x = format!("x:1@{DIGEST}");
    let wanted = [format!("m.io/{x}*"), format!("a.io/{x}")];
    assert_eq!(sources(&conf, &format!("a.io/{x}")), wanted);
}

#[test]
fn wildcards_keep_the_name_or_replace_the_host() {
    let text = "[[registry]]\nprefix = \"*.a.io\"\n";
    assert_eq!(sources(&conf(text).unwrap(), "x.a.io/p:1"), ["x.a.io/p:1"]);
    let replaced = format!("{text}location = \"b.io/q\"");
    let conf = conf(&replaced).unwrap();
    assert_eq!(sources(&conf, "y.x.a.io/p:1"), ["b.io/q/p:1"]);
}

#[test]
fn blocked_registries_have_no_sources() {
    let text = "[[registry]]\nlocation = \"a.io\"\nblocked = true\n[[registry.mirror]]\nlocation = \"m.io\"";
    let error = conf(text).unwrap().pull_sources(&image("a.io/x:1"));
    let wanted = PullSourceError::Blocked {
        reference: Box::new(image("a.io/x:1")),
        prefix: "a.io".into(),
        origin: "f".into(),
    };
    assert_eq!(error, Err(wanted));
}

#[test]
fn places_in_blocked_registries_are_left_out() {
    let text = r#"
        [[registry]]
        location = "a.io"
        [[registry.mirror]]
        location = "b.io/m"
        [[registry.mirror]]
        location = "c.io"
        [[registry]]
        location = "b.io"
        blocked = true
    "#;
    let only_mirrors = conf(text).unwrap();
    assert_eq!(
        sources(&only_mirrors, "a.io/x:1"),
        ["c.io/x:1*", "a.io/x:1"]
    );
    assert_eq!(only_mirrors.refusal(&image("a.io/x:1")), None);

    let text = "[[registry]]\nprefix = 'a.io'\nlocation = 'b.io/q'\n[[registry]]\nlocation = 'b.io'\nblocked = true";
    let all = conf(text).unwrap();
    let wanted = PullSourceError::Blocked {
        reference: Box::new(image("b.io/q/x:1")),
        prefix: "b.io".into(),
        origin: "f".into(),
    };
    assert_eq!(all.pull_sources(&image("a.io/x:1")), Err(wanted.clone()));
    assert_eq!(all.refusal(&image("b.io/q/x:1")), Some(wanted));
}

#[test]
fn a_location_that_makes_no_name_is_an_error() {
    for (location, reason) in [
        (
            "docker.io",
            "it is not complete, with the registry and all folders",
        ),
        (
            "b.io/Q",
            "a repository has lowercase letters, digits, and single separators between them",
        ),
    ] {
        let text = format!("[[registry]]\nprefix = \"a.io\"\nlocation = \"{location}\"");
        let error = conf(&text).unwrap().pull_sources(&image("a.io/x:1"));
        let Err(PullSourceError::Rewritten {
            location: found,
            source,
            ..
        }) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((&*found, source.reason), (location, reason));
    }
}
