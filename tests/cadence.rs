//! Smoke and CO alarms by their cadence: made alarms, alone, off the standard, in rooms, under real speech and made music; and
//! what beeps or plays and is none. The same at length is `make sounds`.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use auricle::audio::file::AudioFile;
use auricle::event::{EventBody, Sound, SoundState};
use auricle::frontend::FrontEnd;
use auricle::runtime::{self, GraphSettings};
use auricle::sound::{Engine, Settings, Stream};
use auricle::store::Places;
use auricle::time::SamplePosition;

const RATE: f64 = 16_000.0;
/// RMS of what sounds: -26 dBFS.
const LEVEL: f64 = 0.05;
const SMOKE: &str = "Smoke alarm (T3 pattern)";
const MONOXIDE: &str = "CO alarm (T4 pattern)";

/// Beeps of `on_s`, `off_s` apart, and the pause after them.
#[derive(Clone, Copy)]
struct Rhythm {
    beeps: u32,
    on_s: f64,
    off_s: f64,
    pause_s: f64,
}

const T3: Rhythm = Rhythm { beeps: 3, on_s: 0.5, off_s: 0.5, pause_s: 1.5 };
const T4: Rhythm = Rhythm { beeps: 4, on_s: 0.1, off_s: 0.1, pause_s: 5.0 };

impl Rhythm {
    fn period_s(&self) -> f64 {
        f64::from(self.beeps) * (self.on_s + self.off_s) - self.off_s + self.pause_s
    }

    /// How far into a beep `time` is and how far from its end, if it is in one.
    fn beep(&self, time: f64) -> Option<f64> {
        let within = time.rem_euclid(self.period_s());
        let beep = (within / (self.on_s + self.off_s)).floor();
        let into = within - beep * (self.on_s + self.off_s);
        (beep < f64::from(self.beeps) && into < self.on_s).then(|| into.min(self.on_s - into))
    }
}

/// `seconds` of an alarm that begins at `from_s`: partials (Hz, amplitude), at `tempo` times the rhythm's durations.
fn alarm(rhythm: Rhythm, partials: &[(f64, f64)], tempo: f64, from_s: f64, seconds: f64) -> Vec<f32> {
    let power: f64 = partials.iter().map(|(_, amplitude)| amplitude * amplitude / 2.0).sum();
    let sample = |n: u32| {
        let time = f64::from(n) / RATE;
        let Some(edge) = (time >= from_s).then(|| rhythm.beep((time - from_s) / tempo)).flatten() else { return 0.0 };
        let wave: f64 = partials.iter().map(|(hz, amplitude)| amplitude * (TAU * hz * time).sin()).sum();
        (LEVEL * (edge / 0.003).min(1.0) * wave / power.sqrt()) as f32
    };
    (0..(seconds * RATE) as u32).map(sample).collect()
}

fn piezo(hz: f64) -> Vec<(f64, f64)> {
    vec![(hz, 1.0), (2.0 * hz, 0.1)]
}

fn square(hz: f64) -> Vec<(f64, f64)> {
    (1..16).step_by(2).map(|n| (f64::from(n) * hz, 1.0 / f64::from(n))).take_while(|(hz, _)| *hz < 7_900.0).collect()
}

/// Numbers in [-1, 1): x = (1664525 x + 1013904223) mod 2^32.
struct Chance(u32);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / f64::from(1_u32 << 31) - 1.0
    }

    fn below(&mut self, count: u32) -> u32 {
        ((self.next() + 1.0) / 2.0 * f64::from(count)) as u32
    }
}

