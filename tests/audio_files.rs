//! Audio files as a user meets them: good ones to the sample, bad ones with an error that helps, and none that panics or hangs.

mod wav;

use std::path::{Path, PathBuf};

use auricle::ErrorKind;
use auricle::audio::file::AudioFile;
use auricle::audio::pcm::Format;

/// PCM, 32-bit floats.
const FLOAT: u16 = 3;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Everything in the file, and how it ended.
fn read(file: &mut AudioFile) -> (Vec<f32>, auricle::Result<()>) {
    let channels = usize::from(file.format().channels);
    let mut samples = Vec::new();
    loop {
        match file.next_block() {
            Ok(Some(block)) => {
                assert!(!block.is_empty() && block.len().is_multiple_of(channels) && block.len() <= 65_536 * channels);
                samples.extend_from_slice(block);
            }
            Ok(None) => return (samples, Ok(())),
            Err(error) => {
                assert_eq!(file.next_block().unwrap(), None, "a file that failed is at its end");
                return (samples, Err(error));
            }
        }
    }
}

fn ramp(samples: usize) -> Vec<i16> {
    (0..samples).map(|n| (n as i64 * 7919 % 65_536 - 32_768) as i16).collect()
}

fn assert_says(error: &auricle::Error, path: &Path, words: &[&str]) {
    let message = error.message();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

#[test]
fn integers_and_floats_come_out_to_the_sample() {
    let folder = Folder::new();
    let samples = ramp(10_000);
    for (rate_hz, channels) in [(16_000, 1), (8_000, 2), (192_000, 1), (48_000, 8)] {
        let path = folder.file("a.wav", &wav::wav(wav::INTEGER, 16, rate_hz, channels, &wav::bytes_of(&samples)));
        let mut file = AudioFile::open(&path).unwrap();
        assert_eq!(file.format(), Format { rate_hz, channels });
        assert_eq!(file.frames(), Some(10_000 / u64::from(channels)));
        let (read, end) = read(&mut file);
        assert_eq!(end, Ok(()));
        let expected: Vec<f32> = samples.iter().map(|x| f32::from(*x) / 32_768.0).collect();
        assert_eq!(read, expected);
    }
    let floats = [0.0, 1.0, -1.0, 0.123_456_79, 2.5, f32::MIN_POSITIVE];
    let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut file = AudioFile::open(folder.file("f.wav", &wav::wav(FLOAT, 32, 16_000, 1, &bytes))).unwrap();
    assert_eq!(read(&mut file), (floats.to_vec(), Ok(())));
    let mut file = AudioFile::open(folder.file("u8.wav", &wav::wav(wav::INTEGER, 8, 16_000, 1, &[0, 128, 255]))).unwrap();
    assert_eq!(read(&mut file), (vec![-1.0, 0.0, 127.0 / 128.0], Ok(())));
}

#[test]
fn samples_that_are_not_numbers_pass_for_the_channel_choice_to_tame() {
    let floats = [f32::NAN, f32::INFINITY, -0.5];
    let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut file = AudioFile::open(Folder::new().file("nan.wav", &wav::wav(FLOAT, 32, 16_000, 1, &bytes))).unwrap();
    let (samples, end) = read(&mut file);
    assert_eq!((samples.len(), end), (3, Ok(())));
    let mut mono = [9.0; 3];
    auricle::audio::pcm::pick(Default::default(), 1, &samples, &mut mono);
    assert!(mono.iter().all(|x| x.abs() <= 1.0) && mono[2] == -0.5);
}

#[test]
fn a_file_that_breaks_off_gives_what_there_is() {
    let samples = ramp(16_000);
    let whole = wav::wav(wav::INTEGER, 16, 16_000, 1, &wav::bytes_of(&samples));
    let folder = Folder::new();
    for cut in [45, 46, 1_000, 10_001, 31_999] {
        let mut file = AudioFile::open(folder.file("cut.wav", &whole[..cut])).unwrap();
        let (read, end) = read(&mut file);
        assert_eq!((read.len(), end), ((cut - 44) / 2, Ok(())), "cut at {cut}");
        assert!(read.iter().zip(&samples).all(|(a, b)| *a == f32::from(*b) / 32_768.0));
    }
}

#[test]
fn a_stream_of_unknown_length_is_read_to_its_end() {
    let samples = ramp(5_000);
    let mut bytes = wav::wav(wav::INTEGER, 16, 16_000, 1, &wav::bytes_of(&samples));
    bytes[4..8].fill(0xff);
    bytes[40..44].fill(0xff);
    let mut file = AudioFile::open(Folder::new().file("stream.wav", &bytes)).unwrap();
    let (read, end) = read(&mut file);
    assert_eq!((read.len(), end), (5_000, Ok(())));
}

#[test]
fn a_header_without_audio_is_a_file_of_no_frames() {
    let mut file = AudioFile::open(Folder::new().file("none.wav", &wav::wav(wav::INTEGER, 16, 16_000, 2, &[]))).unwrap();
    assert_eq!((file.format(), file.frames()), (Format { rate_hz: 16_000, channels: 2 }, Some(0)));
    assert_eq!(read(&mut file), (vec![], Ok(())));
}

#[test]
fn what_is_no_audio_is_refused_with_a_way_out() {
    let folder = Folder::new();
    let missing = folder.0.path().join("missing.wav");
    let error = AudioFile::open(&missing).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_says(&error, &missing, &["cannot open"]);

    let error = AudioFile::open(folder.0.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_says(&error, folder.0.path(), &["is a folder"]);

    let empty = folder.file("empty.wav", &[]);
    let error = AudioFile::open(&empty).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_says(&error, &empty, &["is empty"]);

    let text = folder.file("text.wav", "The quick brown fox jumps over the lazy dog.\n".repeat(1_000).as_bytes());
    let error = AudioFile::open(&text).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_says(&error, &text, &["is not wav, flac, mp3", "ffmpeg -i", "text.wav"]);
}

#[test]
fn headers_out_of_range_are_refused() {
    let folder = Folder::new();
    let data = wav::bytes_of(&ramp(1_000));
    for (name, rate_hz, channels, bits) in [
        ("no-channels", 16_000, 0, 16),
        ("no-rate", 0, 1, 16),
        ("too-fast", u32::MAX, 1, 16),
        ("many", 16_000, 600, 16),
        ("no-bits", 16_000, 1, 0),
    ] {
        let path = folder.file(&format!("{name}.wav"), &wav::wav(wav::INTEGER, bits, rate_hz, channels, &data));
        let error = AudioFile::open(&path).err().unwrap_or_else(|| panic!("{name} was accepted"));
        assert_says(&error, &path, &["convert"]);
        println!("{error}");
    }
}

/// Files of chance, files cut anywhere and files with any byte changed: an error or some audio, within bounds, never a panic.
#[test]
fn damage_anywhere_ends_in_audio_or_an_error() {
    let folder = Folder::new();
    let mut good = vec![wav::wav(wav::INTEGER, 16, 16_000, 1, &wav::bytes_of(&ramp(2_000)))];
    let flac = flac_clips();
    good.extend(flac.iter().take(2).map(|path| std::fs::read(path).unwrap()));
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let (mut failed, mut passed) = (0, 0);
    for whole in &good {
        for round in 0..150 {
            let mut bytes = whole.clone();
            match round % 3 {
                0 => bytes.truncate(random(whole.len())),
                1 => (0..1 + random(20)).for_each(|_| bytes[random(whole.len().min(200))] = random(256) as u8),
                _ => (0..1 + random(200)).for_each(|_| bytes[random(whole.len())] = random(256) as u8),
            }
            match AudioFile::open(folder.file("damaged", &bytes)) {
                Err(_) => failed += 1,
                Ok(mut file) => {
                    let (samples, _) = read(&mut file);
                    assert!(samples.len() <= 70 * bytes.len() + 65_536 * 50);
                    passed += 1;
                }
            }
        }
    }
    println!("{failed} refused, {passed} read");
    assert!(failed > 0 && passed > 0);
}

/// The FLAC clips of the shared data, where it is.
fn flac_clips() -> Vec<PathBuf> {
    let Ok(folder) = std::fs::read_dir("../shared/data/speech/audio") else {
        println!("skipped for FLAC: ../shared/data/speech is not there");
        return Vec::new();
    };
    let mut clips: Vec<_> =
        folder.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.extension().is_some_and(|e| e == "flac")).collect();
    clips.sort();
    clips
}

#[test]
fn flac_is_read_whole() {
    for path in flac_clips().iter().step_by(24) {
        let mut file = AudioFile::open(path).unwrap();
        assert_eq!(file.format(), Format { rate_hz: 16_000, channels: 1 });
        let announced = file.frames().unwrap();
        let (samples, end) = read(&mut file);
        assert_eq!((samples.len() as u64, end), (announced, Ok(())), "{}", path.display());
        assert!(auricle::audio::pcm::rms_dbfs(&samples) > -60.0);
    }
}

#[test]
fn a_damaged_flac_keeps_its_time() {
    let Some(path) = flac_clips().into_iter().max_by_key(|path| path.metadata().map_or(0, |m| m.len())) else { return };
    let mut bytes = std::fs::read(&path).unwrap();
    let (whole, _) = read(&mut AudioFile::open(&path).unwrap());
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0x55);
    let (damaged, end) = read(&mut AudioFile::open(Folder::new().file("damaged.flac", &bytes)).unwrap());
    assert_eq!(end, Ok(()));
    println!("{} of {} frames", damaged.len(), whole.len());
    assert_eq!(damaged.len(), whole.len());
    let tail = whole.len() * 3 / 4;
    assert_eq!(damaged[tail..], whole[tail..]);
}
