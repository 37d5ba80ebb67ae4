//! `auricle bench` on real audio: what it measures, writes and refuses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod program;

use program::{Ended, Program, auricle, recording};

fn bench(arguments: &[&str]) -> Ended {
    Program::start(auricle().arg("bench").args(arguments)).finish()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Exit code 1 and one line of error that holds every one of `words`.
fn assert_refuses(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap_or_default();
    for word in words {
        assert!(last.contains(word), "'{word}' is not in: {last}");
    }
}

/// `beckett.wav` in `folder`, with its words where `transcribe` says they are, and the log of `transcribe --partials`.
struct Beckett {
    folder: tempfile::TempDir,
    audio: PathBuf,
    words: PathBuf,
    log: PathBuf,
}

impl Beckett {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (audio, words, log) =
            (folder.path().join("b_1.wav"), folder.path().join("b_1.words.tsv"), folder.path().join("log.jsonl"));
        fs::copy(recording("beckett.wav"), &audio).unwrap();
        let mut command = auricle();
        command.args(["transcribe", "--partials", "--sounds", "off", "--format", "jsonl", "--output"]).arg(&log).arg(&audio);
        let ended = Program::start(&mut command).finish();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let events = fs::read_to_string(&log).unwrap();
        let finals =
            events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|event| event["state"] == "final");
        let mut table = String::new();
        for word in finals.flat_map(|event| event["words"].as_array().cloned().unwrap_or_default()) {
            table += &format!("{}\t{}\t{}\n", word["start"], word["end"], word["text"].as_str().unwrap());
        }
        assert!(table.lines().count() > 8, "{table}");
        fs::write(&words, table).unwrap();
        Self { folder, audio, words, log }
    }
}

#[test]
fn a_recording_is_streamed_on_the_virtual_clock_and_everything_written() {
    let beckett = Beckett::new();
    let output = beckett.folder.path().join("runs/one");
    let (audio, out) = (shown(&beckett.audio), shown(&output));
    let ended = bench(&["stream", "--input", &audio, "--virtual", "--sounds", "off", "--output", &out]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.lines[0].ends_with("virtual clock + measured thread time"), "{:?}", ended.lines);
    let run = json(&output.join("run.json"));
    let (rows, summary) = (&run["rows"], &run["summary"]);
    let said = fs::read_to_string(&beckett.words).unwrap().lines().count();
    assert_eq!(rows["words"].as_array().unwrap().len(), said);
    assert_eq!(run["fields"]["words"].as_array().unwrap().len(), rows["words"][0].as_array().unwrap().len());
    // The words are those that the same model read as they rolled: they are all right, and each came after it was said. Read whole, a
    // word or two are others.
    let share = |key: &str| {
        summary["shares"].as_array().unwrap().iter().find(|share| share["key"] == key).unwrap()["value"].as_f64().unwrap()
    };
    assert!(share("matched") > 0.9 && share("wer_streamed") < 0.1 && share("wer_alone") < 0.25, "{summary}");
    assert!(share("cpu_open") > share("cpu_silence") && share("cpu_encode") > 0.0, "{summary}");
    let delay = |key: &str| {
        let delays = summary["delays"].as_array().unwrap().iter().find(|delay| delay["key"] == key).unwrap();
        delays["over_matched"][0]["value"].as_f64().unwrap()
    };
    assert!(delay("first") <= delay("lasting") && delay("lasting") <= delay("stable") && delay("stable") <= delay("committed"));
    assert!((-0.5..3.0).contains(&delay("first")) && delay("reading") > 0.0 && delay("arrival") > 0.0, "{summary}");
    let page = fs::read_to_string(output.join("report.html")).unwrap();
    assert!(page.matches("<svg").count() == 5 && !page.contains("<script") && !page.contains("http"), "{}", page.len());
    assert_eq!(fs::read_to_string(output.join("report.txt")).unwrap().lines().collect::<Vec<_>>(), ended.lines);

    // The same from the file, and compared with itself.
    let run = shown(&output.join("run.json"));
    let again = bench(&["report", &run]);
    assert_eq!((again.code, &again.lines), (Some(0), &ended.lines));
    let compared = bench(&["compare", &run, &run]);
    let first = compared.lines.iter().find(|line| line.starts_with("word: first shown, p50")).unwrap();
    assert!(first.contains(" 1.00 ") && first.contains("+0.000"), "{first}");
}