/// Chords, an arpeggio up to 3.5 kHz whose partials reach 7 kHz, and a drum: RMS 1.
fn music(seconds: f64, seed: u32) -> Vec<f64> {
    let mut chance = Chance(seed);
    let mut samples = vec![0.0; (seconds * RATE) as usize];
    let beat = 60.0 / [72.0, 90.0, 120.0][chance.below(3) as usize];
    let mut add = |at_s: f64, hz: f64, last_s: f64, gain: f64| {
        let start = (at_s * RATE) as usize;
        for (n, place) in samples.iter_mut().skip(start).take((last_s * RATE) as usize).enumerate() {
            let time = n as f64 / RATE;
            let edge = (time / 0.005).min((last_s - time) / 0.005).clamp(0.0, 1.0);
            let partial = |k: f64| (TAU * k * hz * time).sin() / k * (-time * (1.0 + 0.2 * k)).exp();
            *place += gain * edge * (1..=(7_000.0 / hz) as u32).map(|k| partial(f64::from(k))).sum::<f64>();
        }
    };
    let mut time = 0.0;
    while time < seconds {
        let root = 110.0 * 2_f64.powf(f64::from(chance.below(12)) / 12.0);
        for third in [1.0, 1.25, 1.5] {
            add(time, root * third, 3.8 * beat, 0.5);
        }
        for eighth in 0..8 {
            let octave = f64::from(1 << (1 + chance.below(4)));
            let hz = (root * [1.0, 1.25, 1.5][chance.below(3) as usize] * octave).min(3_500.0);
            add(time + f64::from(eighth) * beat / 2.0, hz, 0.4 * beat, 0.6);
        }
        for quarter in 0..4 {
            add(time + f64::from(quarter) * beat, 55.0, 0.15, 2.0);
        }
        time += 4.0 * beat;
    }
    let rms = (samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64).sqrt();
    samples.iter().map(|sample| sample / rms).collect()
}

/// Real speech again and again, RMS 1 where it is spoken; three sentences, which come with the captions' model.
fn speech(seconds: f64) -> Vec<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/moonshine-tiny-en/beckett.wav");
    let samples: Vec<f64> = read(&path).into_iter().map(f64::from).collect();
    let loud: Vec<f64> = samples.iter().copied().filter(|sample| sample.abs() > 0.01).collect();
    let rms = (loud.iter().map(|sample| sample * sample).sum::<f64>() / loud.len() as f64).sqrt();
    samples.iter().cycle().map(|sample| sample / rms).take((seconds * RATE) as usize).collect()
}

fn read(path: &Path) -> Vec<f32> {
    let mut file = AudioFile::open(path).expect("'make models' fetches the recording");
    let mut samples = Vec::new();
    while let Some(block) = file.next_block().unwrap() {
        samples.extend_from_slice(block);
    }
    samples
}

/// `samples` and `with` at `snr_db` below the alarm's level.
fn under(samples: &[f32], with: &[f64], snr_db: f64) -> Vec<f32> {
    let gain = LEVEL * 10_f64.powf(-snr_db / 20.0);
    samples.iter().zip(with).map(|(sample, other)| (f64::from(*sample) + gain * other).clamp(-1.0, 1.0) as f32).collect()
}

/// A room: direct sound and a tail that falls by 60 dB in `t60_s`, as strong as the direct sound.
fn in_room(samples: &[f32], t60_s: f64) -> Vec<f32> {
    let mut chance = Chance(7);
    let taps: Vec<(usize, f64)> = (0..400)
        .map(|_| {
            let at_s = 0.003 + (chance.next() + 1.0) / 2.0 * t60_s;
            ((at_s * RATE) as usize, chance.next().signum() * 10_f64.powf(-3.0 * at_s / t60_s))
        })
        .collect();
    let power: f64 = taps.iter().map(|(_, gain)| gain * gain).sum();
    let mut result: Vec<f64> = samples.iter().map(|sample| f64::from(*sample)).collect();
    for (delay, gain) in taps {
        for (place, sample) in result[delay..].iter_mut().zip(samples) {
            *place += f64::from(*sample) * gain / power.sqrt();
        }
    }
    result.iter().map(|sample| (sample * 0.7).clamp(-1.0, 1.0) as f32).collect()
}

fn engine() -> Engine {
    runtime::load_library(None).expect("'make library' fetches ONNX Runtime");
    Engine::load(&Places::find(), "yamnet", GraphSettings::default()).expect("'make models' fetches YAMNet")
}

/// Every sound event, with the seconds of audio that had come when it was told.
fn hear(engine: &mut Engine, settings: Settings, samples: &[f32]) -> Vec<(f64, Sound)> {
    let mut front_end = FrontEnd::new(engine.features()).unwrap();
    let mut stream = Stream::new(engine, settings).unwrap();
    let mut told = Vec::new();
    let mut take = |at_s: f64, body: EventBody| {
        if let EventBody::Sound(sound) = body {
            told.push((at_s, sound));
        }
    };
    front_end.push(SamplePosition(0), samples, &mut |frame, log_mel| {
        let at_s = stream.frame_end(frame).seconds();
        stream.push(engine, frame, log_mel, &mut |body| take(at_s, body)).unwrap();
    });
    stream.finish(engine, &mut |body| take(samples.len() as f64 / RATE, body)).unwrap();
    told
}

