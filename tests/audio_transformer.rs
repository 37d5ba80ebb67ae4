//! The Audio Transformer by its committed weights, through the public API and the program: live equals whole, Rust equals the
//! exporter's reference, nothing grows, what it cannot hear is said, and alarms are still told.
//!
//! In: made signals, `tests/data/audio_transformer.json`, and ESC-10 where it is there. Without ONNX Runtime or the model the tests say
//! that they are skipped; with `CI` set they fail.

mod program;

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use allocation_counter::measure;
use auricle::audio::file::AudioFile;
use auricle::event::{EventBody, Scores, Sound, SoundState};
use auricle::frontend::FrontEnd;
use auricle::model::Tagger;
use auricle::model::audio_transformer::AudioTransformer;
use auricle::runtime::GraphSettings;
use auricle::sound::{Engine, Settings, Stream};
use auricle::store::{self, Model, Places};
use auricle::time::SamplePosition;
use auricle::{EngineSettings, Engines, Error, ErrorKind, Pace, Session};
use program::{Ended, Program, auricle};
use serde::Deserialize;
use sha2::{Digest, Sha256};

const NAME: &str = "audio-transformer";
const WINDOW: usize = 400;
const PATCH: usize = 40;
/// Sizes in which audio is pushed: less than a window, a window, more than a patch, and nothing that divides one of them.
const BLOCKS: [usize; 7] = [1, 399, 401, 7, 1_023, 160, 17_001];

/// Where the models are, or nothing when this one or ONNX Runtime is not there and need not be.
fn places() -> Option<Places> {
    let places = Places::find();
    let there = store::library().and_then(|_| Model::open(&places, NAME)).and_then(|model| model.file("window").map(drop));
    match there {
        Ok(()) => Some(places),
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn loaded(places: &Places) -> AudioTransformer {
    AudioTransformer::load(&Model::open(places, NAME).unwrap(), GraphSettings::default()).unwrap()
}

fn engine(places: &Places) -> Engine {
    Engine::load(places, NAME, GraphSettings::default()).unwrap()
}

/// Uniform noise: x = (1664525 x + 1013904223) mod 2^32.
fn noise(seconds: f64, amplitude: f64) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (amplitude * (f64::from(state) / f64::from(1_u32 << 31) - 1.0)) as f32
    };
    (0..(seconds * 16_000.0) as u32).map(|_| next()).collect()
}

/// Made noise, and a clip of each class of ESC-10 where they are there.
fn audio() -> Vec<(String, Vec<f32>)> {
    let mut all = vec![("noise".to_owned(), noise(4.3, 0.1))];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/esc10");
    let Ok(table) = fs::read_to_string(folder.join("clips.tsv")) else {
        println!("without ESC-10, which is not at {}", folder.display());
        return all;
    };
    for row in table.lines().skip(1) {
        let [path, class, ..] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        if all.iter().all(|(known, _)| known != class) {
            let mut file = AudioFile::open(folder.join(path)).unwrap();
            assert_eq!((file.format().rate_hz, file.format().channels), (16_000, 1));
            let mut samples = Vec::new();
            while let Some(block) = file.next_block().unwrap() {
                samples.extend_from_slice(block);
            }
            all.push((class.to_owned(), samples));
        }
    }
    assert_eq!(all.len(), 11);
    all
}

/// What one patch after another scores, as the definition has it: every window embedded, then every patch by itself.
fn by_definition(transformer: &mut AudioTransformer, samples: &[f32], hop: usize) -> Vec<Vec<f32>> {
    let width = transformer.silence().len();
    let mut rows = Vec::new();
    for window in samples.chunks_exact(WINDOW) {
        let mut row = vec![0.0; width];
        transformer.embed(window, &mut row).unwrap();
        rows.extend(row);
    }
    let patches = rows.windows(PATCH * width).step_by(hop * width);
    patches
        .map(|patch| {
            let mut scores = vec![0.0; transformer.labels().len()];
            transformer.score(patch.into(), &mut scores).unwrap();
            scores
        })
        .collect()
}

