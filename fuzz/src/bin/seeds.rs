//! Writes the seeds of a target into a directory, or lists the targets.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["--list"] => {
            layerhold_fuzz::TARGETS
                .iter()
                .for_each(|target| println!("{}", target.name));
            ExitCode::SUCCESS
        }
        [name, directory] => write(name, Path::new(directory)),
        _ => {
            eprintln!("usage: seeds --list | seeds TARGET DIRECTORY");
            ExitCode::from(2)
        }
    }
}

fn write(name: &str, directory: &Path) -> ExitCode {
    let Some(target) = layerhold_fuzz::TARGETS
        .iter()
        .find(|target| target.name == name)
    else {
        eprintln!("there is no target {name}");
        return ExitCode::FAILURE;
    };
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        let path = directory.join(format!("seed-{number:03}"));
        if let Err(error) = std::fs::write(&path, seed) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
