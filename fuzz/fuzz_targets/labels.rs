//! The table of a tagger's labels, `index,mid,display_name`, of anything.
#![no_main]

use auricle::model::labels::parse_labels_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(labels) = parse_labels_of(text) {
        assert!(!labels.is_empty() && labels.iter().all(|label| !label.id.is_empty() && !label.name.is_empty()));
    }
});
