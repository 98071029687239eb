//! What all targets reached.

use super::session::Told;

/// A table in Markdown.
pub(super) fn render(told: &[Told]) -> String {
    let mut lines = vec![
        "| Target | Runs | Edges reached | before | Features | before | Inputs kept | Found |"
            .to_owned(),
        "|---|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
    ];
    lines.extend(told.iter().map(|one| {
        format!(
            "| {} | {} | {} of {} | {} | {} | {} | {} | {} |",
            one.target,
            one.runs,
            one.after.edges,
            one.edges,
            one.before.edges,
            one.after.features,
            one.before.features,
            one.inputs,
            one.found.len()
        )
    }));
    lines.push(String::new());
    lines.push(
        "Edges are those of the target with all its dependencies; \"before\" is what the inputs of earlier runs and the seeds reach."
            .to_owned(),
    );
    lines.join("\n")
}
