//! Models that come from elsewhere: what is whole and fits is added and used, and of everything else it is said what is wrong.
//!
//! In: copies of the real models, some of them damaged. The user's own models lie in a folder of the test's.

#![cfg(unix)]

mod program;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Ended, Program, assert_beckett, auricle, recording};
use sha2::{Digest, Sha256};

const SILERO: &str = "silero_vad_openvino_16k.onnx";

/// A user: folders that came from elsewhere, and a data home that is empty at first.
struct User {
    folder: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        // Where the file system is that of the build, so that models can be linked.
        Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Where `add` puts models.
    fn own(&self, relative: &str) -> PathBuf {
        self.path("data/auricle/models").join(relative)
    }

    /// A folder `name` with the files of the model `of`, whose manifest calls it by that name.
    fn brought(&self, of: &str, name: &str) -> PathBuf {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(of);
        let folder = self.path("brought").join(name);
        fs::create_dir_all(&folder).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap().path();
            if file.is_dir() {
                continue;
            }
            let to = folder.join(file.file_name().unwrap());
            // Models may lie on a file system of their own. Whoever changes a file makes it the test's first.
            fs::hard_link(&file, &to).or_else(|_| fs::copy(&file, &to).map(drop)).unwrap();
        }
        edit(&folder, |manifest| manifest.replacen(&format!("name = \"{of}\""), &format!("name = \"{name}\""), 1));
        folder
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = auricle();
        command.env_remove("AURICLE_MODELS").env("XDG_DATA_HOME", self.path("data")).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Program::start(&mut self.command(arguments)).finish()
    }

    fn add(&self, folder: &Path, more: &[&str]) -> Ended {
        self.run(&[&["models", "add", folder.to_str().unwrap()], more].concat())
    }

    /// Adds `folder`, which must work, and gives what was said.
    fn added(&self, folder: &Path, more: &[&str]) -> String {
        let ended = self.add(folder, more);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        ended.lines.join("\n")
    }

    /// Fails unless `folder` is refused in one line that has all of `parts`, and nothing is left behind.
    fn refused(&self, folder: &Path, parts: &[&str]) {
        let ended = self.add(folder, &[]);
        assert_complains(&ended, parts);
        assert!(ended.lines.is_empty(), "{ended:?}");
        assert_eq!(entries(&self.own("")), [""; 0], "nothing is left behind");
    }
}

fn assert_complains(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.starts_with("auricle: ") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    for part in parts {
        assert!(ended.stderr.contains(part), "'{part}' is not in: {}", ended.stderr);
    }
}

