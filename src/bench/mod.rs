//! The bench: what models and sessions cost, measured.

pub mod model;
pub mod stages;
