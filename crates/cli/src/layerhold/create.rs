//! `layerhold create`.

use layerhold::ContainerSpec;
use layerhold_oci::find_image;
use serde_json::json;

use super::args::Create;
use super::call::Call;
use crate::failure::Failure;

/// Why a name is refused for a container. podman has the same rule.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot call a container {name:?}: names consist of letters, digits, `_`, `.` and `-`, and begin with a letter or digit"
)]
struct BadName {
    name: String,
}

fn check_name(name: &str) -> Result<(), BadName> {
    let may_follow = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && name.chars().all(may_follow) {
        return Ok(());
    }
    Err(BadName {
        name: name.to_owned(),
    })
}

pub(super) fn run(call: &mut Call<'_, '_>, args: Create) -> Result<(), Failure> {
    for name in &args.name {
        check_name(name).map_err(Failure::value)?;
    }
    let image = find_image(&call.store.snapshot()?, &args.image)?
        .id()
        .clone();
    let image_id = image.clone();
    let mut transaction = call.store.begin()?;
    let staged =
        transaction.create_container(ContainerSpec::new().names(args.name).image(image))?;
    let (id, layer) = (staged.id().clone(), staged.layer().clone());
    transaction.commit()?;
    super::load::warn_of_depth(call, image_id.as_str())?;
    if call.is_json() {
        return call.json(&json!({ "id": id.as_str(), "layer": layer.as_str() }));
    }
    call.line(id)
}
