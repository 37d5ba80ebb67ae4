//! What runs graphs: ONNX Runtime (its library, its one environment, execution providers and sessions) or, in builds with the feature
//! `tract`, tract.
//!
//! In: the path of a checked graph and [`GraphSettings`]. Out: a [`Graph`] that runs on the provider that was asked for;
//! a provider that cannot be had is an error here, never a silent fallback. Operators that it lacks are another matter: see
//! [`Provider`]. What a graph takes and gives is compared with what its family expects by [`Graph::expect`]. [`Graph::run`] is all
//! that a family needs whose tensors begin and end in the host's memory, and runs either way; a [`BoundGraph`] is ONNX Runtime's alone.

mod binding;
mod contract;
mod elf;
mod environment;
mod graph;
mod provider;
mod session;
mod tensor;
#[cfg(feature = "tract")]
mod tract;

pub use binding::{BoundGraph, Memory};
pub use contract::{Extent, Outlet, Port};
pub use environment::{TELEMETRY_VARIABLE, library_path, load_library, version};
pub use graph::{Graph, GraphSettings, StoredIntegers};
pub use provider::Provider;
pub(crate) use session::failed_run;
pub use tensor::{Input, Outputs};
