//! Invalid files.

use layerhold_config::{ConfigError, TomlError};

use crate::memory::{Memory, conf};

const PATH: &str = "/etc/containers/storage.conf";

#[track_caller]
fn check(text: &str, expected: &str) {
    let error = conf(text).unwrap_err();
    assert_eq!(error.to_string(), format!("{PATH}:{expected}"), "{error:?}");
}

#[test]
fn wrong_types_are_told_with_file_and_line() {
    check(
        "[storage]\n\ndriver = 1\n",
        "3: storage.driver is an integer, which should be a string",
    );
    check(
        "[storage]\ntransient_store = 'true'\n",
        "2: storage.transient_store is a string, which should be a boolean",
    );
    check(
        "[storage.options.overlay]\nuse_composefs = true\n",
        "2: storage.options.overlay.use_composefs is a boolean, which should be a string: put it in quotes",
    );
    check(
        "[storage.options]\npull_options = {enable_partial_images = true}\n",
        "2: storage.options.pull_options.enable_partial_images is a boolean, which should be a string: put it in quotes",
    );
    check(
        "storage = 1\n",
        "1: storage is an integer, which should be a table",
    );
    check(
        "[[storage]]\n",
        "1: storage is a list, which should be a table",
    );
    check(
        "[storage]\ndriver_priority = 'a'\n",
        "2: storage.driver_priority is a string, which should be a list",
    );
    check(
        "[storage]\ndriver_priority = [1.5]\n",
        "2: storage.driver_priority is a floating-point number, which should be a list of strings",
    );
    check(
        "[storage]\ndriver_priority = [{append = 'false'}]\n",
        "2: storage.driver_priority.append is a string, which should be a boolean",
    );
    check(
        "[storage]\ndriver_priority = [{prepend = true}]\n",
        "2: storage.driver_priority has the attribute \"prepend\"; lists only take \"append\"",
    );
    check(
        "[storage.options]\nforce_mask = '0700'\n",
        "2: storage.options.force_mask is a string, which should be an integer",
    );
}

#[test]
fn numbers_have_limits() {
    for number in [
        "-1",
        "4294967296",
        "0xfffffffff",
        "99999999999999999999999999999999999999999999",
    ] {
        let text = format!("[storage.options]\nauto-userns-min-size = {number}\n");
        let error = conf(&text).unwrap_err();
        let is_range = matches!(
            error,
            ConfigError::File(TomlError::Range { line: 2, .. } | TomlError::Syntax { line: 2, .. })
        );
        assert!(is_range, "{number}: {error:?}");
    }
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    for (text, at) in [
        ("[storage]\ndriver = overlay\n", 2),
        ("[storage]\ndriver = 'a'\ndriver = 'b'\n", 3),
        ("[storage\n", 1),
        ("[storage]\n\n\n= 1\n", 4),
    ] {
        let error = conf(text).unwrap_err();
        assert!(
            matches!(&error, ConfigError::File(TomlError::Syntax { line, .. }) if *line == at),
            "{text:?}: {error:?}"
        );
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[test]
fn what_is_not_utf_8_is_told_with_its_line() {
    let files = Memory::default().bytes(PATH, b"[storage]\n# caf\xe9\n");
    let error = files.load().unwrap_err();
    assert_eq!(error.to_string(), format!("{PATH}:2: not UTF-8"));
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("x = {}", "[".repeat(100_000));
    assert!(matches!(
        conf(&text),
        Err(ConfigError::File(TomlError::Syntax { .. }))
    ));
    let text = format!("x = {}", "{a=".repeat(100_000));
    assert!(matches!(
        conf(&text),
        Err(ConfigError::File(TomlError::Syntax { .. }))
    ));
    // Dotted keys nest as well.
    let text = format!("{}b = 1", "a.".repeat(100_000));
    assert!(conf(&text).is_err() || !conf(&text).unwrap().warnings.is_empty());
}