/// Everything one stream says of pieces of audio, each with where it starts, pushed in blocks of odd sizes.
fn live(engine: &mut Engine, settings: Settings, pieces: &[(usize, &[f32])]) -> Vec<EventBody> {
    let mut front_end = FrontEnd::new(engine.features()).unwrap();
    let mut stream = Stream::new(engine, settings).unwrap();
    let mut events = Vec::new();
    let mut sizes = BLOCKS.into_iter().cycle();
    for &(start, piece) in pieces {
        let (mut position, mut rest) = (SamplePosition(start as u64), piece);
        while !rest.is_empty() {
            let (block, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            front_end.push(position, block, &mut |frame, window| {
                stream.push(engine, frame, window, &mut |event| events.push(event)).unwrap();
            });
            (position, rest) = (position + block.len() as u64, after);
        }
    }
    stream.finish(engine, &mut |event| events.push(event)).unwrap();
    events
}

fn scores(events: &[EventBody]) -> Vec<&Scores> {
    events.iter().filter_map(|event| if let EventBody::Scores(scores) = event { Some(scores) } else { None }).collect()
}

fn scored(hop: usize) -> Settings {
    Settings { scores: true, patch_hop_frames: Some(hop), ..Settings::default() }
}

#[test]
fn a_live_stream_scores_what_the_whole_file_does_at_every_hop() {
    let Some(places) = places() else { return };
    let (mut transformer, mut engine) = (loaded(&places), engine(&places));
    for (name, samples) in audio() {
        for hop in [1, 10] {
            let expected = by_definition(&mut transformer, &samples, hop);
            let events = live(&mut engine, scored(hop), &[(0, &samples)]);
            let found = scores(&events);
            assert_eq!(found.len(), expected.len(), "{name}, hop {hop}");
            for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found.start, SamplePosition((number * hop * WINDOW) as u64));
                assert_eq!(found.end.since(found.start), (PATCH * WINDOW) as u64);
                assert_eq!(&found.scores, expected, "{name}, hop {hop}, patch {number}");
            }
        }
    }
}

#[test]
fn a_session_tells_what_a_stream_does_however_it_is_pushed() {
    let Some(places) = places() else { return };
    let samples = noise(3.3, 0.2);
    let expected = by_definition(&mut loaded(&places), &samples, 1);
    let settings = EngineSettings { places, captions: None, sounds: Some(NAME.to_owned()), ..Default::default() };
    let engines = Engines::load(&settings).unwrap();
    for (pace, size) in [(Pace::Virtual, 441), (Pace::Virtual, samples.len()), (Pace::Timed, 1_023), (Pace::Live, 441)] {
        let mut session = Session::builder().engines(engines.clone()).pace(pace).sound(scored(1)).build().unwrap();
        let events = session.events();
        samples.chunks(size).for_each(|block| session.push(block).unwrap());
        session.finish().unwrap();
        let bodies: Vec<EventBody> = events.into_iter().map(|event| event.body).collect();
        let found: Vec<&Vec<f32>> = scores(&bodies).into_iter().map(|scores| &scores.scores).collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{pace:?}, blocks of {size}");
    }
}

#[test]
fn after_a_gap_no_decision_has_anything_from_before_it() {
    let Some(places) = places() else { return };
    let (mut transformer, mut engine) = (loaded(&places), engine(&places));
    let samples = noise(6.0, 0.1);
    // 77 samples past window 100, which is a multiple of both hops: the first whole window is 101, the first patch of 10 at 110.
    let resumes = 100 * WINDOW + 77;
    let pieces = [(0, &samples[..50 * WINDOW + 13]), (resumes, &samples[resumes..])];
    for (hop, first) in [(1, 101), (10, 110)] {
        let before = by_definition(&mut transformer, pieces[0].1, hop);
        let after = by_definition(&mut transformer, &samples[first * WINDOW..], hop);
        let events = live(&mut engine, scored(hop), &pieces);
        let found = scores(&events);
        assert_eq!(found.len(), before.len() + after.len(), "hop {hop}");
        assert!(found.iter().zip(before.iter().chain(&after)).all(|(found, expected)| found.scores == *expected), "hop {hop}");
        assert_eq!(found[before.len()].start, SamplePosition((first * WINDOW) as u64));
    }
}

#[test]
fn a_clip_shorter_than_a_patch_is_scored_once_with_silence_behind_it() {
    let Some(places) = places() else { return };
    let (mut transformer, mut engine) = (loaded(&places), engine(&places));
    let samples = noise(0.5, 0.1);
    let padded = [samples.as_slice(), &[0.0; 8_000]].concat();
    let events = live(&mut engine, scored(10), &[(0, &samples)]);
    let found = scores(&events);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].scores, by_definition(&mut transformer, &padded, 10)[0]);
    assert_eq!((found[0].start, found[0].end), (SamplePosition(0), SamplePosition(8_000)));
    let names: Vec<&str> = found[0].labels.as_ref().unwrap().iter().map(|name| &**name).collect();
    assert_eq!(names, transformer.labels().iter().map(|label| &*label.name).collect::<Vec<_>>());
    // Less than a window is no frame, and nothing to score.
    assert_eq!(live(&mut engine, scored(10), &[(0, &samples[..399])]), []);
}

