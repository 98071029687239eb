//! Entry point of `layerhold`.

use std::process::ExitCode;

fn main() -> ExitCode {
    layerhold_cli::main(
        "layerhold",
        layerhold_cli::layerhold::run,
        layerhold_cli::layerhold::USAGE,
    )
}
