//! Parsers of ID maps:
//!
//! - No parser panics, whatever the text.
//! - An accepted map, written and parsed again, is the same map.
//! - Translating outward and back gives the same ID, if no two ranges overlap.
//! - The override attribute, written and parsed again, is the same.

use layerhold_idmap::{IdKind, IdMap, OverrideStat, SubIdFile, SubIdOwner, parse_map_strings};

/// Checks one input.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    maps(&text);
    subordinate_ids(&text);
    if let Ok(stat) = text.parse::<OverrideStat>() {
        assert_eq!(stat.to_string().parse(), Ok(stat));
    }
}

fn maps(text: &str) {
    let specs: Vec<&str> = text.split([',', '\n']).collect();
    let Ok(map) = parse_map_strings(&specs, IdKind::Uid) else {
        return;
    };
    let written = map.to_string();
    let again: Vec<&str> = written.split(',').collect();
    assert_eq!(parse_map_strings(&again, IdKind::Gid).as_ref(), Ok(&map));
    translate(&map);
}

fn translate(map: &IdMap) {
    drop((
        map.root(),
        map.is_contiguous(),
        map.host_ids(),
        map.container_ids(),
    ));
    if map.check_overlaps().is_err() {
        return;
    }
    for range in map.ranges() {
        let inside = range.container;
        if let Ok(outside) = map.to_host(inside) {
            assert_eq!(map.to_container(outside), Ok(inside), "{map}");
        }
    }
}

fn subordinate_ids(text: &str) {
    let Ok(file) = SubIdFile::parse(text) else {
        return;
    };
    for owner in [SubIdOwner::new("user"), SubIdOwner::new("0").with_uid(1000)] {
        if let Ok(ranges) = file.ranges_for(owner) {
            translate(&IdMap::contiguous_from_zero(ranges));
        }
    }
}
