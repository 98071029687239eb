//! The known keys, and the settings that they change (Go: `types/options.go` and `pkg/config`).

use layerhold_toml_table::{Document, Table};

use crate::driver_options::{GENERAL, OF_DRIVERS};
use crate::error::ConfigError;
use crate::section::{boolean, finish, ignore, list, number, text};
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

/// Overrides settings with those of a file. After an error, `settings` are incomplete.
///
/// # Errors
///
/// The text is not TOML, or a value has the wrong type.
pub(crate) fn merge(
    document: &Document,
    settings: &mut Settings,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    let parsed = document.parse()?;
    let mut root = parsed.root();
    if let Some(section) = root.table("storage")? {
        storage(section, settings, warnings)?;
    }
    finish(root, warnings);
    Ok(())
}

fn storage(
    mut section: Table<'_>,
    settings: &mut Settings,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    text(&mut section, "driver", &mut settings.driver)?;
    list(
        &mut section,
        "driver_priority",
        &mut settings.driver_priority,
    )?;
    text(&mut section, "runroot", &mut settings.run_root)?;
    text(&mut section, "graphroot", &mut settings.graph_root)?;
    text(&mut section, "imagestore", &mut settings.image_store)?;
    text(
        &mut section,
        "rootless_storage_path",
        &mut settings.rootless_storage_path,
    )?;
    boolean(
        &mut section,
        "transient_store",
        &mut settings.transient_store,
    )?;
    if let Some(below) = section.table("options")? {
        options(below, settings, warnings)?;
    }
    finish(section, warnings);
    Ok(())
}

fn options(
    mut section: Table<'_>,
    settings: &mut Settings,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    list(
        &mut section,
        "additionalimagestores",
        &mut settings.additional_image_stores,
    )?;
    list(
        &mut section,
        "additionallayerstores",
        &mut settings.additional_layer_stores,
    )?;
    text(
        &mut section,
        "root-auto-userns-user",
        &mut settings.root_auto_userns_user,
    )?;
    number(
        &mut section,
        "auto-userns-min-size",
        &mut settings.auto_userns_min_size,
    )?;
    number(
        &mut section,
        "auto-userns-max-size",
        &mut settings.auto_userns_max_size,
    )?;
    boolean(
        &mut section,
        "disable-volatile",
        &mut settings.disable_volatile,
    )?;
    number(&mut section, "force_mask", &mut settings.force_mask)?;
    if let Some(pull) = section.table("pull_options")? {
        for value in pull.rest() {
            let text = value.text()?.to_owned();
            settings.pull_options.insert(value.name().to_owned(), text);
        }
    }
    for key in GENERAL {
        driver_text(&mut section, key, key.to_owned(), settings)?;
    }
    for (driver, keys) in OF_DRIVERS {
        let Some(mut below) = section.table(driver)? else {
            continue;
        };
        for key in keys {
            driver_text(&mut below, key, format!("{driver}.{key}"), settings)?;
        }
        finish(below, warnings);
    }
    ignore(&mut section, &WITHOUT_EFFECT, warnings);
    finish(section, warnings);
    Ok(())
}

fn driver_text(
    section: &mut Table<'_>,
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