/// Names of what is in a folder, hidden or not, sorted.
fn entries(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes `bytes` into a file of the test's own.
fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

fn edit(folder: &Path, how: impl FnOnce(String) -> String) {
    let path = folder.join("model.toml");
    let before = fs::read_to_string(&path).unwrap();
    let after = how(before.clone());
    assert_ne!(before, after, "the manifest has nothing to change");
    write(&path, after);
}

/// Gives the file `name` other bytes, and the manifest their length and hash.
fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    let said = |bytes: &[u8]| (format!("bytes = {}\n", bytes.len()), sha256(bytes));
    let (before, after) = (said(&fs::read(&path).unwrap()), said(bytes));
    edit(folder, |manifest| manifest.replacen(&before.0, &after.0, 1).replacen(&before.1, &after.1, 1));
    write(&path, bytes);
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_model_is_added_listed_and_used() {
    let user = User::new();
    let folder = user.brought("yamnet", "sounds-of-mine");
    fs::write(folder.join("notes.txt"), "not named by the manifest").unwrap();
    let said = user.added(&folder, &[]);
    let own = user.own("sounds-of-mine");
    for part in [own.to_str().unwrap(), "cpu, 1 thread", "--sounds sounds-of-mine", "tag --model sounds-of-mine"] {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
    assert_eq!(entries(&own), ["model.lock", "model.onnx", "model.toml", "yamnet_class_map.csv"]);
    assert_eq!(entries(&user.own("")), ["sounds-of-mine"]);

    let listed = user.run(&["models"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    let row = listed.lines.iter().find(|line| line.starts_with("sounds-of-mine")).unwrap();
    assert!(row.contains("sounds") && row.contains("cpu, 1 thread"), "{row}");

    let beckett = recording("beckett.wav").display().to_string();
    let tagged = user.run(&["tag", "--model", "sounds-of-mine", "--scores", &beckett]);
    assert_eq!((tagged.code, tagged.stderr.as_str()), (Some(0), ""));
    assert!(tagged.lines.iter().any(|line| line.contains("\"model\":\"sounds-of-mine\"")), "{:?}", tagged.lines.first());
}

#[test]
fn captions_come_from_a_model_that_was_added() {
    let user = User::new();
    // A folder that `AURICLE_MODELS` names goes before all others, and is not the only one: the detector is elsewhere.
    let named = user.path("named");
    let models = |command: &mut Command| Program::start(command.env("AURICLE_MODELS", &named)).finish();
    let folder = user.brought("moonshine-tiny-en", "captions-of-mine");
    let ended = models(&mut user.command(&["models", "add", folder.to_str().unwrap()]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.lines.iter().any(|line| line.ends_with("auricle listen --model captions-of-mine")), "{:?}", ended.lines);
    assert_eq!(entries(&named), ["captions-of-mine"]);
    assert_eq!(entries(&user.own("")), [""; 0]);
    let mut command = user.command(&["transcribe", "--format", "text", "--sounds", "off", "--model", "captions-of-mine"]);
    let ended = models(command.arg(recording("beckett.wav")));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_beckett(&ended.lines.join(" "));
}

#[test]
fn the_folder_may_be_the_current_one() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    let ended = Program::start(user.command(&["models", "add", "."]).current_dir(folder)).finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(entries(&user.own("")), ["vad-of-mine"]);
}

#[test]
fn the_same_model_again_is_left_and_another_needs_replace() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    user.added(&folder, &[]);
    let own = user.own("vad-of-mine");
    let before = fs::metadata(own.join(SILERO)).unwrap().modified().unwrap();
    for more in [&[][..], &["--replace"]] {
        let said = user.added(&folder, more);
        assert!(said.contains(own.to_str().unwrap()) && said.contains("already"), "{said}");
    }
    assert_eq!(fs::metadata(own.join(SILERO)).unwrap().modified().unwrap(), before);

    edit(&folder, |manifest| manifest.replacen("Probability of speech", "Speech, maybe,", 1));
    let kept = fs::read(own.join("model.toml")).unwrap();
    assert_complains(
        &user.add(&folder, &[]),
        &[own.to_str().unwrap(), folder.to_str().unwrap(), "model.toml differ", "--replace"],
    );
    assert_eq!(fs::read(own.join("model.toml")).unwrap(), kept);
    user.added(&folder, &["--replace"]);
    assert_eq!(fs::read(own.join("model.toml")).unwrap(), fs::read(folder.join("model.toml")).unwrap());

    // One that is there and damaged is not the same.
    write(&own.join(SILERO), "gone");
    assert_complains(&user.add(&folder, &[]), &[own.to_str().unwrap(), "is 4 bytes long", "--replace"]);
    user.added(&folder, &["--replace"]);
    assert_eq!(fs::read(own.join(SILERO)).unwrap(), fs::read(folder.join(SILERO)).unwrap());
    assert_eq!(entries(&user.own("")), ["vad-of-mine"], "nothing is left beside it");
}

#[test]
fn a_name_that_is_taken_where_models_are_found_first_is_refused() {
    let user = User::new();
    let folder = user.brought("silero-vad", "silero-vad-of-mine");
    let taken = folder.with_file_name("silero-vad");
    fs::rename(folder, &taken).unwrap();
    edit(&taken, |manifest| manifest.replacen("silero-vad-of-mine", "silero-vad", 1));
    let said = user.added(&taken, &[]);
    assert!(said.contains("the same model is there already"), "it is the one that ships: {said}");
    edit(&taken, |manifest| manifest.replacen("Probability of speech", "Speech, maybe,", 1));
    user.refused(&taken, &["share/auricle/models/silero-vad", taken.to_str().unwrap(), "a name of its own"]);
}

#[test]
fn files_that_are_not_as_the_manifest_says_are_refused() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    let graph = folder.join(SILERO);
    let (whole, shown) = (fs::read(&graph).unwrap(), graph.display().to_string());

    write(&graph, &whole[..100_000]);
    user.refused(&folder, &[&shown, "100000 bytes long", "expected 1288203"]);

    let mut altered = whole.clone();
    altered[600_000] ^= 1;
    write(&graph, &altered);
    user.refused(&folder, &[&shown, &sha256(&altered), &sha256(&whole), "export or fetch it again"]);

    fs::remove_file(&graph).unwrap();
    user.refused(&folder, &[&shown, "not there"]);

    fs::create_dir(&graph).unwrap();
    user.refused(&folder, &[&shown, "is not a file"]);
    fs::remove_dir(&graph).unwrap();

    assert!(Command::new("mkfifo").arg(&graph).status().unwrap().success());
    user.refused(&folder, &[&shown, "is not a file"]);
}

#[test]
fn what_lies_outside_of_the_folder_is_not_taken() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    let graph = folder.join(SILERO);
    let outside = user.path("brought/outside.onnx");
    fs::rename(&graph, &outside).unwrap();
    symlink(&outside, &graph).unwrap();
    user.refused(&folder, &[graph.to_str().unwrap(), "link to", outside.to_str().unwrap()]);

    for path in ["../outside.onnx", outside.to_str().unwrap()] {
        let folder = user.brought("silero-vad", "vad-of-mine-too");
        edit(&folder, |manifest| manifest.replacen(SILERO, path, 1));
        user.refused(&folder, &["model.toml", path, "leaves the model's folder"]);
        fs::remove_dir_all(folder).unwrap();
    }

    // Within the folder, a link is as good as the file.
    fs::rename(&outside, folder.join("kept.onnx")).unwrap();
    fs::remove_file(&graph).unwrap();
    symlink("kept.onnx", &graph).unwrap();
    user.added(&folder, &[]);
    assert!(user.own("vad-of-mine").join(SILERO).symlink_metadata().unwrap().is_file());
    assert_eq!(entries(&user.own("vad-of-mine")), ["model.lock", "model.toml", SILERO]);
}

#[test]
fn a_folder_that_is_no_model_is_refused() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    let renamed = folder.with_file_name("vad");
    fs::rename(&folder, &renamed).unwrap();
    user.refused(&renamed, &["name is 'vad-of-mine'", "folder is 'vad'"]);
    user.refused(&folder, &[folder.to_str().unwrap(), "not there"]);
    let manifest = renamed.join("model.toml");
    for (text, says) in [("", "missing field"), ("name = \"\u{7}", "model.toml"), ("schema = 2\n", "missing field")] {
        write(&manifest, text);
        user.refused(&renamed, &[manifest.to_str().unwrap(), says]);
    }
    write(&manifest, vec![b'#'; 3 << 20]);
    user.refused(&renamed, &[manifest.to_str().unwrap(), "longer"]);
}

