//! From audio to captions: voice activity, endpoints, rolling re-decodes, and the prefix of a caption that stays.
//!
//! In: 16 kHz audio at absolute positions. Out: `speech` and `caption` events. [`Engine`] owns the weights; [`Stream`] is the state
//! of one stream and is given the engine at every call, so that one engine serves many streams.

pub mod agreement;
mod commit;
pub mod endpoint;
mod engine;
mod held;
mod refresh;
mod settings;
mod stream;
mod window;
mod windowed;

pub use commit::{AgreementSettings, CommitRule};
pub use endpoint::EndpointSettings;
pub use engine::Engine;
pub use refresh::RefreshSettings;
pub use settings::{Preset, Settings};
pub use stream::Stream;
pub use window::WindowSettings;
