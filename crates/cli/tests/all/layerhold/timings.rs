//! `--timings`.

use serde_json::Value;

use crate::support::Place;

#[test]
fn root_what_took_the_time_is_shown_on_standard_error() {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    let load = ["load", archive.to_str().unwrap()];
    let ran = place.run([&load[..], &["--timings"]].concat());
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    let phases: Vec<&str> = err
        .lines()
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(
        phases,
        [
            "PHASE",
            "waiting for locks",
            "unpacking",
            "flushing",
            "committing",
            "erasing",
            "other",
            "total"
        ],
        "{err}"
    );
    assert!(ran.text().contains("2 new layers"));
    // A command that fails took time too.
    let ran = place.run(["--timings", "inspect", "nosuch"]);
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.code, Some(1));
    assert!(err.contains("total") && err.contains("nosuch"), "{err}");
}

#[test]
fn root_programs_get_seconds() {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    let ran = place.run([
        "--timings",
        "--format",
        "json",
        "load",
        archive.to_str().unwrap(),
    ]);
    let told: Value = serde_json::from_slice(&ran.stderr).unwrap();
    let seconds = told["seconds"].as_object().unwrap();
    let fields: Vec<&str> = seconds.keys().map(String::as_str).collect();
    let expected = [
        "lockWait", "unpack", "flush", "commit", "erase", "other", "total",
    ];
    assert_eq!(fields, expected);
    for field in ["lockWait", "unpack", "commit", "total"] {
        assert!(seconds[field].as_f64().unwrap() > 0.0, "{field}: {told}");
    }
    let sum: f64 = expected[..6]
        .iter()
        .map(|field| seconds[*field].as_f64().unwrap())
        .sum();
    assert!(sum >= seconds["total"].as_f64().unwrap() - 1e-6, "{told}");
    assert!(ran.text().contains("\"imported\": 2"));
}
