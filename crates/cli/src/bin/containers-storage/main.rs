//! Entry point of `containers-storage`.

use std::process::ExitCode;

fn main() -> ExitCode {
    layerhold_cli::main(
        "containers-storage",
        layerhold_cli::containers_storage::run,
        layerhold_cli::containers_storage::FAILED,
    )
}
