//! An installed program: it finds its library and models from any folder, and says what is wrong with an installation that is
//! broken.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Ended, Program, assert_beckett, recording};

/// `PREFIX/bin/auricle`, `PREFIX/lib/auricle`, `PREFIX/share/auricle/models`, as `make install` lays them out.
struct Installed {
    folder: tempfile::TempDir,
}

impl Installed {
    /// Made of hard links: whoever changes a file makes it the installation's own first.
    fn new() -> Self {
        // Where the file system is that of the build, and deep enough for the build's own library not to be above the program.
        let installed = Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = Path::new(env!("CARGO_BIN_EXE_auricle"));
        link(program, &installed.path("bin/auricle"));
        let library = program.ancestors().map(|folder| folder.join("lib/auricle/libonnxruntime.so")).find(|path| path.is_file());
        link(&library.expect("'make library' puts it into target/lib/auricle"), &installed.library());
        for model in ["moonshine-tiny-en", "silero-vad", "yamnet"] {
            for file in fs::read_dir(repository.join("models").join(model)).unwrap() {
                let file = file.unwrap().path();
                link(&file, &installed.model_file(&format!("{model}/{}", file.file_name().unwrap().display())));
            }
        }
        fs::create_dir(installed.path("elsewhere")).unwrap();
        installed
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join("opt/captions/auricle/prefix").join(relative)
    }

    fn library(&self) -> PathBuf {
        self.path("lib/auricle/libonnxruntime.so")
    }

    fn model_file(&self, relative: &str) -> PathBuf {
        self.path("share/auricle/models").join(relative)
    }

    /// Captions the recording from another folder, with nothing in the environment but a home that is empty.
    fn transcribe(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(self.path("bin/auricle"));
        command.env_clear().env("HOME", self.path("elsewhere")).current_dir(self.path("elsewhere"));
        command.args(["transcribe", "--format", "text"]).args(arguments).arg(recording("beckett.wav"));
        Program::start(&mut command).finish()
    }

    /// Fails unless there is one line of complaint that has all of `parts`, and not a word of captions.
    fn assert_complains(&self, arguments: &[&str], parts: &[&str]) {
        let ended = self.transcribe(arguments);
        assert_eq!((ended.code, ended.lines.len()), (Some(1), 0), "{ended:?}");
        assert!(ended.stderr.starts_with("auricle: ") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "'{part}' is not in: {}", ended.stderr);
        }
    }
}

fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let from = from.canonicalize().unwrap();
    // Models may lie on a file system of their own.
    fs::hard_link(&from, to).or_else(|_| fs::copy(&from, to).map(drop)).unwrap();
}

/// The file's bytes changed, in a file of the installation's own.
fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    how(&mut bytes);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn it_runs_from_any_folder() {
    let ended = Installed::new().transcribe(&[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_beckett(&ended.lines.join(" "));
}

#[test]
fn without_its_library_it_says_where_it_looked_and_what_to_do() {
    let installed = Installed::new();
    let library = installed.library();
    fs::remove_file(&library).unwrap();
    let parts = ["ONNX Runtime", library.to_str().unwrap(), "make library", "AURICLE_ONNXRUNTIME", "1.20"];
    installed.assert_complains(&[], &parts);
}

#[test]
fn a_library_that_was_cut_short_is_an_error_and_no_crash() {
    let installed = Installed::new();
    let library = installed.library();
    let whole = fs::read(&library).unwrap();
    for length in [whole.len() - 1, whole.len() / 2, 100_000, 100, 0] {
        change(&library, |bytes| *bytes = whole[..length].to_vec());
        installed.assert_complains(&[], &[library.to_str().unwrap(), "cannot be used as ONNX Runtime"]);
    }
}

#[test]
fn nothing_is_kept_or_sent_about_its_use() {
    let installed = Installed::new();
    let ended = installed.transcribe(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // ONNX Runtime would keep what it is about to send under the user's cache folder.
    let left: Vec<_> = fs::read_dir(installed.path("elsewhere")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_model_file_that_was_altered_is_named_with_both_hashes() {
    let installed = Installed::new();
    let tokenizer = installed.model_file("moonshine-tiny-en/tokenizer.bin");
    change(&tokenizer, |bytes| bytes[1_000] ^= 1);
    let manifest = fs::read_to_string(installed.model_file("moonshine-tiny-en/model.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let files = manifest["file"].as_array().unwrap();
    let entry = files.iter().find(|file| file["path"].as_str() == Some("tokenizer.bin")).unwrap();
    let expected = entry["sha256"].as_str().unwrap();
    let found = Command::new("sha256sum").arg(&tokenizer).output().unwrap().stdout;
    let found = String::from_utf8(found).unwrap();
    let found = found.split_whitespace().next().unwrap();
    assert_ne!(found, expected);
    installed.assert_complains(&[], &[tokenizer.to_str().unwrap(), "sha256", found, expected, "make models"]);
}

#[test]
fn a_model_file_that_was_cut_short_is_named_with_both_lengths() {
    let installed = Installed::new();
    let encoder = installed.model_file("moonshine-tiny-en/encoder.onnx");
    let whole = fs::metadata(&encoder).unwrap().len();
    change(&encoder, |bytes| bytes.truncate(1_000_000));
    let parts = [encoder.to_str().unwrap(), "1000000 bytes", &whole.to_string(), "make models"];
    installed.assert_complains(&[], &parts);
}

#[test]
fn a_model_file_that_is_missing_is_named() {
    let installed = Installed::new();
    let step = installed.model_file("moonshine-tiny-en/step.onnx");
    fs::remove_file(&step).unwrap();
    installed.assert_complains(&[], &[step.to_str().unwrap(), "not there", "make models"]);
}

#[test]
fn a_gpu_that_cannot_be_had_is_an_error_and_never_the_processor() {
    let installed = Installed::new();
    for provider in ["cuda", "tensorrt"] {
        let ended = installed.transcribe(&["--provider", provider]);
        if ended.code == Some(0) {
            // Only a GPU can have done it.
            assert!(Path::new("/dev/nvidiactl").exists(), "no GPU is here, but --provider {provider} worked: {ended:?}");
            println!("skipped {provider}: it works here");
            continue;
        }
        installed.assert_complains(&["--provider", provider], &[&format!("{provider}:0"), "--provider"]);
    }
}
