//! The command line `layerhold`.

mod build;
mod care;
mod commands;
mod cp;
mod export;
mod images;
mod large;
mod login;
mod mount_command;
mod names;
mod pull;
mod push;
mod registries;
mod timings;
mod wipe;
