//! ONNX Runtime and nothing else: its library, its one environment, execution providers and sessions.
//!
//! In: the path of a checked graph and [`GraphSettings`]. Out: a [`Graph`] that runs on the provider that was asked for;
//! a provider that cannot be had is an error here, never a silent fallback. Operators that it lacks are another matter: see
//! [`Provider`]. What a graph takes and gives is compared with what its family expects by [`Graph::expect`].

mod binding;
mod contract;
mod elf;
mod environment;
mod graph;
mod provider;

pub use binding::{BoundGraph, Memory};
pub use contract::{Extent, Port};
pub use environment::{TELEMETRY_VARIABLE, library_path, load_library, version};
pub(crate) use graph::failed_run;
pub use graph::{Graph, GraphSettings, StoredIntegers};
pub use provider::Provider;