#[test]
fn a_recording_is_streamed_in_real_time() {
    let beckett = Beckett::new();
    let out = beckett.folder.path().join("run.json");
    let ended = bench(&["stream", "--input", &shown(&beckett.audio), "--stream-only", "--json", &shown(&out)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.lines[0].ends_with(": real time"), "{:?}", ended.lines);
    let run = json(&out);
    assert!(run["rows"]["samples"].as_array().unwrap().len() >= 9, "a sample a second");
    assert!(!run["rows"]["readings"].as_array().unwrap().is_empty() && run["rows"]["units"][0][5].is_null());
    // Somebody speaks nearly all the time, so nearly all of the work of each stage is done while a segment is open.
    let stages = run["rows"]["sessions"][0]["stages"].as_array().unwrap();
    for name in ["intake", "detect", "encode", "decode", "sound"] {
        let stage = stages.iter().find(|stage| stage[0] == name).unwrap_or_else(|| panic!("{name}: {stages:?}"));
        let (thread_s, open_s) = (stage[3].as_f64().unwrap(), stage[4].as_f64().unwrap());
        assert!(open_s > 0.5 * thread_s && thread_s > 0.0, "{name}: {stage}");
    }
}

#[test]
fn a_log_is_reported_on_with_its_words_and_without() {
    let beckett = Beckett::new();
    let (log, words) = (shown(&beckett.log), shown(&beckett.words));
    let alone = bench(&["report", &log]);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    assert!(alone.lines.iter().any(|line| line.starts_with("tentative flips")), "{alone:?}");
    assert!(!alone.lines.iter().any(|line| line.starts_with("word: ")), "{alone:?}");
    let committed = |ended: &Ended| {
        let line = ended.lines.iter().find(|line| line.starts_with("word: committed ")).unwrap_or_else(|| panic!("{ended:?}"));
        line.split_whitespace().nth(3).unwrap().trim_end_matches('?').parse::<f64>().unwrap()
    };
    let with = bench(&["report", &log, "--words", &words]);
    let found = bench(&["report", &log, "--words", &words, "--offset", "auto"]);
    assert!(found.lines.iter().any(|line| line.contains("offset 0.000 s found by")), "{found:?}");
    assert_eq!(committed(&with), committed(&found));
    // Words that begin a second later are a second less late.
    let late = bench(&["report", &log, "--words", &words, "--offset", "0.2"]);
    assert!((committed(&with) - committed(&late) - 0.2).abs() < 0.002, "{with:?} {late:?}");
}

#[test]
fn a_log_whose_committed_words_change_fails() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.jsonl");
    let caption = |seq: u32, state: &str, text: &str| {
        format!(
            r#"{{"v":1,"seq":{seq},"emitted":{seq}.5,"type":"caption","segment":0,"state":"{state}","text":"{text}","committed":"{text}","stable":"{text}","start":0.1,"end":1,"model":"m"}}"#
        )
    };
    fs::write(&log, [caption(0, "partial", "ever fried"), caption(1, "final", "ever tried")].join("\n")).unwrap();
    let ended = bench(&["report", &shown(&log)]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.lines.iter().any(|line| line.contains("committed words changed in 1 captions")), "{ended:?}");
}

#[test]
fn input_that_cannot_be_measured_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let audio = folder.path().join("a.wav");
    fs::copy(recording("beckett.wav"), &audio).unwrap();
    let input = shown(&audio);
    assert_refuses(&bench(&["stream", "--input", &input]), &["a.wav: has no words", "a.words.tsv", "--words"]);
    let words = folder.path().join("a.words.tsv");
    fs::write(&words, "0\t1\thello\n1\tx\tthere\n").unwrap();
    assert_refuses(&bench(&["stream", "--input", &input]), &["a.words.tsv: line 2: 'x' is no time"]);
    fs::write(&words, "0\t1\thello\n").unwrap();
    assert_refuses(&bench(&["stream", "--input", &input, "--join", "3"]), &["no speaker has 3 clips"]);
    assert_refuses(&bench(&["stream", "--input", &input, "--set", "nonsense=1"]), &["nonsense", "endpoint.silence_s"]);
    assert_refuses(&bench(&["stream", "--input", "/no/such.wav", "--words", &shown(&words)]), &["/no/such.wav"]);
    assert_refuses(&bench(&["report", "/no/such.jsonl"]), &["/no/such.jsonl"]);
    let bad = folder.path().join("bad.jsonl");
    fs::write(&bad, "{\"v\":1}\n").unwrap();
    assert_refuses(&bench(&["report", &shown(&bad)]), &["bad.jsonl: line 1: "]);
    fs::write(&bad, "{\"kind\":\"auricle bench stream\",\"schema\":1}\n").unwrap();
    assert_refuses(&bench(&["report", &shown(&bad)]), &["bad.jsonl: missing field"]);
    assert_refuses(&bench(&["compare", &shown(&bad), &shown(&bad)]), &["bad.jsonl"]);
}

#[test]
fn utterances_of_a_speaker_are_strung_together() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/speech/audio");
    let clips: Vec<String> =
        ["sa1", "sx116", "sx26"].iter().map(|utterance| shown(&data.join(format!("timit-dr1-fvmh0_{utterance}.flac")))).collect();
    if !Path::new(&clips[0]).is_file() {
        println!("skipped: no TIMIT clips in {}", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = shown(&folder.path().join("run.json"));
    let mut command: Command = auricle();
    command.args(["bench", "stream", "--virtual", "--sounds", "off", "--join", "3", "--continuous", "--json", &out, "--input"]);
    let ended = Program::start(command.args(&clips)).finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let run = json(Path::new(&out));
    let unit = &run["rows"]["units"][0];
    assert_eq!(unit[1], "timit-dr1-fvmh0-1-s1");
    assert_eq!(run["rows"]["sessions"].as_array().unwrap().len(), 1);
    let words = run["rows"]["words"].as_array().unwrap();
    let matched = words.iter().filter(|word| word[4].is_f64()).count();
    assert!(words.len() > 20 && matched * 10 > words.len() * 6, "{matched} of {}", words.len());
    // The same words, whichever way they were had.
    assert!((5..=8).all(|way| unit[way].is_array()), "{unit}");
}
