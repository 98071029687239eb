//! Properties of all texts.

use layerhold_config::{Environment, load};
use proptest::prelude::*;

use crate::memory::{Memory, conf};

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ignored = conf(&text);
    }

    #[test]
    fn any_string_comes_through(value in "[^\\x00-\\x1f\\x7f']{1,20}") {
        let config = conf(&format!("[storage.options.overlay]\nsize = '{value}'\n")).unwrap();
        prop_assert_eq!(config.driver_options, [format!("overlay.size={value}")]);
    }

    #[test]
    fn roots_are_absolute(graph in "[a./$]{1,8}", run in "[a./$]{1,8}", directory in "/[ab]{0,3}") {
        let text = format!("[storage]\ngraphroot = '{graph}'\nrunroot = '{run}'\n");
        let files = Memory::default().file("/etc/containers/storage.conf", &text);
        let environment = Environment::new(0).with("HOME", "/h").in_directory(&directory);
        if let Ok(config) = load(&environment, &files) {
            prop_assert!(config.graph_root.is_absolute() && config.run_root.is_absolute());
            let dots = |path: &std::path::Path| path.to_string_lossy().split('/').any(|part| part == "..");
            prop_assert!(!dots(&config.graph_root) && !dots(&config.run_root));
        }
    }
}