/// What the exporter writes: samples, and the scores of each patch at a hop of 10 windows, by the graphs as Python runs them.
#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    samples: Vec<f32>,
    scores: Vec<Vec<f32>>,
}

#[test]
fn scores_are_those_of_the_python_reference() {
    let Some(places) = places() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio_transformer.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if std::env::var_os("CI").is_none() => return println!("skipped: {}: {error}", path.display()),
        Err(error) => panic!("{}: {error}", path.display()),
    };
    let reference: Reference = serde_json::from_str(&text).unwrap();
    assert!(!reference.cases.is_empty());
    let mut engine = engine(&places);
    for Case { name, samples, scores: expected } in reference.cases {
        let events = live(&mut engine, scored(10), &[(0, &samples)]);
        let found = scores(&events);
        assert!(!expected.is_empty() && found.len() == expected.len(), "{name}: {} for {}", found.len(), expected.len());
        let mut off = 0.0_f32;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.scores.len(), expected.len(), "{name}");
            for (found, expected) in found.scores.iter().zip(expected) {
                let apart = (found - expected).abs();
                // Written so that NaN is refused too.
                assert!(apart <= 1e-5, "{name}: {found}, the reference says {expected}");
                off = off.max(apart);
            }
        }
        println!("{name}: at most {off:.1e} off");
    }
}

#[test]
fn the_allocations_of_a_window_and_of_a_decision_do_not_grow() {
    let Some(places) = places() else { return };
    let mut transformer = loaded(&places);
    let (samples, mut row) = (noise(1.0, 0.1), transformer.silence().to_vec());
    let rows = transformer.silence().repeat(PATCH);
    let mut scores = vec![0.0; transformer.labels().len()];
    let windows: Vec<&[f32]> = samples.chunks_exact(WINDOW).collect();
    let mut of_window = Vec::new();
    let mut of_decision = Vec::new();
    for window in windows.iter().cycle().take(200) {
        of_window.push(measure(|| transformer.embed(window, &mut row).unwrap()));
        of_decision.push(measure(|| transformer.score(rows.as_slice().into(), &mut scores).unwrap()));
    }
    for (what, counted) in [("window", of_window), ("decision", of_decision)] {
        let first = &counted[0];
        println!("a {what}: {} allocations, {} bytes", first.count_total, first.bytes_total);
        assert!(counted.iter().all(|one| one.count_current == 0 && one.bytes_current == 0), "what is allocated is given back");
        assert!(counted.iter().all(|one| (one.count_total, one.bytes_total) == (first.count_total, first.bytes_total)));
    }
}

/// A copy of the model in `folder`, changed by `change`, which is given the manifest and the labels.
fn changed(places: &Places, folder: &Path, change: impl FnOnce(&mut String, &mut String)) -> Result<Engine, Error> {
    let model = Model::open(places, NAME).unwrap();
    let copy = folder.join(NAME);
    fs::create_dir_all(&copy).unwrap();
    for entry in &model.manifest().files {
        fs::copy(model.folder().join(&entry.path), copy.join(&entry.path)).unwrap();
    }
    let labels = model.file("labels").unwrap();
    let before = fs::read_to_string(&labels).unwrap();
    let (mut manifest, mut after) = (fs::read_to_string(model.folder().join("model.toml")).unwrap(), before.clone());
    change(&mut manifest, &mut after);
    let said = |text: &str| {
        let sha256: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        (format!("bytes = {}\n", text.len()), sha256)
    };
    let (was, is) = (said(&before), said(&after));
    let manifest = manifest.replace(&was.1, &is.1).replace(&was.0, &is.0);
    fs::write(copy.join(labels.file_name().unwrap()), after).unwrap();
    fs::write(copy.join("model.toml"), manifest).unwrap();
    Engine::load(&Places::only(folder.to_owned()), NAME, GraphSettings::default())
}

