//! A tokenizer of anything, and the spelling of tokens with it.
#![no_main]

use auricle::decode::tokenizer::Tokenizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    for vocabulary in [1, 300, 32_768] {
        let Ok(tokenizer) = Tokenizer::parse(file, vocabulary) else { continue };
        let spelled: usize = (0..40_000).map(|id| tokenizer.bytes(id).len()).sum();
        assert!(spelled <= file.len());
        assert!(tokenizer.bytes(u32::MAX).is_empty());
    }
});
