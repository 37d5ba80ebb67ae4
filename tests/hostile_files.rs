//! Files that are broken or made to harm: each ends in audio or an error that helps, in bounded memory and time, and does not keep
//! the others of the command from being read.

mod hostile;
mod program;
mod wav;

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use auricle::audio::file::AudioFile;
use auricle::audio::resample::Resampler;
use hostile::{atom, hollow_ogg, id3, long_mp3, m4a_with, silent_flac, sweep, sweeps};
use program::{Program, assert_beckett, auricle, recording};
use serde_json::Value;

/// PCM, 32-bit floats.
const FLOAT: u16 = 3;
/// Set where a test runs in a process of its own, so that its memory can be measured: the test's name.
const ALONE: &str = "AURICLE_TEST_ALONE";

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Ten seconds of a voice at `rate_hz`, in `channels`.
fn voice(rate_hz: u32, channels: u16) -> Vec<f32> {
    let mut file = AudioFile::open(recording("beckett.wav")).unwrap();
    let mut samples = Vec::new();
    // A file said to be at 16000 x 16000 / rate is at `rate_hz` when it was brought to 16 kHz.
    let mut resampler = Resampler::new(16_000 * 16_000 / rate_hz, 512).unwrap();
    while let Some(block) = file.next_block().unwrap() {
        resampler.process(block, |out| samples.extend_from_slice(out));
    }
    resampler.finish(|out| samples.extend_from_slice(out));
    samples.iter().flat_map(|sample| std::iter::repeat_n(*sample, usize::from(channels))).collect()
}

fn integers(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()).collect()
}

/// The largest resident memory of process `id` so far and what it is now, MiB.
fn memory(id: &str) -> Option<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
    };
    Some((field("VmHWM:")?, field("VmRSS:")?))
}

/// Runs `body` in a process of its own, this test `name` started again, and returns the most memory it had, MiB; `None` in that
/// process, which did the work.
fn alone(name: &str, body: impl FnOnce()) -> Option<f64> {
    if std::env::var_os(ALONE).is_some_and(|running| running == name) {
        body();
        println!("peak {:.1}", memory("self").unwrap().0);
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(ALONE, name);
    let ended = Program::start(&mut command).finish();
    assert_eq!(ended.code, Some(0), "{name}: {ended:#?}");
    ended.lines.iter().for_each(|line| println!("{line}"));
    let peak = ended.lines.iter().find_map(|line| line.strip_prefix("peak ")).expect("it ran");
    Some(peak.parse().unwrap())
}

/// Reads a file to its end: (frames, seconds of audio, its error, if any). No more than `most_s` of audio.
fn read(path: &Path, most_s: f64) -> auricle::Result<f64> {
    let mut file = AudioFile::open(path)?;
    let format = file.format();
    let mut frames = 0;
    while let Some(block) = file.next_block()? {
        frames += block.len() / usize::from(format.channels);
        if frames as f64 > most_s * f64::from(format.rate_hz) {
            break;
        }
    }
    Ok(frames as f64 / f64::from(format.rate_hz))
}

/// What a person finds in a folder of recordings: each bad file has its line, and the good one at the end its captions.
#[test]
fn one_bad_file_does_not_keep_the_next_from_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let second = integers(&voice(16_000, 1)[..16_000]);
    let bad: [(&str, Vec<u8>, &str); 7] = [
        ("empty.wav", vec![], "is empty; record or copy it again"),
        ("text.wav", b"Dear diary, today I heard nothing.\n".repeat(99), "is not wav, flac, mp3"),
        ("no-channels.wav", wav::wav(wav::INTEGER, 16, 16_000, 0, &second), "convert"),
        ("half-a-header.wav", wav::wav(wav::INTEGER, 16, 16_000, 1, &second)[..30].to_vec(), "convert"),
        ("half-a-header.flac", fs::read(sweep("sweep.flac")).unwrap()[..20].to_vec(), "convert"),
        ("half-a-header.m4a", fs::read(sweep("sweep.m4a")).unwrap()[..60].to_vec(), "convert"),
        ("noise.mp3", (0..5_000_u32).map(|n| (n * n / 7) as u8).collect(), "convert"),
    ];
    let files: Vec<PathBuf> = bad.iter().map(|(name, bytes, _)| put(folder, name, bytes)).collect();
    let mut command = auricle();
    command.args(["transcribe", "--format", "text", "--sounds", "off"]).args(&files).arg(recording("beckett.wav"));
    let ended = Program::start(&mut command).finish();
    assert_eq!(ended.code, Some(1), "one failed: {}", ended.stderr);
    for ((name, _, said), file) in bad.iter().zip(&files) {
        let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(name)).collect();
        assert_eq!(lines.len(), 1, "{name}: {}", ended.stderr);
        assert!(lines[0].starts_with(&format!("auricle: {}: ", file.display())) && lines[0].contains(said), "{}", lines[0]);
    }
    let good = ended.lines.iter().position(|line| line.contains("beckett.wav")).expect("the good file has its heading");
    assert_beckett(&ended.lines[good + 1..].join(" "));
}

