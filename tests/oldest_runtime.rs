//! The oldest ONNX Runtime supported, 1.20.1, beside the one in use: every model of `models/` loads under both, and hears the same.
//!
//! In: real speech and sounds, and the two libraries that `make test` puts below `target/lib`. Out: what a user would notice between
//! them. Without the oldest library the tests say that they are skipped; with `CI` set they fail.

#![cfg(target_os = "linux")]

mod program;
mod wav;

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::TAU;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use program::{Program, auricle, recording};
use serde_json::Value;
use wav::{INTEGER, bytes_of, wav};

/// What may differ in captions.
struct Bounds {
    /// Share of the texts.
    texts: f64,
    /// Of where a word begins or ends in those that are the same, s.
    time_s: f64,
    /// Of how sure a word is.
    probability: f64,
}
/// Moonshine multiplies floats, or integers as fine as those; 24 ms is from one frame of its encoder to the next.
const MOONSHINE: Bounds = Bounds { texts: 0.0, time_s: 0.024, probability: 0.02 };
/// The encoder of Whisper rounds activations to 8 bits, and a last bit of a float that falls otherwise moves one by a whole step.
const WHISPER: Bounds = Bounds { texts: 0.1, time_s: 0.06, probability: 0.1 };
/// The mean of a class's scores over a clip may be as much higher or lower; 0.04 was measured on 25 clips.
const MEAN_SCORE: f64 = 0.08;
/// A score of a graph of floats may be as much higher or lower.
const SCORE: f64 = 1e-4;

/// The two libraries: the oldest, and the one in use.
struct Libraries([PathBuf; 2]);

impl Libraries {
    fn find() -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_auricle"));
        let find = |folder: &str| {
            let paths = program.ancestors().map(|above| above.join("lib").join(folder).join("libonnxruntime.so"));
            paths.into_iter().find(|path| path.is_file())
        };
        let in_use = find("auricle").expect("'make library' puts it into target/lib/auricle");
        match find("auricle-oldest") {
            Some(oldest) => Some(Self([oldest, in_use])),
            None if std::env::var_os("CI").is_none() => {
                say("skipped: no target/lib/auricle-oldest/libonnxruntime.so; 'make library-oldest' puts it there");
                None
            }
            None => panic!("no target/lib/auricle-oldest/libonnxruntime.so; 'make library-oldest' puts it there"),
        }
    }

    /// Runs the program under each library; gives the lines of both.
    fn lines(&self, arguments: &[&str], files: &[PathBuf]) -> [Vec<String>; 2] {
        self.0.each_ref().map(|library| {
            let mut command = auricle();
            command.env_remove("AURICLE_MODELS").env("AURICLE_ONNXRUNTIME", library).args(arguments).args(files);
            let ended = Program::start(&mut command).finish();
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}: {arguments:?}", library.display());
            ended.lines
        })
    }

    /// The events of each file under each library, in the order of the files.
    fn events(&self, arguments: &[&str], files: &[PathBuf]) -> [Vec<Vec<Value>>; 2] {
        self.lines(&[arguments, &["--format", "jsonl"]].concat(), files).map(|lines| {
            let mut events: HashMap<String, Vec<Value>> = HashMap::new();
            for line in &lines {
                let event: Value = serde_json::from_str(line).unwrap();
                let file = event["file"].as_str().expect("several files are read").to_owned();
                events.entry(file).or_default().push(event);
            }
            files.iter().map(|file| events.remove(file.to_str().unwrap()).unwrap_or_default()).collect()
        })
    }
}

/// Says it where the harness does not catch it: a test that compared less than it could should not look like one that did.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "oldest_runtime: {what}");
}

/// Every `step`th clip of a table of recordings that may not be published with the code; none where they are not there.
fn clips(folder: &str, step: usize) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    let Ok(table) = fs::read_to_string(folder.join("clips.tsv")) else {
        say(&format!("without the clips of {}, which is not there", folder.display()));
        return Vec::new();
    };
    let paths = table.lines().skip(1).step_by(step).map(|row| row.split('\t').next().unwrap());
    paths.map(|path| folder.join(path)).collect()
}

/// Names of the models in the repository, by family.
fn models() -> BTreeMap<String, Vec<String>> {
    let mut models: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap() {
        let Ok(manifest) = fs::read_to_string(folder.unwrap().path().join("model.toml")) else { continue };
        let manifest: toml::Table = manifest.parse().unwrap();
        let text = |key: &str| manifest[key].as_str().unwrap().to_owned();
        models.entry(text("family")).or_default().push(text("name"));
    }
    models
}

fn of_type<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

fn number(event: &Value, field: &str) -> f64 {
    event[field].as_f64().unwrap_or_else(|| panic!("no {field}: {event}"))
}

