//! `cargo xtask mutants`: whether the tests notice changes of the code.

use crate::Result;
use crate::args::Args;
use crate::package;
use crate::shell::{capture, cargo, last, program, project};
use crate::tools::{Tool, ensure};

pub(crate) const HELP: &str = "
Usage: cargo xtask mutants CRATE [--file GLOB] [-- ARGUMENTS OF CARGO-MUTANTS]
       cargo xtask mutants --diff [REVISION]

Changes one function at a time, such as by returning a constant, and runs the tests of the crate. A change that no test
notices is listed in `target/mutants.out/missed.txt`. Works on a copy of the tree. Installs cargo-mutants when it is missing
(about 2 minutes). Each change takes a build and a run of the crate's tests: seconds for a small crate, a minute and more for
the store and the drivers, so give a file or a diff there.

  CRATE            the package, such as layerhold-idmap
  --file GLOB      only functions of these files
  --diff REVISION  only functions that changed since the revision, in all crates (main)
";

const MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    about: "it changes the code and runs the tests; takes about 2 minutes",
};

pub(crate) fn run(mut args: Args) -> Result {
    let file = args.value::<String>("--file")?;
    let diff = args.flag("--diff");
    let word = args.word();
    let rest = args.rest();
    args.end()?;
    let mut mutants = cargo();
    mutants.args(["mutants", "--output", "target", "--baseline=run"]);
    if diff {
        let revision = word.unwrap_or_else(|| "main".to_owned());
        let change = capture(
            program("git")
                .current_dir(project())
                .args(["diff", &revision]),
        )?;
        let path = project().join("target/mutants.diff");
        std::fs::write(&path, change).map_err(|error| format!("{}: {error}", path.display()))?;
        mutants.arg("--in-diff").arg(path);
    } else {
        let names: Vec<String> = package::published()?
            .into_iter()
            .map(|one| one.name)
            .collect();
        let name = word.filter(|word| names.contains(word));
        let name = name.ok_or_else(|| format!("which crate? One of: {}", names.join(", ")))?;
        mutants.args(["--package", &name]);
    }
    if let Some(file) = file {
        mutants.args(["--file", &file]);
    }
    ensure(&MUTANTS)?;
    last(mutants.args(rest))
}
