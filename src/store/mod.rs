//! The store: where models and the ONNX Runtime library are found, their manifests and their hashes.
//!
//! In: a model's name. Out: a [`Model`], parsed and with every file checked against the manifest's sha256; trusted after that.
//! [`Plan`] adds a model to the user's own.

mod add;
mod locate;
mod manifest;

pub use add::{Addition, Plan};
pub use locate::{LIBRARY_VARIABLE, MODELS_VARIABLE, Places, library};
pub use manifest::{Accuracy, Family, FileEntry, Manifest, Model, Task};
