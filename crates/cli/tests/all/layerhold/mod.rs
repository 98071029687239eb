//! The command line `layerhold`.

mod care;
mod commands;
mod images;
mod mount_command;
mod names;
mod wipe;
