//! `auricle doctor`: a healthy machine is told so, and each thing that is missing is named with what to do.

mod program;
mod virtual_microphone;
mod wav;

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use program::{Ended, Program, auricle};
use virtual_microphone::{VirtualMicrophone, with_virtual_microphone};

/// The line about `subject` with `verdict`.
fn line<'a>(ended: &'a Ended, verdict: &str, subject: &str) -> &'a str {
    let has = |line: &&String| line.starts_with(&format!("{verdict:<9}{subject}"));
    ended.lines.iter().find(has).unwrap_or_else(|| panic!("no {verdict} {subject}: {ended:#?}"))
}

/// Runs doctor in an empty home, where no sound server answers unless `command` says otherwise.
fn doctor(home: &Path, change: impl FnOnce(&mut Command)) -> Ended {
    fs::write(home.join("no-asound.conf"), "").unwrap();
    let mut command = auricle();
    command.arg("doctor").env("HOME", home).current_dir(home).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
    command.env("PULSE_SERVER", "unix:/no/such/socket").env("ALSA_CONFIG_PATH", home.join("no-asound.conf"));
    change(&mut command);
    Program::start(&mut command).finish()
}

#[test]
fn without_a_microphone_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let ended = doctor(home.path(), |_| ());
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(line(&ended, "problem", "microphone").contains("plug one in"));
    assert!(line(&ended, "ok", "library").contains("ONNX Runtime 1."));
    for model in ["moonshine-tiny-en", "silero-vad", "yamnet"] {
        let found = |line: &String| line.starts_with("ok ") && line.contains(model) && line.contains("on cpu, 1 thread");
        assert!(ended.lines.iter().any(found), "{model}: {ended:#?}");
    }
    line(&ended, "note", "pulseaudio");
    line(&ended, "ok", "your models");
    assert!(ended.lines.last().unwrap().starts_with("1 problem was found; it took "), "{ended:#?}");
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["no-asound.conf"], "nothing is left behind");
}

#[test]
fn a_library_that_is_missing_is_named_and_files_are_checked_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let ended = doctor(home.path(), |command| {
        command.env("AURICLE_ONNXRUNTIME", "/no/libonnxruntime.so");
    });
    assert_eq!(ended.code, Some(1));
    assert!(line(&ended, "problem", "library").contains("AURICLE_ONNXRUNTIME"));
    assert!(line(&ended, "note", "model").contains("not run, as there is no library"));
}

#[test]
fn a_model_that_was_altered_or_is_missing_is_named() {
    let home = tempfile::tempdir().unwrap();
    let models = home.path().join("only");
    for model in ["silero-vad", "yamnet"] {
        fs::create_dir_all(models.join(model)).unwrap();
        for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), models.join(model).join(file.file_name())).unwrap();
        }
    }
    let labels = models.join("yamnet/yamnet_class_map.csv");
    let mut bytes = fs::read(&labels).unwrap();
    bytes[100] ^= 1;
    fs::write(&labels, bytes).unwrap();
    let ended = doctor(home.path(), |command| {
        command.arg("--models-dir").arg(&models);
    });
    assert_eq!(ended.code, Some(1));
    let problems: Vec<&String> = ended.lines.iter().filter(|line| line.starts_with("problem  model ")).collect();
    assert!(problems.iter().any(|line| line.contains("moonshine-tiny-en") && line.contains("make models")), "{ended:#?}");
    assert!(problems.iter().any(|line| line.contains("yamnet_class_map.csv") && line.contains("sha256")), "{ended:#?}");
    assert!(problems.len() == 2, "{ended:#?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let home = tempfile::tempdir().unwrap();
    // A file where a folder has to be: no privilege helps.
    fs::write(home.path().join("models"), "").unwrap();
    let ended = doctor(home.path(), |command| {
        command.env("AURICLE_MODELS", home.path().join("models/mine"));
    });
    assert_eq!(ended.code, Some(1));
    let problem = line(&ended, "problem", "your models");
    assert!(problem.contains("models/mine: cannot be made") && problem.contains("auricle models add"), "{problem}");
}

