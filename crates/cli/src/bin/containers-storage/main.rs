//! Entry point of `containers-storage`.

use std::process::ExitCode;

fn main() -> ExitCode {
    layerhold_cli::main(
        "containers-storage",
        layerhold_cli::dropin::run,
        layerhold_cli::dropin::FAILED,
    )
}
