//! The known keys, and the settings that they change (Go: `types/options.go` and `pkg/config`).

use toml::de::DeTable;

use crate::document::Document;
use crate::driver_options::{GENERAL, OF_DRIVERS};
use crate::error::ConfigError;
use crate::section::Section;
use crate::settings::Settings;
use crate::warning::Warning;

/// Keys of `[storage.options]` without effect: removed from Go, or read there and not used.
const WITHOUT_EFFECT: [(&str, Option<&str>); 8] = [
    ("remap-uids", None),
    ("remap-gids", None),
    ("remap-user", None),
    ("remap-group", None),
    ("ostree_repo", None),
    // Files of old releases still have the device mapper's table.
    ("thinpool", None),
    ("imagestore", Some("storage.imagestore")),
    (
        "use_composefs",
        Some("storage.options.overlay.use_composefs"),
    ),
];

impl Document {
    /// Overrides settings with those of this file. After an error, `settings` are incomplete.
    ///
    /// # Errors
    ///
    /// If the text is not TOML, or a value has the wrong type.
    pub fn merge_into(
        &self,
        settings: &mut Settings,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), ConfigError> {
        let table = DeTable::parse(&self.text).map_err(|error| ConfigError::Syntax {
            path: self.path().to_owned(),
            line: self.line(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        merge(self, table.get_ref(), settings, warnings)
    }
}

fn merge(
    document: &Document,
    table: &DeTable<'_>,
    settings: &mut Settings,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    let mut root = Section::new(document, String::new(), table);
    if let Some(section) = root.section("storage")? {
        storage(section, settings, warnings)?;
    }
    root.finish(warnings);
    Ok(())
}

fn storage(
    mut section: Section<'_>,
    settings: &mut Settings,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    section.text("driver", &mut settings.driver)?;
    section.list("driver_priority", &mut settings.driver_priority)?;
    section.text("runroot", &mut settings.run_root)?;
    section.text("graphroot", &mut settings.graph_root)?;
    section.text("imagestore", &mut settings.image_store)?;
    section.text("rootless_storage_path", &mut settings.rootless_storage_path)?;
    section.boolean("transient_store", &mut settings.transient_store)?;
    if let Some(below) = section.section("options")? {
        options(below, settings, warnings)?;
    }
    section.finish(warnings);
    Ok(())
}

fn options(
    mut section: Section<'_>,
    settings: &mut Settings,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    section.list(
        "additionalimagestores",
        &mut settings.additional_image_stores,
    )?;
    section.list(
        "additionallayerstores",
        &mut settings.additional_layer_stores,
    )?;
    section.text("root-auto-userns-user", &mut settings.root_auto_userns_user)?;
    section.number("auto-userns-min-size", &mut settings.auto_userns_min_size)?;
    section.number("auto-userns-max-size", &mut settings.auto_userns_max_size)?;
    section.boolean("disable-volatile", &mut settings.disable_volatile)?;
    section.number("force_mask", &mut settings.force_mask)?;
    if let Some(pull) = section.section("pull_options")? {
        settings.pull_options.extend(pull.texts()?);
    }
    for key in GENERAL {
        driver_text(&mut section, key, key.to_owned(), settings)?;
    }
    for (driver, keys) in OF_DRIVERS {
        let Some(mut below) = section.section(driver)? else {
            continue;
        };
        for key in keys {
            driver_text(&mut below, key, format!("{driver}.{key}"), settings)?;
        }
        below.finish(warnings);
    }
    section.ignore(&WITHOUT_EFFECT, warnings);
    section.finish(warnings);
    Ok(())
}

fn driver_text(
    section: &mut Section<'_>,
    key: &str,
    option: String,
    settings: &mut Settings,
) -> Result<(), ConfigError> {
    if let Some(value) = section.take(key) {
        settings
            .driver_texts
            .insert(option, value.text()?.to_owned());
    }
    Ok(())
}