#[test]
fn a_graph_that_was_cut_or_is_none_is_refused_though_its_hash_is_right() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    let graph = folder.join(SILERO);
    let whole = fs::read(&graph).unwrap();
    let noise: Vec<u8> = (0_u32..50_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for bytes in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &whole[..64], &noise, b"RIFF", b""] {
        put(&folder, SILERO, bytes);
        user.refused(&folder, &[graph.to_str().unwrap(), "cannot be loaded"]);
    }
}

#[test]
fn a_graph_of_another_model_is_refused_with_what_was_expected_and_found() {
    let user = User::new();
    let (vad, sounds) = (user.brought("silero-vad", "vad-of-mine"), user.brought("yamnet", "sounds-of-mine"));
    let (silero, yamnet) = (fs::read(vad.join(SILERO)).unwrap(), fs::read(sounds.join("model.onnx")).unwrap());
    put(&vad, SILERO, &yamnet);
    let graph = vad.join(SILERO);
    user.refused(&vad, &[graph.to_str().unwrap(), "input 'input': expected f32 [1, 576], found no such input, only 'audio'"]);

    put(&sounds, "model.onnx", &silero);
    let graph = sounds.join("model.onnx");
    let parts = [graph.to_str().unwrap(), "input 'audio': expected u8 [1, 1, 96, 64], found no such input", "'input', 'state'"];
    user.refused(&sounds, &parts);

    put(&sounds, "model.onnx", &yamnet);
    edit(&sounds, |manifest| manifest.replacen("frames = 96", "frames = 98", 1));
    user.refused(&sounds, &["input 'audio': expected u8 [1, 1, 98, 64], found u8 [1, 1, 96, 64]", "export or fetch"]);
}

