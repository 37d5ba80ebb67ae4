//! The arguments of `auricle bench`.

use clap::{Args, Subcommand};

use super::model::Model;

/// Measure what models and sessions cost.
#[derive(Debug, Args)]
#[command(subcommand_value_name = "COMMAND")]
pub struct Bench {
    /// What to measure
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// The commands below `bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    Model(Model),
}