/// The same voice at the rates and in the channels that files come in.
#[test]
fn a_voice_is_heard_at_any_rate_and_in_any_channel() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut surround = voice(16_000, 8);
    // Only the sixth of eight channels speaks.
    surround.iter_mut().enumerate().filter(|(place, _)| place % 8 != 5).for_each(|(_, sample)| *sample = 0.0);
    let mut broken = voice(16_000, 1);
    broken.iter_mut().step_by(1_000).for_each(|sample| *sample = f32::NAN);
    broken.iter_mut().skip(500).step_by(1_000).for_each(|sample| *sample = f32::INFINITY);
    let floats: Vec<u8> = broken.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let files = [
        ("192-khz.wav", wav::wav(wav::INTEGER, 16, 192_000, 1, &integers(&voice(192_000, 1))), "1"),
        ("8-khz.wav", wav::wav(wav::INTEGER, 16, 8_000, 1, &integers(&voice(8_000, 1))), "1"),
        ("7.1.wav", wav::wav(wav::INTEGER, 16, 16_000, 8, &integers(&surround)), "6"),
        ("nan-and-infinity.wav", wav::wav(FLOAT, 32, 16_000, 1, &floats), "1"),
    ];
    for (name, bytes, channel) in files {
        let mut command = auricle();
        command.args(["transcribe", "--format", "jsonl", "--sounds", "off", "--channel", channel]).arg(put(folder, name, &bytes));
        let ended = Program::start(&mut command).finish();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}");
        let events: Vec<Value> = ended.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let texts: Vec<&str> = events.iter().filter_map(|event| event["text"].as_str()).collect();
        println!("{name}: {}", texts.join(" "));
        if name.starts_with("nan") {
            // Single samples that are no numbers become silence, which clicks: words may go, but not all.
            assert!(texts.join(" ").to_lowercase().contains("again"), "{texts:?}");
        } else {
            assert_beckett(&texts.join(" "));
        }
        let ends: Vec<f64> = events.iter().filter_map(|event| event["end"].as_f64()).collect();
        assert!(ends.iter().all(|end| *end <= 10.1), "{name}: {ends:?}");
    }
}

#[test]
fn ten_milliseconds_are_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path(), "10-ms.wav", &wav::wav(wav::INTEGER, 16, 16_000, 1, &integers(&[0.1; 160])));
    let ended = Program::start(auricle().args(["transcribe", "--format", "jsonl"]).arg(path)).finish();
    assert_eq!((ended.code, ended.lines.len(), ended.stderr.as_str()), (Some(0), 0, ""), "{:?}", ended.lines);
}

/// Every codec, cut at every hundredth: what there is, or an error.
#[test]
fn a_file_that_breaks_off_anywhere_gives_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    for path in sweeps() {
        let whole = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let length_s = read(&path, 10.0).unwrap();
        let (mut refused, mut most_s) = (0, 0.0_f64);
        for hundredth in 0..100 {
            let cut = put(folder.path(), name, &whole[..1 + whole.len() * hundredth / 100]);
            match read(&cut, 10.0) {
                // What breaks off in a fragment may still announce its length: silence stands for it.
                Ok(read_s) => most_s = most_s.max(read_s),
                Err(error) => {
                    refused += 1;
                    assert!(error.message().contains(name) && error.message().contains(';'), "{error}");
                }
            }
        }
        println!("{name}: {length_s:.3} s; of 100 pieces {refused} are refused, the longest is {most_s:.3} s");
        // The index of an m4a is at its end, and all audio of the short ogg in its last page: without them nothing is found.
        let is_whole_or_nothing = ["sweep.m4a", "sweep.ogg"].contains(&name);
        assert!(most_s <= length_s + 0.001 && (refused < 100 || is_whole_or_nothing), "{name}");
    }
}