#[test]
fn every_model_is_whole_and_runs() {
    let Some(libraries) = Libraries::find() else { return };
    let models = models();
    let families: Vec<&str> = models.keys().map(String::as_str).collect();
    assert_eq!(families, ["audio-transformer", "moonshine", "silero", "whisper", "yamnet"], "all are compared here");
    let names: Vec<&str> = models.values().flatten().map(String::as_str).collect();
    for lines in libraries.lines(&[&["models", "verify"], &names[..]].concat(), &[]) {
        assert_eq!(lines.len(), 1 + names.len(), "{lines:#?}");
        assert!(lines[1..].iter().all(|line| line.contains("  ok, ran on cpu")), "{lines:#?}");
    }
    // The two are not one.
    let used = libraries.lines(&["models"], &[]);
    for (library, lines) in libraries.0.iter().zip(&used) {
        assert_eq!(lines.last().unwrap(), &format!("ONNX Runtime: {}", library.display()));
    }
    let [oldest, in_use] = libraries.0.each_ref().map(|library| fs::read(library).unwrap());
    let has = |library: &[u8], version: &[u8]| library.windows(version.len()).any(|piece| piece == version);
    assert!(has(&oldest, b"VERS_1.20.1") && !has(&in_use, b"VERS_1.20.1"), "1.20.1 is compared with another");
}

#[test]
fn captions_say_the_same_words_at_the_same_times() {
    let Some(libraries) = Libraries::find() else { return };
    let recordings = [recording("beckett.wav"), recording("two_cities.wav")];
    let clips = clips("speech", 8);
    let models = models();
    let named = |family: &str, bounds| models[family].iter().map(move |name| (name, bounds)).collect::<Vec<_>>();
    for (name, bounds) in [named("moonshine", &MOONSHINE), named("whisper", &WHISPER)].concat() {
        let (mut compared, mut others) = (0.0, 0.0);
        let (mut words, mut time, mut probability) = (0, 0.0_f64, 0.0_f64);
        // A few at a time: the longest run has to end in time on a busy machine too.
        for files in [&recordings[..]].into_iter().chain(clips.chunks(8)) {
            let [oldest, in_use] = libraries.events(&["transcribe", "--sounds", "off", "--model", name], files);
            for ((file, oldest), in_use) in files.iter().zip(&oldest).zip(&in_use) {
                let segments = |events| of_type(events, "speech").into_iter().map(bare).collect::<Vec<_>>();
                assert_eq!(segments(oldest), segments(in_use), "{name}, {}: what is speech, by Silero", file.display());
                let texts = |events| of_type(events, "caption").iter().map(|caption| caption["text"].clone()).collect::<Vec<_>>();
                assert!(!texts(in_use).is_empty(), "{name}, {}: no captions", file.display());
                compared += 1.0;
                if texts(oldest) != texts(in_use) {
                    println!("{name}, {}: {:?}, {:?}", file.display(), texts(oldest), texts(in_use));
                    others += 1.0;
                    continue;
                }
                let said = |events| -> Vec<Value> {
                    let captions = of_type(events, "caption").into_iter().filter(|caption| caption["text"] != "");
                    captions.flat_map(|caption| caption["words"].as_array().expect("words have times").clone()).collect()
                };
                for (oldest, in_use) in said(oldest).iter().zip(&said(in_use)) {
                    let apart = |field: &str| (number(oldest, field) - number(in_use, field)).abs();
                    words += 1;
                    time = time.max(apart("start")).max(apart("end"));
                    probability = probability.max(apart("probability"));
                }
            }
        }
        println!("{name}: {others} of {compared} texts; {words} words, at most {time} s and {probability} of probability apart");
        assert!(words > 100, "{name}: only {words} words");
        assert!(others <= bounds.texts * compared, "{name}: {others} of {compared} texts are others");
        assert!(time <= bounds.time_s + 1e-9 && probability <= bounds.probability, "{name}: {time} s, {probability}");
    }
}

/// Without what counts events and time of computing.
fn bare(event: &Value) -> Value {
    let mut event = event.clone();
    let fields = event.as_object_mut().unwrap();
    fields.remove("seq");
    fields.remove("emitted");
    event
}

