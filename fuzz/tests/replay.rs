//! Runs seeds and past findings through every target, without a fuzzer.

use std::path::Path;

use layerhold_fuzz::{TARGETS, seeds};
use layerhold_schema::{
    ContainerRecord, ImageRecord, JsonRecord, LayerRecord, MountPointRecord, read_array,
    write_array,
};

#[test]
fn seeds_hold() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in seeds {
            (target.run)(&seed);
        }
    }
}

#[test]
fn findings_hold() {
    let findings = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings");
    for target in TARGETS {
        let Ok(entries) = std::fs::read_dir(findings.join(target.name)) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            (target.run)(&std::fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_target_of_the_fuzzer_is_replayed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    files.sort();
    let mut known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    known.sort();
    assert_eq!(files, known);
}

/// The format's description shows real files; reading and writing them must not change a byte.
#[test]
fn examples_of_the_description_come_back_byte_for_byte() {
    fn check<R: JsonRecord>(page: &str, expected: usize) {
        let examples = seeds::examples(page);
        assert_eq!(examples.len(), expected);
        for example in examples {
            let records: Vec<R> = read_array(&example).unwrap();
            assert_eq!(
                String::from_utf8(write_array(&records)),
                String::from_utf8(example)
            );
        }
    }
    let page = |name: &str| {
        std::fs::read_to_string(format!(
            "{}/../docs/format/{name}.md",
            env!("CARGO_MANIFEST_DIR")
        ))
        .unwrap()
    };
    check::<LayerRecord>(&page("layers"), 1);
    check::<ImageRecord>(&page("images"), 1);
    check::<ContainerRecord>(&page("containers"), 1);
    check::<MountPointRecord>(&page("mountpoints"), 1);
    let podman = page("podman");
    let (images, containers) = podman.split_once("## Containers").unwrap();
    check::<ImageRecord>(images, 1);
    check::<ContainerRecord>(containers, 1);
}