#[test]
fn a_manifest_that_does_not_fit_its_graphs_is_refused_with_what_was_found() {
    let Some(places) = places() else { return };
    let folder = tempfile::tempdir().unwrap();
    assert!(changed(&places, folder.path(), |_, _| {}).is_ok());
    let swaps = [
        ("samples = 400", "samples = 320", ErrorKind::Model, "input 'samples': expected f32 [1, 320], found f32 ["),
        ("samples = 400", "samples = 4097", ErrorKind::Corrupt, "samples is 4097; it must be 1 to 4096"),
        ("embedding = 64", "embedding = 32", ErrorKind::Model, "output 'embeddings': expected f32 [1, 32], found f32 ["),
        ("embedding = 64", "embedding = 0", ErrorKind::Corrupt, "embedding is 0"),
        ("embedding = 64", "embedding = 4096", ErrorKind::Corrupt, "with 4096 values in each it must be at most 2"),
        ("frames = 40", "frames = 41", ErrorKind::Model, "input 'embeddings': expected f32 [1, 41, 64], found f32 [1, 40, 64]"),
        ("hop_frames = 10", "hop_frames = 41", ErrorKind::Corrupt, "hop_frames is 41; it must be 1 to 40"),
        ("[window]", "[windows]", ErrorKind::Corrupt, "has no [window] section"),
        ("role = \"classifier\"", "role = \"clasifier\"", ErrorKind::Corrupt, "no file with role 'classifier'"),
        ("family = \"audio-transformer\"", "family = \"moonshine\"", ErrorKind::InvalidInput, "choose a tagger"),
    ];
    for (from, to, kind, says) in swaps {
        let swap = |manifest: &mut String, _: &mut String| {
            assert!(manifest.contains(from), "the manifest has no '{from}'");
            *manifest = manifest.replacen(from, to, 1);
        };
        let error = changed(&places, folder.path(), swap).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(says), "{to}: {error}");
    }
    let swapped = |manifest: &mut String, _: &mut String| {
        let roles = [("window", "other"), ("classifier", "window"), ("other", "classifier")];
        for (from, to) in roles.map(|(from, to)| (format!("role = \"{from}\""), format!("role = \"{to}\""))) {
            *manifest = manifest.replacen(&from, &to, 1);
        }
    };
    let error = changed(&places, folder.path(), swapped).unwrap_err();
    let says = "input 'samples': expected f32 [1, 400], found no such input, only 'embeddings'";
    assert!(error.kind() == ErrorKind::Model && error.message().contains(says), "{error}");
    let drop_last = |_: &mut String, labels: &mut String| {
        let kept = labels.trim_end().rsplit_once('\n').unwrap().0.len();
        labels.truncate(kept);
    };
    let error = changed(&places, folder.path(), drop_last).unwrap_err();
    assert!(error.message().contains("output 'scores': expected f32 [1, 9], found f32 [1, 10]"), "{error}");
    let mut transformer = loaded(&places);
    let error = transformer.embed(&[0.0; 399], &mut [0.0; 64]).unwrap_err();
    assert!(error.message().contains("expected 400 samples in the window, found 399"), "{error}");
    let error = transformer.score([0.0; 39 * 64].as_slice().into(), &mut [0.0; 10]).unwrap_err();
    assert!(error.message().contains("expected 2560 values in the patch, found 2496"), "{error}");
}

/// Beeps of 3.1 kHz: three of half a second, half a second apart, and 1.5 s of pause, from 2 s on.
fn smoke_alarm(seconds: f64) -> Vec<f32> {
    let sample = |n: u32| {
        let time = f64::from(n) / 16_000.0 - 2.0;
        let within = time.rem_euclid(4.0);
        let on = time >= 0.0 && within < 3.0 && within.fract() < 0.5;
        if on { (0.07 * (TAU * 3_100.0 * time).sin()) as f32 } else { 0.0 }
    };
    (0..(seconds * 16_000.0) as u32).map(sample).collect()
}

