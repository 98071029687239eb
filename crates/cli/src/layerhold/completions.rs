//! `layerhold completions`.

use clap::CommandFactory;

use super::args::{Arguments, Completions};
use crate::failure::{Failure, stream};
use crate::streams::Streams;

pub(super) fn run(args: &Completions, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Arguments::command(),
        "layerhold",
        &mut script,
    );
    streams.exact().write_all(&script).map_err(stream)
}
