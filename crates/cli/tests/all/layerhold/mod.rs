//! The command line `layerhold`.

mod care;
mod commands;
mod images;
mod names;
mod wipe;