#[test]
fn an_alarm_is_told_by_its_rhythm_though_the_model_knows_none() {
    let Some(places) = places() else { return };
    let mut engine = engine(&places);
    assert!(engine.labels().iter().all(|label| !label.name.contains("larm")));
    for wanted in ["Smoke alarm (T3 pattern)", "CO alarm (T4 pattern)", "Smoke detector, smoke alarm", "Alarm"] {
        assert_eq!(engine.vocabulary().check(wanted), Ok(()), "an alert can wait for it");
    }
    let samples = smoke_alarm(16.0);
    let by_rhythm = |events: &[EventBody]| -> Vec<Sound> {
        let sounds = events.iter().filter_map(|event| if let EventBody::Sound(sound) = event { Some(sound) } else { None });
        sounds.filter(|sound| &*sound.model == "cadence").cloned().collect()
    };
    let told = by_rhythm(&live(&mut engine, Settings::default(), &[(0, &samples)]));
    let (first, last) = (told.first().unwrap(), told.last().unwrap());
    assert_eq!((first.state, &*first.label, &*first.id), (SoundState::Start, "Smoke alarm (T3 pattern)", "/m/01y3hg"));
    assert!(last.state == SoundState::End && told.iter().all(|sound| sound.event == first.event), "{told:#?}");
    assert!((last.start.seconds() - 2.0).abs() < 0.2, "{last:?}");
    assert!(engine.vocabulary().covers("Smoke detector, smoke alarm", &first.label, &first.id));
    let off = Settings { cadence: false, ..Settings::default() };
    assert_eq!(by_rhythm(&live(&mut engine, off, &[(0, &samples)])), []);
    let denied = Settings { deny: vec!["Smoke detector, smoke alarm".to_owned()], ..Settings::default() };
    assert_eq!(by_rhythm(&live(&mut engine, denied, &[(0, &samples)])), []);
    // A group before a gap and one after it are not two in a row.
    let group = &samples[..5 * 16_000];
    assert_eq!(by_rhythm(&live(&mut engine, Settings::default(), &[(0, group), (8 * 16_000, group)])), []);
}

/// `auricle tag` of a second of noise with the models in `models`.
fn tag(models: &Path, noise: &Path, arguments: &[&str]) -> Ended {
    let mut command = auricle();
    command.env_remove("AURICLE_MODELS").args(["tag", "--scores", "--models-dir"]).arg(models).args(arguments).arg(noise);
    Program::start(&mut command).finish()
}

#[test]
fn tag_takes_it_where_yamnet_was_not_fetched_and_says_what_it_cannot_hear() {
    let Some(places) = places() else { return };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (models, wav) = (folder.path().join("models"), folder.path().join("noise.wav"));
    let link = |name: &str, only_manifest: bool| {
        let from = places.model(name).unwrap();
        fs::create_dir_all(models.join(name)).unwrap();
        for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()) {
            if !only_manifest || file.ends_with("model.toml") {
                fs::copy(&file, models.join(name).join(file.file_name().unwrap())).unwrap();
            }
        }
    };
    write_wav(&wav, &noise(1.0, 0.1));
    fs::create_dir_all(&models).unwrap();
    let none = tag(&models, &wav, &[]);
    assert!(none.code == Some(1) && none.stderr.contains("no model named yamnet"), "{none:?}");

    link(NAME, false);
    let names: Vec<String> = loaded(&places).labels().iter().map(|label| label.name.to_string()).collect();
    let says = |ended: &Ended| {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.lines.iter().any(|line| line.contains("\"model\":\"audio-transformer\"")), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        let parts = ["yamnet was not fetched", "audio-transformer", "knows 10 sounds", "'make models'"];
        for part in parts.into_iter().chain(names.iter().map(String::as_str)) {
            assert!(ended.stderr.contains(part), "'{part}' is not in: {}", ended.stderr);
        }
    };
    says(&tag(&models, &wav, &[]));
    // As in a clone in which nothing was fetched: the manifest alone.
    link("yamnet", true);
    says(&tag(&models, &wav, &[]));
    // Who names it knows.
    let named = tag(&models, &wav, &["--model", NAME]);
    assert_eq!((named.code, named.stderr.as_str()), (Some(0), ""));
    let asked = tag(&models, &wav, &["--model", "yamnet"]);
    assert!(asked.code == Some(1) && asked.stderr.contains("yamnet") && asked.stderr.contains("make models"), "{asked:?}");
    if Model::open(&places, "yamnet").is_ok_and(|model| model.is_fetched()) {
        link("yamnet", false);
        let whole = tag(&models, &wav, &[]);
        assert_eq!((whole.code, whole.stderr.as_str()), (Some(0), ""));
        assert!(whole.lines.iter().any(|line| line.contains("\"model\":\"yamnet\"")), "{whole:?}");
    } else {
        println!("without yamnet, which was not fetched");
    }
}

/// A wav file of 16 kHz, one channel, 16 bits.
fn write_wav(path: &Path, samples: &[f32]) {
    let bytes = 2 * samples.len() as u32;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(16_000_u32.to_le_bytes());
    file.extend(32_000_u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()));
    fs::write(path, file).unwrap();
}