fn patterns(told: &[(f64, Sound)]) -> Vec<&(f64, Sound)> {
    told.iter().filter(|(_, sound)| &*sound.model == "cadence").collect()
}

#[test]
fn an_alarm_is_recognised_with_its_second_cycle_and_is_one_event() {
    let mut engine = engine();
    let cases = [
        (T3, piezo(3_100.0), SMOKE, "/m/01y3hg"),
        (T3, square(520.0), SMOKE, "/m/01y3hg"),
        (T4, piezo(3_100.0), MONOXIDE, "/m/07pp_mv"),
        (T4, square(520.0), MONOXIDE, "/m/07pp_mv"),
    ];
    for (rhythm, partials, label, id) in cases {
        let samples = alarm(rhythm, &partials, 1.0, 2.0, 2.0 + 4.0 * rhythm.period_s());
        let told = hear(&mut engine, Settings::default(), &samples);
        let found = patterns(&told);
        let (at_s, first) = found.first().unwrap_or_else(|| panic!("{label}: {told:#?}"));
        assert_eq!((&*first.label, &*first.id), (label, id));
        // Its second group and a moment of silence: 7.35 s (T3) or 6.8 s (T4) after it began.
        let silence_s = if rhythm.beeps == 3 { 0.85 } else { 0.4 };
        assert!((at_s - 2.0 - (2.0 * rhythm.period_s() - rhythm.pause_s + silence_s)).abs() < 0.25, "{label}: {at_s}");
        let last = found.last().unwrap();
        assert!(last.1.state == SoundState::End && found.iter().all(|(_, sound)| sound.event == last.1.event), "{found:#?}");
        assert!((last.1.start.seconds() - 2.0).abs() < 0.2, "{:?}", last.1);
        // Nothing else that beeps is told once the alarm is known.
        let others = told.iter().filter(|(told_s, sound)| told_s > at_s && &*sound.model != "cadence");
        assert_eq!(others.filter(|(_, sound)| sound.state == SoundState::Start).count(), 0, "{told:#?}");
    }
}

#[test]
fn an_alarm_that_yamnet_has_told_already_takes_the_closer_name() {
    let mut engine = engine();
    let told = hear(&mut engine, Settings::default(), &alarm(T3, &piezo(3_100.0), 1.0, 2.0, 16.0));
    let (_, first) = &told[0];
    assert!(first.state == SoundState::Start && &*first.model == "yamnet", "{told:#?}");
    let named = patterns(&told)[0];
    assert!(named.1.state == SoundState::Update && named.1.event <= 1, "{told:#?}");
}

#[test]
fn an_alarm_is_recognised_off_the_standard_in_rooms_and_under_speech_and_music() {
    let mut engine = engine();
    for (rhythm, label) in [(T3, SMOKE), (T4, MONOXIDE)] {
        let seconds = 2.0 + 6.0 * rhythm.period_s();
        let (speech, music) = (speech(seconds), music(seconds, 5));
        let mut heard_by = Vec::new();
        for (name, partials) in [("3.1 kHz", piezo(3_100.0)), ("520 Hz", square(520.0))] {
            let clean = alarm(rhythm, &partials, 1.0, 2.0, seconds);
            let cases = [
                ("speech 10 dB", under(&clean, &speech, 10.0)),
                ("speech 0 dB", under(&clean, &speech, 0.0)),
                ("music 10 dB", under(&clean, &music, 10.0)),
                ("music 0 dB", under(&clean, &music, 0.0)),
                ("room 0.3 s", in_room(&clean, 0.3)),
                ("room 0.5 s", in_room(&clean, 0.5)),
                ("faint", clean.iter().map(|sample| sample * 0.02).collect()),
                ("slow", alarm(rhythm, &partials, 1.1, 2.0, seconds)),
                ("quick", alarm(rhythm, &partials, 0.9, 2.0, seconds)),
            ];
            heard_by.extend(cases.map(|(case, samples)| (name, case, samples)));
        }
        heard_by.push(("2.92 kHz", "low", alarm(rhythm, &piezo(2_920.0), 1.0, 2.0, seconds)));
        heard_by.push(("3.48 kHz", "high", alarm(rhythm, &piezo(3_480.0), 1.0, 2.0, seconds)));
        heard_by.push(("500 Hz", "low", alarm(rhythm, &square(500.0), 1.0, 2.0, seconds)));
        heard_by.push(("540 Hz", "high", alarm(rhythm, &square(540.0), 1.0, 2.0, seconds)));
        for (tone, case, samples) in heard_by {
            let told = hear(&mut engine, Settings::default(), &samples);
            let found = patterns(&told);
            assert!(!found.is_empty(), "{label} at {tone}, {case}: {told:#?}");
            assert!(found.iter().all(|(_, sound)| &*sound.label == label), "{label} at {tone}, {case}: {found:#?}");
        }
    }
}

