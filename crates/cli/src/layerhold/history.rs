//! `layerhold history`.

use layerhold::Layer;
use layerhold_oci::find_image;
use layerhold_schema::Timestamp;
use serde_json::{Value, json};

use super::args::History;
use super::call::Call;
use super::image_configuration::configuration;
use super::list::{created, print};
use super::table::Align;
use super::units::{short, size};
use crate::failure::Failure;

/// The width of a column of free text.
const TEXT: usize = 45;

/// A step in the making of an image.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    created: Option<String>,
    created_by: String,
    comment: String,
    author: String,
    /// Whether the step made no layer.
    is_empty: bool,
}

/// Prints the steps in which an image was made, the last one first.
pub(super) fn run(call: &mut Call<'_, '_>, args: &History) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    let image = find_image(&snapshot, &args.image)?;
    let layers = match image.top_layer() {
        Some(top) => snapshot.layer_chain(top)?,
        None => Vec::new(),
    };
    let configuration = configuration(call.store, &image)?;
    let steps = steps(configuration.as_ref());
    let rows = with_layers(steps, layers);
    if call.is_json() {
        let items: Vec<_> = rows
            .iter()
            .map(|(step, layer)| as_json(step, layer.as_deref()))
            .collect();
        return call.json(&json!(items));
    }
    let text = |text: &str| match args.no_trunc {
        true => text.to_owned(),
        false => shortened(text),
    };
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|(step, layer)| {
            let id = layer.as_ref().map_or("", |layer| layer.id().as_str());
            let time = step
                .created
                .as_deref()
                .and_then(|text| text.parse::<Timestamp>().ok());
            vec![
                if args.no_trunc { id } else { short(id) }.to_owned(),
                time.map(created).unwrap_or_default(),
                text(&step.created_by),
                size_of(step, layer.as_deref())
                    .map(size)
                    .unwrap_or_default(),
                text(&step.comment),
            ]
        })
        .collect();
    let columns = [
        ("LAYER", Align::Left),
        ("CREATED", Align::Left),
        ("CREATED BY", Align::Left),
        ("SIZE", Align::Right),
        ("COMMENT", Align::Left),
    ];
    print(call, &columns, &rows)
}

/// The steps of a configuration, the first one first.
fn steps(configuration: Option<&Value>) -> Vec<Step> {
    let history = configuration
        .and_then(|configuration| configuration.get("history"))
        .and_then(Value::as_array);
    let text = |step: &Value, field: &str| {
        let text = step.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    history
        .into_iter()
        .flatten()
        .map(|step| Step {
            created: step
                .get("created")
                .and_then(Value::as_str)
                .map(str::to_owned),
            created_by: text(step, "created_by"),
            comment: text(step, "comment"),
            author: text(step, "author"),
            is_empty: step
                .get("empty_layer")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
        })
        .collect()
}

/// Gives each step its layer. Both begin with the last one in the result; `layers` does already.
/// Layers without a step follow, then steps whose layers the image does not have.
fn with_layers<L>(mut steps: Vec<Step>, layers: Vec<L>) -> Vec<(Step, Option<L>)> {
    let made = steps.iter().filter(|step| !step.is_empty).count();
    // A history may be left out, wholly or for the first layers.
    let missing = layers.len().saturating_sub(made);
    let unknown = std::iter::repeat_with(Step::default).take(missing);
    steps.splice(0..0, unknown);
    let mut layers = layers.into_iter();
    steps
        .into_iter()
        .rev()
        .map(|step| {
            let layer = if step.is_empty { None } else { layers.next() };
            (step, layer)
        })
        .collect()
}

/// The size of what a step added, if it is recorded.
fn size_of(step: &Step, layer: Option<&Layer>) -> Option<u64> {
    match layer {
        Some(layer) => layer.diff_size(),
        None => step.is_empty.then_some(0),
    }
}

fn as_json(step: &Step, layer: Option<&Layer>) -> Value {
    json!({
        "layer": layer.map(|layer| layer.id().as_str()),
        "created": step.created,
        "createdBy": step.created_by,
        "size": size_of(step, layer),
        "comment": step.comment,
        "author": step.author,
        "emptyLayer": step.is_empty,
    })
}

/// A text on one line that is not too long: runs of white space become one space.
fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    if text.chars().count() <= TEXT {
        return text;
    }
    let start: String = text.chars().take(TEXT - 1).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(by: &str, is_empty: bool) -> Step {
        Step {
            created_by: by.to_owned(),
            is_empty,
            ..Step::default()
        }
    }

    #[test]
    fn each_step_has_its_layer() {
        let steps = vec![made("a", false), made("b", true), made("c", false)];
        let rows = with_layers(steps, vec![2, 1]);
        assert_eq!(
            rows,
            [
                (made("c", false), Some(2)),
                (made("b", true), None),
                (made("a", false), Some(1)),
            ]
        );
    }

    #[test]
    fn layers_without_a_step_and_steps_without_a_layer_are_shown() {
        assert_eq!(
            with_layers(vec![made("b", false)], vec![2, 1]),
            [(made("b", false), Some(2)), (made("", false), Some(1))]
        );
        assert_eq!(
            with_layers(vec![made("a", false), made("b", false)], vec![1]),
            [(made("b", false), Some(1)), (made("a", false), None)]
        );
        assert_eq!(with_layers::<u8>(Vec::new(), Vec::new()), []);
    }

    #[test]
    fn any_history_is_read() {
        for text in ["null", "[]", "{\"history\":7}", "{\"history\":null}"] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(steps(Some(&value)), [], "{text}");
        }
        let value = json!({ "history": [7, { "created_by": [], "empty_layer": "x" }] });
        assert_eq!(steps(Some(&value)), [Step::default(), Step::default()]);
    }

    #[test]
    fn long_texts_are_shortened() {
        assert_eq!(shortened("a\n\t b"), "a b");
        let long = "ä".repeat(TEXT + 1);
        assert_eq!(shortened(&long), format!("{}…", "ä".repeat(TEXT - 1)));
        assert_eq!(shortened(&long[2..]), long[2..]);
    }
}
