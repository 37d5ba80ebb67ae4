//! A manifest, `model.toml`, of anything: its parser, the checks of its paths and hashes.
#![no_main]

use auricle::store::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(manifest) = Manifest::parse(text) {
        for file in &manifest.files {
            assert!(file.path.is_relative() && file.sha256.len() == 64, "{file:?}");
        }
    }
});