/// Files of a few bytes, or with holes, that say they are gigabytes.
#[test]
fn no_size_in_a_header_is_believed() {
    let name = "no_size_in_a_header_is_believed";
    let peak = alone(name, || {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut claims = wav::wav(wav::INTEGER, 16, 16_000, 1, &vec![1; 32_000]);
        claims[4..8].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
        claims[40..44].copy_from_slice(&0xffff_ff00_u32.to_le_bytes());
        let mut picture = b"fLaC".to_vec();
        picture.extend(&fs::read(sweep("sweep.flac")).unwrap()[4..42]);
        picture[4] = 0;
        picture.extend([0x86, 0xff, 0xff, 0xff, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff]);
        let mut list = wav::wav(wav::INTEGER, 16, 16_000, 1, &[]);
        list.truncate(36);
        list[4..8].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
        list.extend(b"LIST\xf0\xff\xff\x7fINFOINAM\x00\xff\xff\x7f");
        let nested = (0..5_000).fold(atom(b"free", &[0; 16]), |inner, _| atom(b"moov", &inner));
        let mut chained = Vec::new();
        (0..300).for_each(|_| chained.extend(fs::read(sweep("sweep.ogg")).unwrap().iter().take(4_000)));
        let files: Vec<(&str, Vec<u8>, Option<u64>)> = vec![
            ("claims-4-gb.wav", claims, None),
            ("picture-of-16-mb.flac", picture, None),
            ("list-of-2-gb.wav", list.clone(), None),
            ("list-of-2-gb-with-holes.wav", list, Some(1 << 31)),
            ("tag-of-256-mb.mp3", id3((1 << 28) - 1), None),
            ("tag-of-256-mb-with-holes.mp3", id3((1 << 28) - 1), Some(1 << 28)),
            ("4-billion-samples.m4a", m4a_with(b"stsz", 8, u32::MAX), None),
            ("4-billion-times.m4a", m4a_with(b"stts", 8, u32::MAX), None),
            ("4-billion-chunks.m4a", m4a_with(b"stco", 4, u32::MAX), None),
            ("4-billion-entries.m4a", m4a_with(b"stsc", 4, u32::MAX), None),
            ("moov-of-4-gb.m4a", m4a_with(b"mvhd", 0, 0), None),
            ("nested.m4a", [atom(b"ftyp", b"M4A \0\0\0\0"), nested].concat(), None),
            ("chained.ogg", chained, None),
            ("holes.ogg", fs::read(sweep("sweep.ogg")).unwrap()[..58].to_vec(), Some(1 << 30)),
            ("holes.flac", fs::read(sweep("sweep.flac")).unwrap()[..100].to_vec(), Some(1 << 30)),
            ("holes.mp3", fs::read(sweep("sweep.mp3")).unwrap()[..600].to_vec(), Some(1 << 30)),
            ("holes.aac", fs::read(sweep("sweep.aac")).unwrap()[..600].to_vec(), Some(1 << 30)),
        ];
        for (name, bytes, length) in files {
            let path = put(folder, name, &bytes);
            if let Some(length) = length {
                fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            }
            let started = Instant::now();
            let outcome = read(&path, 100.0);
            let took = started.elapsed();
            let said = outcome
                .as_ref()
                .map_or_else(|error| error.message().replace(&*folder.to_string_lossy(), ""), |s| format!("{s:.3} s"));
            println!("{name}: {said} after {took:.1?}, {:.0} MiB", memory("self").unwrap().0);
            assert!(took < Duration::from_secs(20), "{name}: {took:?}");
        }
    });
    assert!(peak.is_none_or(|peak| peak < 350.0), "{peak:?} MiB");
}

/// What the fuzzer found: a decoder that panics costs its file and no more.
#[test]
fn what_made_a_decoder_panic_is_refused() {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/crashes");
    let mut files = 0;
    for file in fs::read_dir(found).unwrap().map(|entry| entry.unwrap().path()) {
        let outcome = read(&file, 100.0);
        println!("{}: {outcome:?}", file.file_name().unwrap().display());
        if let Err(error) = outcome {
            assert!(error.message().contains("convert it: ffmpeg"), "{error}");
        }
        files += 1;
    }
    assert!(files > 0);
    // The same as a user meets it: one line of ours, and the next file is read.
    let folder = tempfile::tempdir().unwrap();
    let bad = put(folder.path(), "counts.m4a", &m4a_with(b"stts", 8, u32::MAX));
    let mut command = auricle();
    command.args(["transcribe", "--format", "text", "--sounds", "off"]).arg(bad).arg(recording("beckett.wav"));
    let ended = Program::start(&mut command).finish();
    assert_beckett(
        &ended
            .lines
            .iter()
            .filter(|line| !line.contains(".wav") && !line.contains(".m4a"))
            .cloned()
            .collect::<Vec<_>>()
            .join(" "),
    );
    let complaints = ended.stderr.lines().filter(|line| line.starts_with("auricle: ")).count();
    // Where overflow is not checked, as in a release, what is wrong with the file does not show.
    assert!((ended.code == Some(1) && complaints == 1) || (ended.code == Some(0) && complaints == 0), "{}", ended.stderr);
}

