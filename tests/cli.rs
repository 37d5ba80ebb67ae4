//! The program as its user meets it: help, wrong usage, errors, files in, text and events out.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes; a program that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(120);

fn auricle(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auricle"));
    command.args(arguments).stdin(Stdio::null()).env_remove("RUST_LOG").env("AURICLE_CONFIG", "none");
    command
}

fn run(arguments: &[&str]) -> Output {
    let child = auricle(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    outcome(child)
}

/// Reads both pipes to their ends and waits, but not for ever.
fn outcome(mut child: Child) -> Output {
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let status = patiently(&mut child);
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn patiently(child: &mut Child) -> std::process::ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("still running after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Ten seconds of a real voice, 16 kHz, from the package that carries Moonshine.
fn beckett() -> String {
    sample("beckett.wav")
}

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/moonshine-tiny-en").join(name);
    assert!(path.is_file(), "{}: not there; 'make models' fetches it", path.display());
    path.display().to_string()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn path(folder: &tempfile::TempDir, name: &str) -> (PathBuf, String) {
    let path = folder.path().join(name);
    let shown = path.display().to_string();
    (path, shown)
}

/// Fails unless the program ended with `code` and one line of error that holds every one of `words`.
fn assert_complains(output: &Output, code: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.starts_with("auricle: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "'{word}' is not in: {said}");
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()).collect()
}

/// Fails unless `text` is what the voice of [`beckett`] says, give or take a word in five.
fn assert_beckett(text: &str) {
    let heard = words(text);
    let said = words("ever tried ever failed no matter try again fail again fail better");
    let right = said.iter().filter(|word| heard.contains(word)).count();
    assert!(right * 10 >= said.len() * 8 && heard.len() <= said.len() + 2, "{text}");
}

fn events(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn finals(events: &[Value]) -> Vec<&str> {
    let is_final = |event: &&Value| event["type"] == "caption" && event["state"] == "final";
    events.iter().filter(is_final).map(|event| event["text"].as_str().unwrap()).collect()
}

#[test]
fn help_teaches_every_command() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in ["listen", "transcribe", "tag", "devices", "models", "AURICLE_MODELS", "AURICLE_ONNXRUNTIME", "Exit codes"] {
        assert!(stdout(&help).contains(word), "{word}");
    }
    assert!(stdout(&run(&["listen", "--help"])).contains("A second Ctrl-C ends at once"));
    for command in ["listen", "transcribe", "tag", "models"] {
        let help = run(&[command, "--help"]);
        assert_eq!(help.status.code(), Some(0));
        for word in ["Examples:", "--provider", "[default: cpu]", "AURICLE_MODELS", &format!("  auricle {command}")] {
            assert!(stdout(&help).contains(word), "{command}: {word}");
        }
    }
    for (command, words) in [("add", ["FOLDER", "--replace", "XDG_DATA_HOME"]), ("verify", ["NAME", "sha256", "--provider"])] {
        let help = stdout(&run(&["models", command, "--help"]));
        assert!(help.contains(&format!("  auricle models {command}")), "{command}: {help}");
        words.iter().for_each(|word| assert!(help.contains(word), "{command}: {word}"));
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let wrong: &[&[&str]] = &[
        &[],
        &["shout"],
        &["listen", "--format", "xml"],
        &["listen", "--provider", "gpu"],
        &["listen", "--threads", "0"],
        &["listen", "--channel", "0"],
        &["listen", "--host", "asio"],
        &["listen", "--input", "a.wav", "--device", "b"],
        &["transcribe"],
        &["tag", "--scores", "--format", "text", "a.wav"],
        &["tag", "--scores", "--output", "scores.srt", "a.wav"],
        &["listen", "--output", "talk.doc"],
        &["listen", "--output", "talk.srt", "--output", "talk.srt"],
        &["listen", "--output", "talk.srt", "--format", "vtt"],
        &["listen", "--format", "srt", "--format", "vtt"],
        &["transcribe", "--beside", "--output", "talk.srt", "a.wav"],
        &["transcribe", "--beside", "--output-dir", "out", "a.wav"],
        &["transcribe", "--resume", "a.wav"],
        &["listen", "-v", "-q"],
        &["models", "polish"],
        &["models", "add"],
        &["models", "add", "one", "two"],
    ];
    for arguments in wrong {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for command in ["transcribe", "tag"] {
        assert_complains(&run(&[command, "no/such/talk.wav"]), 1, &["no/such/talk.wav"]);
    }
    assert_complains(&run(&["listen", "--input", "no/such/talk.wav"]), 1, &["no/such/talk.wav"]);
}

#[test]
fn text_that_is_called_audio_is_refused() {
    let folder = folder();
    let (file, shown) = path(&folder, "notes.wav");
    std::fs::write(file, "Milk, bread, and something for the deaf aunt.\n".repeat(50)).unwrap();
    assert_complains(&run(&["transcribe", &shown]), 1, &["notes.wav"]);
    assert_complains(&run(&["listen", "--input", &shown]), 1, &["notes.wav"]);
}

#[test]
fn a_model_that_is_not_there_is_told_with_those_that_are() {
    let unknown = run(&["transcribe", "--model", "whisper-enormous", &beckett()]);
    assert_complains(&unknown, 1, &["whisper-enormous", "moonshine-tiny-en", "yamnet", "make models"]);
    let wrong_task = run(&["transcribe", "--model", "yamnet", &beckett()]);
    assert_complains(&wrong_task, 1, &["yamnet", "auricle models"]);
    let empty = folder();
    let (_, nowhere) = path(&empty, "models");
    assert_complains(&run(&["transcribe", "--models-dir", &nowhere, &beckett()]), 1, &[&nowhere, "no model is there"]);
    assert_complains(&run(&["models", "--models-dir", &nowhere]), 1, &[&nowhere, "make models"]);
}

#[test]
fn a_library_that_is_none_is_named() {
    let missing = run(&["transcribe", "--library", "/no/libonnxruntime.so", &beckett()]);
    assert_complains(&missing, 1, &["/no/libonnxruntime.so"]);
    let other = run(&["transcribe", "--library", &beckett(), &beckett()]);
    assert_complains(&other, 1, &["beckett.wav", "ONNX Runtime"]);
}

#[test]
fn a_provider_that_cannot_be_had_is_an_error() {
    let output = run(&["transcribe", "--provider", "cuda:7", &beckett()]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains("cuda:7") && stderr(&output).contains("--provider"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn speech_becomes_lines_of_text() {
    let output = run(&["transcribe", "--format", "text", &beckett()]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert_beckett(&stdout(&output));
    let pretty = run(&["transcribe", &beckett()]);
    assert_eq!(stdout(&pretty), stdout(&output), "what is no terminal gets plain lines");
}

#[test]
fn speech_becomes_events_and_partials_when_asked_for() {
    let output = run(&["transcribe", "--format", "jsonl", "--sounds", "off", &beckett()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rolled = run(&["transcribe", "--format", "jsonl", "--sounds", "off", "--partials", &beckett()]);
    let (output, rolled) = (events(&output), events(&rolled));
    assert_beckett(&finals(&output).join(" "));
    assert_beckett(&finals(&rolled).join(" "));
    let partials = |events: &[Value]| events.iter().filter(|event| event["state"] == "partial").count();
    assert_eq!(partials(&output), 0);
    assert!(partials(&rolled) > 5);
    assert!(rolled.iter().enumerate().all(|(index, event)| event["seq"] == index && event.get("file").is_none()));
}

#[test]
fn several_files_are_told_apart_and_a_broken_one_stops_none() {
    let folder = folder();
    let (broken, shown) = path(&folder, "broken.wav");
    std::fs::write(broken, "RIFF").unwrap();
    let output = run(&["transcribe", "--format", "jsonl", &beckett(), &shown, &beckett()]);
    assert_complains(&output, 1, &["broken.wav"]);
    let events = events(&output);
    assert!(events.iter().enumerate().all(|(index, event)| event["seq"] == index), "seq counts on");
    assert!(events.iter().all(|event| event["file"] == beckett().as_str()));
    let finals = finals(&events);
    assert_eq!(finals[..finals.len() / 2], finals[finals.len() / 2..]);

    let text = run(&["transcribe", "--format", "text", &beckett(), &beckett()]);
    assert_eq!(text.status.code(), Some(0));
    let heading = format!("== {}", beckett());
    assert_eq!(stdout(&text).lines().filter(|line| *line == heading).count(), 2);
}

#[test]
fn output_goes_to_a_file_that_is_emptied_first() {
    let folder = folder();
    let (file, shown) = path(&folder, "talk.txt");
    std::fs::write(&file, "old ".repeat(1000)).unwrap();
    let output = run(&["transcribe", "--format", "text", "--output", &shown, &beckett()]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{}", stderr(&output));
    assert_beckett(&std::fs::read_to_string(file).unwrap());
}

#[test]
fn output_that_cannot_be_written_is_named() {
    let nowhere = "/no/such/folder/talk.txt";
    assert_complains(&run(&["transcribe", "--output", nowhere, &beckett()]), 1, &[nowhere, "--output"]);
    assert_complains(&run(&["listen", "--input", &beckett(), "--output", nowhere]), 1, &[nowhere]);
    if Path::new("/dev/full").exists() {
        assert_complains(&run(&["transcribe", "--output", "/dev/full", &beckett()]), 1, &["/dev/full", "space"]);
        assert_complains(
            &run(&["listen", "--input", &beckett(), "--output", "/dev/full", "--format", "jsonl"]),
            1,
            &["/dev/full"],
        );
    }
}

#[test]
fn a_file_is_not_written_over_while_it_is_read() {
    let folder = folder();
    let (file, shown) = path(&folder, "talk.wav");
    std::fs::copy(beckett(), &file).unwrap();
    let before = std::fs::metadata(&file).unwrap().len();
    assert_complains(&run(&["transcribe", "--format", "text", "--output", &shown, &shown]), 1, &["talk.wav", "--output"]);
    assert_complains(&run(&["listen", "--format", "text", "--output", &shown, "--input", &shown]), 1, &["talk.wav", "--output"]);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), before);
}

#[test]
fn a_reader_that_goes_ends_the_program_quietly() {
    for arguments in [["transcribe", "--format", "jsonl"].as_slice(), &["listen", "--format", "jsonl", "--input"]] {
        let mut command = auricle(arguments);
        let mut child = command.arg(sample("two_cities.wav")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // The reader was dropped with its pipe. The file is 44 s long; nobody is to wait for its end.
        let output = outcome(child);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{arguments:?}");
        assert!(line.starts_with("{\"v\":1,\"seq\":0,"), "{line}");
        assert!(started.elapsed() < Duration::from_secs(40), "{arguments:?}");
    }
}

#[test]
fn a_file_plays_as_if_it_were_live() {
    let started = Instant::now();
    let output = run(&["listen", "--format", "jsonl", "--input", &beckett()]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert!(started.elapsed() > Duration::from_secs(9), "it took {:?} for ten seconds of audio", started.elapsed());
    let events = events(&output);
    assert!(events.iter().enumerate().all(|(index, event)| event["seq"] == index));
    assert_beckett(&finals(&events).join(" "));
    for kind in ["device", "speech", "stats"] {
        assert!(events.iter().any(|event| event["type"] == kind), "no {kind} event");
    }
    let open = events.iter().filter(|event| event["type"] == "speech" && event["state"] == "start").count();
    let closed = events.iter().filter(|event| event["type"] == "speech" && event["state"] == "end").count();
    assert_eq!(open, closed);
}

#[cfg(unix)]
#[test]
fn a_signal_finishes_the_sentence() {
    let child = auricle(&["listen", "--format", "jsonl", "--input", &sample("two_cities.wav")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let read = |line: std::io::Result<String>| serde_json::from_str::<Value>(&line.unwrap()).unwrap();
    let mut seen = Vec::new();
    // In the middle of a sentence ...
    while !seen
        .last()
        .is_some_and(|event: &Value| event["state"] == "partial" && words(event["text"].as_str().unwrap()).len() > 4)
    {
        seen.push(read(lines.next().expect("the file holds a long sentence")));
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    // ... the rest comes: the end of the segment and its final.
    seen.extend(lines.map(read));
    let output = outcome(child);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let last_of = |kind: &str| seen.iter().rev().find(|event| event["type"] == kind).unwrap();
    assert_eq!(last_of("speech")["reason"], "stop");
    assert_eq!(last_of("caption")["state"], "final");
}

#[cfg(unix)]
#[test]
fn a_signal_loses_nothing_of_a_file_that_was_heard() {
    let arguments = ["transcribe", "--format", "jsonl", "--sounds", "off"];
    let talk = sample("two_cities.wav");
    let child = auricle(&arguments).args([talk.as_str(); 20]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Where speech begins is told at once, what was said when some of it has been heard.
    let first = lines.next().expect("the file holds speech").unwrap();
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let read = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let seen: Vec<Value> = std::iter::once(first).chain(lines.map(Result::unwrap)).map(read).collect();
    let output = outcome(child);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(130), ""));
    let speech = |state: &str| seen.iter().filter(|event| event["type"] == "speech" && event["state"] == state).count();
    assert_eq!(speech("start"), speech("end"), "{seen:?}");
    assert!(seen.iter().all(|event| event["file"] == talk.as_str()) && seen.len() < 2_000, "{} events", seen.len());
}

#[test]
fn scores_name_every_class_once() {
    let output = run(&["tag", "--scores", &beckett()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let events = events(&output);
    let scores: Vec<&Value> = events.iter().filter(|event| event["type"] == "scores").collect();
    assert!(scores.len() > 30, "{} patches in ten seconds", scores.len());
    let labels = scores[0]["labels"].as_array().unwrap();
    assert!(labels.len() == 521 && labels[0] == "Speech", "{}", labels[0]);
    assert!(scores[1..].iter().all(|event| event.get("labels").is_none()));
    let values = |event: &Value| event["scores"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
    assert!(scores.iter().all(|event| values(event).len() == 521 && values(event).iter().all(|v| (0.0..=1.0).contains(v))));
    let speech = scores.iter().filter(|event| values(event)[0] > 0.5).count();
    assert!(speech * 3 > scores.len(), "a voice reads, but only {speech} of {} patches are speech", scores.len());
    assert!(events.iter().all(|event| event["type"] != "caption"));
}

#[test]
fn models_are_listed_with_what_they_were_proven_to_run_on() {
    let output = run(&["models"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let table = stdout(&output);
    for (model, task) in [("moonshine-tiny-en", "captions"), ("silero-vad", "speech detection"), ("yamnet", "sounds")] {
        let row = table.lines().find(|line| line.starts_with(model)).unwrap_or_else(|| panic!("{model}: {table}"));
        assert!(row.contains(task) && row.contains("cpu, 1 thread"), "{row}");
    }
    let output = run(&["models", "--library", "/no/libonnxruntime.so"]);
    assert_complains(&output, 1, &["/no/libonnxruntime.so"]);
    assert!(stdout(&output).contains("moonshine-tiny-en"));
}

#[test]
fn devices_are_listed_or_it_is_said_that_there_are_none() {
    let output = run(&["devices"]);
    match output.status.code() {
        Some(0) => assert!(!output.stdout.is_empty()),
        _ => assert_complains(&output, 1, &["device"]),
    }
}