#[test]
fn settings_that_are_wrong_are_a_problem_and_the_rest_is_checked() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("mine.toml"), "[listen]\npreset = 3\ndevcie = 'x'\n").unwrap();
    let ended = doctor(home.path(), |command| {
        command.env("AURICLE_CONFIG", "mine.toml");
    });
    assert_eq!(ended.code, Some(1));
    assert!(
        line(&ended, "problem", "settings").contains("mine.toml:3:1: there is no key devcie in [listen]; did you mean device?")
    );
    line(&ended, "ok", "library");
    fs::write(home.path().join("mine.toml"), "[listen]\ndevice = 'No such device'\n").unwrap();
    let ended = doctor(home.path(), |command| {
        command.env("AURICLE_CONFIG", "mine.toml");
    });
    assert!(line(&ended, "ok", "settings").contains("mine.toml: 1 key, all understood"));
    // It is what 'listen' would use.
    line(&ended, "problem", "microphone");
}

/// Seconds of a sine at `amplitude` of full scale, as a WAV file.
fn tone(path: &Path, amplitude: f64, seconds: u32) {
    let value = |n: u32| (32_767.0 * (amplitude * (TAU * 440.0 * f64::from(n) / 16_000.0).sin()).clamp(-1.0, 1.0)) as i16;
    let samples: Vec<i16> = (0..16_000 * seconds).map(value).collect();
    fs::write(path, wav::wav(wav::INTEGER, 16, 16_000, 1, &wav::bytes_of(&samples))).unwrap();
}

/// What doctor says while `sound` is played again and again.
fn hearing(microphone: &VirtualMicrophone, folder: &Path, sound: Option<&Path>) -> Ended {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if let Some(sound) = sound {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    microphone.play(sound);
                }
            });
        }
        let mut command = auricle();
        command.args(["doctor", "--host", "pulseaudio", "--config", "none"]).envs(VirtualMicrophone::environment(folder));
        let ended = Program::start(&mut command).finish();
        done.store(true, Ordering::Relaxed);
        ended
    })
}

#[test]
fn a_microphone_is_heard_and_one_that_is_muted_or_too_loud_is_told() {
    with_virtual_microphone("a_microphone_is_heard_and_one_that_is_muted_or_too_loud_is_told", |microphone, folder| {
        let (quiet, loud) = (folder.join("quiet.wav"), folder.join("loud.wav"));
        tone(&quiet, 0.1, 4);
        tone(&loud, 3.0, 4);
        let ended = hearing(microphone, folder, Some(&quiet));
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let heard = line(&ended, "ok", "microphone");
        assert!(heard.contains("(pulseaudio)") && heard.contains("16000 Hz, 1 channel"), "{heard}");
        // A sine at a tenth of full scale peaks at -20 dBFS.
        assert!(heard.contains("peak -20 dBFS"), "{heard}");
        assert!(line(&ended, "ok", "pulseaudio").contains("by default pulseaudio:vmic"));
        assert!(ended.lines.last().unwrap().starts_with("No problem was found"), "{ended:#?}");
        let muted = hearing(microphone, folder, None);
        assert_eq!(muted.code, Some(1));
        assert!(line(&muted, "problem", "microphone").contains("muted"), "{muted:#?}");
        let clipped = hearing(microphone, folder, Some(&loud));
        assert_eq!(clipped.code, Some(1));
        assert!(line(&clipped, "problem", "microphone").contains("too loud"), "{clipped:#?}");
        microphone.stall(true);
        let started = Instant::now();
        let stalled = hearing(microphone, folder, None);
        microphone.stall(false);
        line(&stalled, "problem", "microphone");
        assert!(stalled.code == Some(1) && started.elapsed() < Duration::from_secs(30), "{:?}: {stalled:#?}", started.elapsed());
        assert!(line(&stalled, "problem", "pulseaudio").contains("restart the sound server"), "{stalled:#?}");
    });
}