#[test]
fn a_manifest_that_asks_for_what_its_family_cannot_do_is_refused() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    edit(&folder, |manifest| manifest.replacen("task = \"detect-speech\"", "task = \"transcribe\"", 1));
    user.refused(&folder, &["vad-of-mine", "family silero", "captions"]);
    let folder = user.brought("yamnet", "sounds-of-mine");
    edit(&folder, |manifest| manifest.replacen("[events]\non = 0.6", "[events]\non = 6", 1));
    user.refused(&folder, &["sounds-of-mine/model.toml", "on is 6"]);
}

#[test]
fn a_graph_that_reads_a_file_the_manifest_does_not_name_is_refused() {
    let user = User::new();
    let folder = user.brought("yamnet", "sounds-of-mine");
    // The graph as shipped asks for `model.data`, which is there but would not be copied.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/sources/yamnet/source");
    let Ok(graph) = fs::read(shipped.join("model.onnx")) else {
        eprintln!("skipped: {} is not there; 'make models' brings it", shipped.display());
        return;
    };
    put(&folder, "model.onnx", &graph);
    fs::copy(shipped.join("model.data"), folder.join("model.data")).unwrap();
    user.refused(&folder, &[folder.to_str().unwrap(), "a copy of what model.toml names does not run", "model.data"]);
}