#[test]
fn what_beeps_or_plays_and_is_no_alarm_is_not_taken_for_one() {
    let mut engine = engine();
    let beeps = |beeps, on_s, off_s, pause_s| Rhythm { beeps, on_s, off_s, pause_s };
    let rhythms = [
        ("reversing", beeps(1, 0.5, 0.5, 0.5)),
        ("microwave oven", beeps(3, 0.5, 0.5, 7.5)),
        ("microwave oven, five", beeps(5, 0.5, 0.5, 10.0)),
        ("alarm clock", beeps(4, 0.1, 0.1, 0.3)),
        ("slow alarm clock", beeps(4, 0.1, 0.1, 1.5)),
        ("two beeps", beeps(2, 0.5, 0.5, 2.5)),
        ("four long beeps", beeps(4, 0.5, 0.5, 1.5)),
        ("three short beeps", beeps(3, 0.15, 0.15, 3.25)),
        ("phone", beeps(20, 0.05, 0.05, 4.0)),
        ("low battery", beeps(1, 0.06, 0.0, 40.0)),
    ];
    for (name, rhythm) in rhythms {
        for partials in [piezo(3_100.0), square(520.0)] {
            let told = hear(&mut engine, Settings::default(), &alarm(rhythm, &partials, 1.0, 1.0, 60.0));
            assert!(patterns(&told).is_empty(), "{name}: {:#?}", patterns(&told));
        }
    }
    for seed in 0..4 {
        let samples = under(&vec![0.0; 90 * 16_000], &music(90.0, seed), 0.0);
        let told = hear(&mut engine, Settings::default(), &samples);
        assert!(patterns(&told).is_empty(), "music {seed}: {:#?}", patterns(&told));
    }
}

#[test]
fn real_speech_is_no_alarm() {
    let mut engine = engine();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/speech");
    let Ok(table) = std::fs::read_to_string(folder.join("clips.tsv")) else {
        println!("skipped: no speech at {}", folder.display());
        return;
    };
    let mut samples = Vec::new();
    for row in table.lines().skip(1) {
        samples.extend(read(&folder.join(row.split('\t').next().unwrap())));
    }
    let told = hear(&mut engine, Settings::default(), &samples);
    assert!(patterns(&told).is_empty(), "{:#?}", patterns(&told));
    println!("{:.1} minutes of speech", samples.len() as f64 / RATE / 60.0);
}

#[test]
fn a_gap_ends_a_count_and_the_setting_turns_it_off() {
    let mut engine = engine();
    let samples = alarm(T3, &piezo(3_100.0), 1.0, 2.0, 16.0);
    let off = Settings { cadence: false, ..Settings::default() };
    assert!(patterns(&hear(&mut engine, off, &samples)).is_empty());
    let denied = Settings { deny: vec!["/m/01y3hg".to_owned()], ..Settings::default() };
    assert!(patterns(&hear(&mut engine, denied, &samples)).is_empty());
    // A group before a gap and one after it are not two in a row.
    let mut front_end = FrontEnd::new(engine.features()).unwrap();
    let mut stream = Stream::new(&engine, Settings::default()).unwrap();
    let mut told = Vec::new();
    let group = &samples[..5 * 16_000];
    for start in [0, 8 * 16_000] {
        front_end.push(SamplePosition(start), group, &mut |frame, log_mel| {
            stream.push(&mut engine, frame, log_mel, &mut |body| told.push(body)).unwrap();
        });
    }
    let by_cadence = |body: &EventBody| matches!(body, EventBody::Sound(sound) if &*sound.model == "cadence");
    assert!(!told.iter().any(by_cadence), "{told:#?}");
}