/// 1.20.1 does not fuse YAMNet's quantised operators as later versions do, and logits move in steps of 0.76, so that single scores
/// differ by up to 0.23. What a person notices is compared: which sounds are told, and how the clip as a whole is heard.
#[test]
fn sounds_are_told_as_the_same_sounds() {
    let Some(libraries) = Libraries::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let alarm = folder.path().join("alarm.wav");
    fs::write(&alarm, wav(INTEGER, 16, 16_000, 1, &bytes_of(&beeps()))).unwrap();
    let mut files = vec![alarm, recording("beckett.wav"), recording("two_cities.wav")];
    files.extend(clips("esc10", 16));
    let ontology = Ontology::read();
    for name in &models()["yamnet"] {
        let [oldest, in_use] = libraries.events(&["tag", "--scores", "--model", name], &files);
        let (mut told, mut furthest) = (Vec::new(), 0.0_f64);
        for ((file, oldest), in_use) in files.iter().zip(&oldest).zip(&in_use) {
            let (before, after) = (means(oldest), means(in_use));
            let apart = before.iter().zip(&after).map(|(before, after)| (before - after).abs());
            furthest = apart.fold(furthest, f64::max);
            let (first, other) = (top(&before), top(&after));
            // Two classes that are level may change places.
            assert!(after[other] - after[first] < MEAN_SCORE / 2.0, "{}: class {first}, class {other}", file.display());
            told.push(ontology.same_sounds(oldest, in_use));
        }
        println!("{name}: {} files, means of scores at most {furthest} apart, the same sounds told of: {told:?}", files.len());
        assert!(furthest <= MEAN_SCORE, "means of scores are {furthest} apart");
        assert!(told[..3].iter().all(|same| *same), "the alarm, and speech without sounds: {told:?}");
        let same = told.iter().filter(|same| **same).count();
        assert!(same * 10 >= told.len() * 9, "the same sounds in {same} of {} files", told.len());
        let alarm = of_type(&oldest[0], "sound");
        assert_eq!(alarm.last().expect("an alarm is heard")["label"], "Smoke detector, smoke alarm");
    }
}

/// Floats, in the same order of the same operators but for what a library fuses: single scores are alike.
#[test]
fn the_audio_transformer_scores_the_same() {
    let Some(libraries) = Libraries::find() else { return };
    let mut files = vec![recording("beckett.wav"), recording("two_cities.wav")];
    files.extend(clips("esc10", 16));
    for name in &models()["audio-transformer"] {
        let [oldest, in_use] = libraries.events(&["tag", "--scores", "--model", name], &files);
        let (mut count, mut furthest) = (0, 0.0_f64);
        for ((file, oldest), in_use) in files.iter().zip(&oldest).zip(&in_use) {
            let scores = |events| -> Vec<f64> {
                let patches = of_type(events, "scores").into_iter();
                patches.flat_map(|patch| patch["scores"].as_array().unwrap()).map(|score| score.as_f64().unwrap()).collect()
            };
            let (before, after) = (scores(oldest), scores(in_use));
            assert_eq!(before.len(), after.len(), "{}", file.display());
            count += before.len();
            furthest = before.iter().zip(&after).map(|(before, after)| (before - after).abs()).fold(furthest, f64::max);
        }
        println!("{name}: {count} scores, at most {furthest:e} apart");
        assert!(count > 100 && furthest <= SCORE, "{name}: {count} scores, {furthest} apart");
    }
}

/// Beeps of 3 kHz, half a second on and half a second off, for 6 s.
fn beeps() -> Vec<i16> {
    let sample = |n: u32| {
        let time = f64::from(n) / 16_000.0;
        if time.fract() < 0.5 { (16_000.0 * (TAU * 3_000.0 * time).sin()) as i16 } else { 0 }
    };
    (0..6 * 16_000).map(sample).collect()
}

/// Mean score of every class over the patches of a file.
fn means(events: &[Value]) -> Vec<f64> {
    let patches = of_type(events, "scores");
    let rows = patches.iter().map(|patch| patch["scores"].as_array().unwrap());
    let mut sums = vec![0.0; patches[0]["scores"].as_array().unwrap().len()];
    rows.for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, score)| *sum += score.as_f64().unwrap()));
    sums.iter().map(|sum| sum / patches.len() as f64).collect()
}

fn top(means: &[f64]) -> usize {
    (0..means.len()).max_by(|&one, &other| means[one].total_cmp(&means[other])).unwrap()
}

/// Which names are names of one sound, from `src/sound/sounds.txt`.
struct Ontology(HashMap<String, Vec<String>>);

impl Ontology {
    /// Each name, with the names above it.
    fn read() -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sound/sounds.txt")).unwrap();
        let (mut above, mut all) = (Vec::<String>::new(), HashMap::<String, Vec<String>>::new());
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let name = line.trim_start();
            above.truncate((line.len() - name.len()) / 2);
            let name = name.trim_start_matches(['=', '-']).to_owned();
            all.entry(name.clone()).or_default().extend(above.iter().cloned());
            above.push(name);
        }
        Self(all)
    }

    /// Whether both tell of as many sounds, each at the time of the other's, and by its name or one that is closer or wider.
    fn same_sounds(&self, one: &[Value], other: &[Value]) -> bool {
        let ends = |events| of_type(events, "sound").into_iter().filter(|sound| sound["state"] == "end").collect::<Vec<_>>();
        let (one, other) = (ends(one), ends(other));
        one.len() == other.len()
            && one.iter().zip(&other).all(|(one, other)| {
                let meet = number(one, "start") < number(other, "end") && number(other, "start") < number(one, "end");
                let label = |sound: &Value| sound["label"].as_str().unwrap().to_owned();
                let (one, other) = (label(one), label(other));
                let is_above = |wide: &String, close: &String| self.0.get(close).is_some_and(|above| above.contains(wide));
                meet && (one == other || is_above(&one, &other) || is_above(&other, &one))
            })
    }
}
