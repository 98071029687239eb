//! `containers-storage`, command by command.

mod config;
mod copy;
mod data;
mod differences;
mod items;
mod mounts;
mod staged;
mod usage;