#[test]
fn an_addition_that_was_ended_half_way_leaves_no_model() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    // The system ends a process that writes a file longer than the limit.
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -f 500; exec \"$0\" models add \"$1\"", env!("CARGO_BIN_EXE_auricle")]).arg(&folder);
    let ended = Program::start(command.env_remove("AURICLE_MODELS").env("XDG_DATA_HOME", user.path("data"))).finish();
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert_eq!(entries(&user.own("")), [".adding"], "the half that was copied");
    assert!(user.own(".adding/vad-of-mine/model.toml").is_file(), "it got as far as that");
    let listed = user.run(&["models"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let row = |line: &String| line.starts_with(".adding") || line.starts_with("vad-of-mine");
    assert!(!listed.lines.iter().any(row), "{:?}", listed.lines);
    user.added(&folder, &[]);
    assert_eq!(entries(&user.own("")), ["vad-of-mine"]);
}

#[test]
fn two_additions_do_not_meet() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    fs::create_dir_all(user.own("")).unwrap();
    let held = File::open(user.own("")).unwrap();
    held.lock().unwrap();
    user.refused(&folder, &[user.own("").to_str().unwrap().trim_end_matches('/'), "another process"]);
    drop(held);
    user.added(&folder, &[]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    let file = user.path("file");
    fs::write(&file, "no folder").unwrap();
    let place = file.join("models").display().to_string();
    assert_complains(&user.add(&folder, &["--models-dir", &place]), &[&place, "cannot write", "--models-dir"]);
    let mut nowhere = user.command(&["models", "add", folder.to_str().unwrap()]);
    let ended = Program::start(nowhere.env_remove("XDG_DATA_HOME").env_remove("HOME")).finish();
    assert_complains(&ended, &["AURICLE_MODELS", "HOME"]);
    // What is there and is no model is not written over.
    fs::create_dir_all(user.own("vad-of-mine/letters")).unwrap();
    assert_complains(&user.add(&folder, &["--replace"]), &[user.own("vad-of-mine").to_str().unwrap(), "no model"]);
    assert_eq!(entries(&user.own("vad-of-mine")), ["letters"]);
}

#[test]
fn nothing_is_added_that_was_not_run() {
    let user = User::new();
    let folder = user.brought("silero-vad", "vad-of-mine");
    let ended = user.add(&folder, &["--library", "/no/libonnxruntime.so"]);
    assert_complains(&ended, &["/no/libonnxruntime.so"]);
    assert_eq!(entries(&user.own("")), [""; 0]);
}

#[test]
fn verify_tells_of_each_model_whether_it_is_whole_and_runs() {
    let user = User::new();
    user.added(&user.brought("silero-vad", "vad-of-mine"), &[]);
    user.added(&user.brought("silero-vad", "vad-to-damage"), &[]);
    let result = |ended: &Ended, name: &str| {
        let row = ended.lines.iter().find(|line| line.split_whitespace().next() == Some(name));
        row.unwrap_or_else(|| panic!("{name}: {ended:?}")).trim_start_matches(name).trim().to_owned()
    };
    let ended = user.run(&["models", "verify", "vad-of-mine", "vad-to-damage"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(result(&ended, "vad-of-mine").starts_with("ok, ran on cpu, 1 thread"), "{ended:?}");

    let graph = user.own("vad-to-damage").join(SILERO);
    let whole = fs::read(&graph).unwrap();
    let mut altered = whole.clone();
    altered[1_000_000] ^= 0x40;
    write(&graph, &altered);
    let ended = user.run(&["models", "verify", "vad-of-mine", "vad-to-damage"]);
    assert_complains(&ended, &[graph.to_str().unwrap(), &sha256(&altered), &sha256(&whole), "again"]);
    assert!(result(&ended, "vad-of-mine").starts_with("ok"), "{ended:?}");
    assert!(result(&ended, "vad-to-damage").starts_with("1 file is wrong"), "{ended:?}");

    // The same bytes cut, and a manifest that agrees: only a run tells.
    write(&graph, &whole);
    put(&user.own("vad-to-damage"), SILERO, &whole[..1_000_000]);
    let ended = user.run(&["models", "verify", "vad-to-damage"]);
    assert_complains(&ended, &[graph.to_str().unwrap()]);
    assert!(result(&ended, "vad-to-damage").starts_with("does not run"), "{ended:?}");

    let ended = user.run(&["models", "verify", "--library", "/no/libonnxruntime.so", "vad-of-mine"]);
    assert_complains(&ended, &["/no/libonnxruntime.so"]);
    assert!(result(&ended, "vad-of-mine").starts_with("files ok, graphs not run"), "{ended:?}");

    let ended = user.run(&["models", "verify", "no-such-model"]);
    assert_complains(&ended, &["no-such-model", "vad-of-mine"]);
}

#[test]
fn verify_checks_samples_too_where_they_are() {
    let user = User::new();
    let folder = user.brought("moonshine-tiny-en", "captions-of-mine");
    for sample in ["two_cities.wav", "beckett.wav"] {
        fs::remove_file(folder.join(sample)).unwrap();
    }
    let own = folder.parent().unwrap().display().to_string();
    let ended = user.run(&["models", "verify", "--models-dir", &own]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    fs::write(folder.join("beckett.wav"), "RIFF").unwrap();
    let ended = user.run(&["models", "verify", "--models-dir", &own]);
    assert_complains(&ended, &["beckett.wav", "is 4 bytes long"]);
}
