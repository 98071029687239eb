//! `WWW-Authenticate`:
//!
//! - No value makes the parser panic, and what it returns is bounded.
//! - Schemes and names of parameters are tokens in lower case, and each name stands once.
//! - Challenges that are written with all values quoted are parsed to the same ones.

use layerhold_registry::parse::{Challenge, parse_www_authenticate};

/// The most challenges, and parameters of one.
const MOST: usize = 16;

/// Checks one input: the value of a header.
pub fn run(data: &[u8]) {
    let value = String::from_utf8_lossy(data);
    let challenges = parse_www_authenticate(&value);
    assert!(challenges.len() <= MOST);
    for challenge in &challenges {
        check(challenge);
    }
    let written: Vec<String> = challenges.iter().map(write).collect();
    assert_eq!(parse_www_authenticate(&written.join(", ")), challenges);
}

fn check(challenge: &Challenge) {
    let is_token = |text: &str| {
        let is_part = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase();
        !text.is_empty() && text.chars().all(is_part) && !text.contains(['"', ',', '='])
    };
    assert!(is_token(&challenge.scheme), "{challenge:?}");
    assert!(challenge.parameters.len() <= MOST, "{challenge:?}");
    for (name, value) in &challenge.parameters {
        assert!(is_token(name), "{challenge:?}");
        assert_eq!(challenge.parameter(name), Some(value.as_str()));
        let same = challenge
            .parameters
            .iter()
            .filter(|(other, _)| other == name);
        assert_eq!(same.count(), 1, "{challenge:?}");
    }
}

fn write(challenge: &Challenge) -> String {
    let parameters = challenge.parameters.iter().map(|(name, value)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        format!("{name}=\"{value}\"")
    });
    let parameters: Vec<String> = parameters.collect();
    format!("{} {}", challenge.scheme, parameters.join(", "))
}