/// Hours in a few kilobytes: block by block, in memory that does not grow, and as fast as there is something to hear.
#[test]
fn a_decompression_bomb_goes_off_slowly() {
    let name = "a_decompression_bomb_goes_off_slowly";
    let peak = alone(name, || {
        let folder = tempfile::tempdir().unwrap();
        let bombs = [
            ("flac", silent_flac(16_000, 5_300), 21_000.0),
            ("slow.flac", silent_flac(1_000, 700), 40_000.0),
            ("ogg", hollow_ogg(400), 5.0),
            ("mp3", long_mp3(400), 150.0),
        ];
        for (name, bytes, expected_s) in bombs {
            let path = put(folder.path(), &format!("bomb.{name}"), &bytes);
            let started = Instant::now();
            let length_s = read(&path, 100_000.0).unwrap();
            let took = started.elapsed().as_secs_f64();
            println!(
                "{name}: {} bytes are {length_s:.0} s, read in {took:.2} s, {:.0} MiB",
                bytes.len(),
                memory("self").unwrap().0
            );
            assert!(length_s > expected_s, "{name}: {length_s} s");
            assert!(took < 2.0 + length_s / 100.0, "{name}: {took} s for {length_s} s");
        }
    });
    assert!(peak.is_none_or(|peak| peak < 64.0), "{peak:?} MiB");
}

/// Writes `seconds` of `voice`, over and over, or of silence.
fn long(path: &Path, seconds: usize, voice: &[f32]) {
    let samples = seconds * 16_000;
    let mut file = BufWriter::new(fs::File::create(path).unwrap());
    let mut header = wav::wav(wav::INTEGER, 16, 16_000, 1, &[]);
    header[4..8].copy_from_slice(&(36 + samples as u32 * 2).to_le_bytes());
    header[40..44].copy_from_slice(&(samples as u32 * 2).to_le_bytes());
    file.write_all(&header).unwrap();
    for sample in voice.iter().cycle().take(samples) {
        file.write_all(&((sample * 32_767.0) as i16).to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
}

/// An hour of speech and an hour of silence, a tenth of each where the program was not optimised or AURICLE_TEST_HOUR is not set.
#[test]
fn memory_is_flat_however_long_a_file_is() {
    let seconds = if std::env::var_os("AURICLE_TEST_HOUR").is_some() { 3_600 } else { 360 };
    let folder = tempfile::tempdir().unwrap();
    for (what, voice) in [("silence", vec![0.0]), ("speech", voice(16_000, 1))] {
        let path = folder.path().join(format!("{what}.wav"));
        long(&path, seconds, &voice);
        let mut command = auricle();
        command.args(["transcribe", "--format", "jsonl"]).arg(&path).env("MALLOC_ARENA_MAX", "2");
        let started = Instant::now();
        let mut program = Program::start_within(&mut command, Duration::from_secs(1_200));
        let id = program.id().to_string();
        let sampling = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while let Some((peak, now)) = memory(&id) {
                samples.push((started.elapsed().as_secs_f64(), now, peak));
                std::thread::sleep(Duration::from_millis(50));
            }
            samples
        });
        let mut events = Vec::new();
        while let Some(line) = program.next_line() {
            events.push(serde_json::from_str::<Value>(&line).unwrap());
        }
        let ended = program.finish();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let samples = sampling.join().unwrap();
        let took = started.elapsed().as_secs_f64();
        let within = |from: f64, to: f64| {
            let inside = samples.iter().filter(|(at, ..)| (took * from..took * to).contains(at));
            inside.map(|(_, now, _)| *now).fold(0.0, f64::max)
        };
        let (middle, end) = (within(0.3, 0.6), within(0.6, 1.0));
        let peak = samples.last().map_or(0.0, |(.., peak)| *peak);
        let finals = events.iter().filter(|event| event["type"] == "caption").count();
        println!(
            "{what}: {seconds} s in {took:.1} s, {middle:.1} MiB half-way, {end:.1} at the end, {peak:.1} at most; {finals} captions"
        );
        assert!(end < middle + 12.0, "{what}: {middle:.1} MiB half-way and {end:.1} towards the end");
        match what {
            "silence" => assert_eq!(finals, 0),
            _ => assert!(finals >= seconds / 20, "{finals} captions in {seconds} s"),
        }
    }
}
