//! `layerhold create`.

use layerhold::ContainerSpec;
use layerhold_oci::find_image;
use serde_json::json;

use super::Call;
use super::args::Create;
use crate::failure::Failure;

pub(super) fn run(call: &mut Call<'_, '_>, args: Create) -> Result<(), Failure> {
    let image = find_image(&call.store.snapshot()?, &args.image)?
        .id()
        .clone();
    let mut transaction = call.store.begin()?;
    let staged =
        transaction.create_container(ContainerSpec::new().names(args.name).image(image))?;
    let (id, layer) = (staged.id().clone(), staged.layer().clone());
    transaction.commit()?;
    if call.is_json() {
        return call.json(&json!({ "id": id.as_str(), "layer": layer.as_str() }));
    }
    call.line(id)
}
