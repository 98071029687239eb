//! Properties of all texts.

use layerhold_reference::Reference;
use layerhold_registries_conf::{Certificates, FileKind, RegistriesConf, ShortNames};
use proptest::prelude::*;

const NAMES: [&str; 6] = [
    "a.io/p/x:1",
    "x.a.io/p",
    "a.io:5000/p",
    "busybox",
    "localhost/p/q",
    "b.io/a.io",
];

/// Keys, values and headers of the format, and pieces that break it.
fn lines() -> impl Strategy<Value = String> {
    let text = "\"(\\*\\.)?(a|b|x\\.a|localhost)?(\\.io)?(:[0-9]{1,4})?(/[a-z]{1,2}){0,2}/?\"";
    let key = prop::sample::select(vec![
        "location",
        "prefix",
        "insecure",
        "blocked",
        "mirror-by-digest-only",
        "pull-from-mirror",
        "unqualified-search-registries",
        "credential-helpers",
        "short-name-mode",
        "aliases",
        "registry",
        "registries",
        "app",
        "Location",
    ]);
    let value = prop_oneof![
        6 => text,
        2 => Just("true".to_owned()),
        1 => "\\[(\"[a-z.]{1,4}\",?)*\\]",
        1 => "\"(all|tag-only|digest-only|enforcing|disabled)\"",
        1 => "\\PC{0,6}",
    ];
    let header = prop::sample::select(vec![
        "[[registry]]",
        "[[registry]]",
        "[[registry.mirror]]",
        "[aliases]",
        "[registries.search]",
        "[registries.block]",
        "[registry]",
        "[",
    ]);
    let line = prop_oneof![
        3 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => header.prop_map(str::to_owned),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_text_panics(text in "\\PC{0,80}|[\\[\\]a-z=\"'.{}\n ]{0,60}", name in "\\PC{0,20}") {
        let mut conf = RegistriesConf::default();
        let _ignored = conf.add("f", FileKind::Main, &text);
        let _ignored = conf.resolve(&name);
        let _ignored = ShortNames::parse("c", &text);
        let _ignored = conf.registry_of(&name);
        let _ignored = Certificates::in_directory("d".as_ref(), [text.into(), name.into()]);
    }

    #[test]
    fn the_last_source_is_the_location(text in lines(), other in lines()) {
        let mut conf = RegistriesConf::default();
        let _ignored = conf.add("f", FileKind::Main, &text);
        let _ignored = conf.add("g", FileKind::DropIn, &other);
        for name in NAMES {
            let image: Reference = name.parse().unwrap();
            let Some(registry) = conf.registry(&image) else {
                prop_assert_eq!(&conf.pull_sources(&image).unwrap()[0].reference, &image);
                continue;
            };
            let Ok(sources) = conf.pull_sources(&image) else {
                continue;
            };
            let (last, mirrors) = sources.split_last().unwrap();
            prop_assert!(!registry.blocked);
            // The location may be in a blocked registry.
            if last.is_mirror {
                continue;
            }
            prop_assert_eq!(last.insecure, registry.insecure);
            prop_assert!(mirrors.len() <= registry.mirrors.len());
            for source in &sources {
                // Tag and digest stay.
                prop_assert_eq!(source.reference.tag(), image.tag());
            }
            if let Some(location) = &registry.location {
                prop_assert!(last.reference.to_string().starts_with(location));
            }
        }
        for name in ["app", "app/x:1"] {
            if let Ok(resolved) = conf.resolve(name) {
                prop_assert!(resolved.candidates.iter().all(|image| image.tag().is_some()));
                prop_assert!(!resolved.candidates.is_empty());
            }
        }
    }

    #[test]
    fn chosen_names_are_read_as_they_were_written(
        names in prop::collection::btree_map("([a-z]/)?[a-z0-9]([._-][a-z]){0,2}", "[ab]\\.io/[a-z]{1,3}", 0..5)
    ) {
        let mut short_names = ShortNames::new("c");
        for (name, image) in &names {
            // A folder with a period would be a registry; these have none.
            short_names.insert(name, image.parse().unwrap()).unwrap();
        }
        let text = short_names.to_string();
        prop_assert_eq!(ShortNames::parse("c", &text).unwrap(), short_names);
    }
}
