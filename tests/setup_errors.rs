//! Set-ups that cannot work: a library or a model that is not what it should be. One line says which file, what is wrong with it and
//! what to do; nothing is written.
//!
//! What `models add` refuses is in `models.rs`, what an installed program says without its library or with a model that was cut or
//! altered in `installed.rs`: here it is the rest, as whoever wants captions meets it.

#![cfg(unix)]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Ended, Program, auricle, recording};
use sha2::{Digest, Sha256};

/// A library that is as old as its API says: it gives none of 1.20 or later.
const OLD_LIBRARY: &str = r#"
#include <stddef.h>
#include <stdint.h>
struct base { const void *(*api)(uint32_t); const char *(*version)(void); };
static const void *api(uint32_t version) { (void)version; return NULL; }
static const char *version(void) { return "1.12.1"; }
static const struct base the_base = { api, version };
const struct base *OrtGetApiBase(void) { return &the_base; }
"#;

/// Models that can be broken: links to the real ones, of which a test replaces what it changes.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let setup = Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        for model in ["moonshine-tiny-en", "silero-vad", "yamnet"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model);
            fs::create_dir_all(setup.path(model)).unwrap();
            for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()) {
                let to = setup.path(model).join(file.file_name().unwrap());
                fs::hard_link(&file, &to).or_else(|_| fs::copy(&file, &to).map(drop)).unwrap();
            }
        }
        setup
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join("models").join(relative)
    }

    /// Gives a file other bytes, and its manifest their length and hash, so that it is whole but not what it should be.
    fn put(&self, model: &str, name: &str, bytes: &[u8]) {
        let path = self.path(model).join(name);
        let said = |bytes: &[u8]| (format!("bytes = {}\n", bytes.len()), sha256(bytes));
        let (before, after) = (said(&fs::read(&path).unwrap()), said(bytes));
        self.edit(model, &[(&before.0, &after.0), (&before.1, &after.1)]);
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
    }

    fn edit(&self, model: &str, changes: &[(&str, &str)]) {
        let path = self.path(model).join("model.toml");
        let mut text = fs::read_to_string(&path).unwrap();
        for (before, after) in changes {
            assert!(text.contains(before), "{before:?} is not in the manifest");
            text = text.replacen(before, after, 1);
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, text).unwrap();
    }

    fn transcribe(&self, arguments: &[&str]) -> Ended {
        let mut command = auricle();
        command.env("AURICLE_MODELS", self.folder.path().join("models")).args(["transcribe", "--format", "jsonl"]);
        Program::start(command.args(arguments).arg(recording("beckett.wav"))).finish()
    }

    /// Fails unless one line says all of `parts`, and nothing else was written.
    fn assert_complains(&self, arguments: &[&str], parts: &[&str]) {
        let ended = self.transcribe(arguments);
        assert_eq!((ended.code, ended.lines.len()), (Some(1), 0), "{ended:?}");
        assert!(ended.stderr.starts_with("auricle: ") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
        println!("{}", ended.stderr.trim_end());
        for part in parts {
            assert!(ended.stderr.contains(part), "'{part}' is not in: {}", ended.stderr);
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_library_that_is_none_is_named_with_what_to_do() {
    let setup = Setup::new();
    let folder = setup.folder.path();
    let text = folder.join("libonnxruntime.so");
    fs::write(&text, "This is not the library you are looking for.\n").unwrap();
    let nowhere = folder.join("nowhere/libonnxruntime.so");
    // A library that is whole and that every process here has: the C library.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let other = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("libc.so")).unwrap();
    for (library, said) in [(text.to_str().unwrap(), "1.20"), (nowhere.to_str().unwrap(), "1.20"), (other, "1.20")] {
        setup.assert_complains(&["--library", library], &[library, "ONNX Runtime", said]);
    }
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    setup.assert_complains(&["--library", empty.to_str().unwrap()], &[empty.to_str().unwrap(), "ONNX Runtime"]);
}

#[test]
fn a_library_that_is_too_old_is_told_with_its_version() {
    let setup = Setup::new();
    let (source, library) = (setup.folder.path().join("old.c"), setup.folder.path().join("libonnxruntime.so.1.12.1"));
    fs::write(&source, OLD_LIBRARY).unwrap();
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped a_library_that_is_too_old_is_told_with_its_version: there is no C compiler");
        return;
    }
    let library = library.to_str().unwrap();
    setup.assert_complains(&["--library", library], &[library, "1.12.1", "1.20"]);
}

#[test]
fn a_model_that_is_not_there_is_named_with_where_it_was_looked_for() {
    let setup = Setup::new();
    setup.assert_complains(&["--model", "moonshine-huge"], &["moonshine-huge", "model"]);
    fs::remove_dir_all(setup.path("yamnet")).unwrap();
    // AURICLE_MODELS is looked at first, then the usual places, so only a name that is nowhere is missing.
    setup.edit("silero-vad", &[("name = \"silero-vad\"", "name = \"another\"")]);
    setup.assert_complains(&[], &["silero-vad/model.toml", "'another'", "'silero-vad'"]);
}

#[test]
fn a_family_that_is_unknown_is_told_with_those_that_are_not() {
    let setup = Setup::new();
    setup.edit("moonshine-tiny-en", &[("family = \"moonshine\"", "family = \"clairvoyant\"")]);
    let manifest = setup.path("moonshine-tiny-en/model.toml");
    setup.assert_complains(&[], &[manifest.to_str().unwrap(), "clairvoyant", "moonshine"]);
}

#[test]
fn a_model_of_another_task_or_family_is_refused() {
    let setup = Setup::new();
    setup.assert_complains(&["--model", "yamnet"], &["yamnet"]);
    setup.assert_complains(&["--sounds", "moonshine-tiny-en"], &["moonshine-tiny-en"]);
}

#[test]
fn a_graph_of_another_shape_is_told_with_what_was_expected() {
    let setup = Setup::new();
    let yamnet = fs::read(setup.path("yamnet/model.onnx")).unwrap();
    setup.put("silero-vad", "silero_vad_openvino_16k.onnx", &yamnet);
    let graph = setup.path("silero-vad/silero_vad_openvino_16k.onnx");
    setup.assert_complains(&[], &[graph.to_str().unwrap(), "expected f32 [1, 576]", "'audio'"]);

    let setup = Setup::new();
    let step = fs::read(setup.path("moonshine-tiny-en/step.onnx")).unwrap();
    setup.put("moonshine-tiny-en", "encoder.onnx", &step);
    let graph = setup.path("moonshine-tiny-en/encoder.onnx");
    setup.assert_complains(&[], &[graph.to_str().unwrap(), "expected", "found"]);
}

#[test]
fn labels_that_are_missing_or_too_few_are_told() {
    let setup = Setup::new();
    let labels = setup.path("yamnet/yamnet_class_map.csv");
    let all = fs::read_to_string(&labels).unwrap();
    let few: String = all.lines().take(101).map(|line| format!("{line}\n")).collect();
    setup.put("yamnet", "yamnet_class_map.csv", few.as_bytes());
    setup.assert_complains(&[], &["yamnet", "[1, 100]", "[1, 521]"]);
    let twisted = all.replacen("\n1,", "\n7,", 1);
    setup.put("yamnet", "yamnet_class_map.csv", twisted.as_bytes());
    setup.assert_complains(&[], &[labels.to_str().unwrap(), "line 3", "'7'"]);
    setup.put("yamnet", "yamnet_class_map.csv", b"index,mid,display_name\n");
    setup.assert_complains(&[], &[labels.to_str().unwrap(), "has no labels"]);
    fs::remove_file(&labels).unwrap();
    setup.assert_complains(&[], &[labels.to_str().unwrap(), "not there", "make models"]);

    let setup = Setup::new();
    setup.edit("yamnet", &[("role = \"labels\"", "role = \"lables\"")]);
    setup.assert_complains(&[], &["yamnet/model.toml", "no file with role 'labels'"]);
}

#[test]
fn a_tokenizer_that_is_empty_cut_or_foreign_is_told() {
    let setup = Setup::new();
    let tokenizer = setup.path("moonshine-tiny-en/tokenizer.bin");
    let whole = fs::read(&tokenizer).unwrap();
    setup.put("moonshine-tiny-en", "tokenizer.bin", b"");
    setup.assert_complains(&[], &[tokenizer.to_str().unwrap(), "holds 0 tokens"]);
    setup.put("moonshine-tiny-en", "tokenizer.bin", &whole[..whole.len() - 1]);
    setup.assert_complains(&[], &[tokenizer.to_str().unwrap(), "is cut off at the end"]);
    setup.put("moonshine-tiny-en", "tokenizer.bin", &[0; 100_000]);
    setup.assert_complains(&[], &[tokenizer.to_str().unwrap(), "holds 100000 tokens"]);
}

/// An output that was named is not left with half of anything when nothing can be written.
#[test]
fn nothing_is_written_when_the_set_up_fails() {
    let setup = Setup::new();
    fs::remove_file(setup.path("moonshine-tiny-en/step.onnx")).unwrap();
    let output = setup.folder.path().join("captions.jsonl");
    setup.assert_complains(&["--output", output.to_str().unwrap()], &["step.onnx", "not there"]);
    assert!(fs::read(&output).map_or(true, |written| written.is_empty()), "no events were heard");
}
