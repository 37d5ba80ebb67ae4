//! Windows and features, computed once a hop without allocating.

pub mod recipe;
