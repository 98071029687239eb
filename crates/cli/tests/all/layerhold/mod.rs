//! `layerhold`, command by command.

mod care;
mod commands;
mod images;
