//! Raw PCM: a line that says what `--sample-format`, `--rate`, `--channels` and `--channel` say, then bytes, up to the samples that
//! the rest of the house trusts.
#![no_main]

use auricle::audio::pcm::{self, ChannelChoice, Format};
use auricle::audio::raw::SampleFormat;
use auricle::audio::resample::{Resampler, resampled_length};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (Some(line), Some(bytes)) = (parts.next(), parts.next()) else { return };
    let words: Vec<&str> = std::str::from_utf8(line).unwrap_or_default().split(' ').collect();
    let [sample_format, rate_hz, channels, channel] = words[..] else { return };
    let Ok(sample_format) = sample_format.parse::<SampleFormat>() else { return };
    assert_eq!(sample_format.to_string().parse(), Ok(sample_format));
    let (Ok(rate_hz), Ok(channels)) = (rate_hz.parse(), channels.parse()) else { return };
    let (Ok(format), Ok(choice)) = (Format::new(rate_hz, channels), channel.parse::<ChannelChoice>()) else { return };
    let mut samples = Vec::new();
    sample_format.decode(bytes, &mut samples);
    assert_eq!(samples.len(), bytes.len() / sample_format.bytes());
    let mut mono = vec![9.0; samples.len() / usize::from(channels)];
    assert_eq!(pcm::pick(choice, channels, &samples, &mut mono), mono.len());
    assert!(mono.iter().all(|sample| sample.abs() <= 1.0), "{format}: {mono:?}");
    // Making a filter takes milliseconds at most other rates.
    if rate_hz <= 48_000 && rate_hz % 4_000 == 0 && mono.len() > 8 {
        let mut resampler = Resampler::new(rate_hz, 64).unwrap();
        let mut resampled = 0;
        mono.chunks(7).for_each(|block| resampler.process(block, |samples| resampled += samples.len()));
        resampler.finish(|samples| {
            assert!(samples.iter().all(|sample| sample.is_finite()));
            resampled += samples.len();
        });
        assert_eq!(resampled as u64, resampled_length(mono.len() as u64, rate_hz));
    }
});
