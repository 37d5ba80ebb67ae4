//! docs/events.md is the contract: its examples are events, and what the binary prints has the fields it documents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use auricle::event::{Caption, CaptionState};
use auricle::{Event, EventBody};
use serde_json::{Map, Value};

/// Heading of the fields that every type has.
const ENVELOPE: &str = "Envelope";

/// A documented field: whether every event of its type has it, and its own fields where it is an array of objects.
#[derive(Debug, Default)]
struct Field {
    always: bool,
    fields: BTreeMap<String, Field>,
}

/// One `##` section of the page.
#[derive(Debug, Default)]
struct Section {
    fields: BTreeMap<String, Field>,
    examples: Vec<String>,
}

/// The sections by heading, without the heading's backticks.
fn page() -> BTreeMap<String, Section> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md");
    let text = std::fs::read_to_string(path).expect("docs/events.md is part of the repository");
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let (mut heading, mut parent, mut in_json) = (String::new(), None, false);
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.trim_matches('`').to_owned();
            parent = None;
        } else if line.starts_with("```") {
            in_json = line == "```json";
        } else if in_json {
            sections.entry(heading.clone()).or_default().examples.push(line.to_owned());
        } else if let Some(rest) = line.strip_prefix("| field") {
            parent = rest.strip_prefix(" of `").and_then(|rest| rest.split('`').next()).map(str::to_owned);
        } else if let Some(row) = line.strip_prefix("| `") {
            let (name, rest) = row.split_once('`').expect("a field's name ends with a backtick");
            let present = rest.split('|').nth(2).expect("a row has four columns").trim();
            let fields = &mut sections.entry(heading.clone()).or_default().fields;
            let fields = match &parent {
                Some(parent) => &mut fields.get_mut(parent).expect("the field was documented before its own fields").fields,
                None => fields,
            };
            fields.insert(name.to_owned(), Field { always: present == "always", fields: BTreeMap::new() });
        }
    }
    sections
}

/// The names of all types, as the code that reads events knows them: serde lists them when it meets one it does not know.
fn types() -> BTreeSet<String> {
    let error = serde_json::from_str::<EventBody>(r#"{"type":"?"}"#).unwrap_err().to_string();
    let (_, expected) = error.split_once("expected one of").unwrap_or_else(|| panic!("no list of types in: {error}"));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Fails unless `object` has all fields that are always there and none that is not documented.
fn assert_documented(object: &Map<String, Value>, fields: &[&BTreeMap<String, Field>], shown: &str) {
    for (name, field) in fields.iter().flat_map(|fields| fields.iter()) {
        assert!(!field.always || object.contains_key(name), "'{name}' is missing in {shown}");
    }
    for (name, value) in object {
        let field = fields.iter().find_map(|fields| fields.get(name));
        let field = field.unwrap_or_else(|| panic!("'{name}' is not documented, but stands in {shown}"));
        assert!(!value.is_null(), "'{name}' is null in {shown}");
        if !field.fields.is_empty() {
            for element in value.as_array().expect("a field with fields of its own is an array") {
                assert_documented(element.as_object().expect("its elements are objects"), &[&field.fields], shown);
            }
        }
    }
}

/// Fails unless `line` is an event as the page says.
fn assert_event(page: &BTreeMap<String, Section>, line: &str) -> Event {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let object = value.as_object().expect("an event is an object");
    let kind = object["type"].as_str().expect("type is a string");
    let section = page.get(kind).unwrap_or_else(|| panic!("type '{kind}' is not documented: {line}"));
    assert_documented(object, &[&page[ENVELOPE].fields, &section.fields], line);
    let has_reason = match kind {
        "gap" => true,
        "speech" => object["state"] == "end",
        "alert" => object["state"] == "failed",
        _ => false,
    };
    assert_eq!(object.contains_key("reason"), has_reason, "{line}");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn every_type_has_an_example_that_survives_a_round_trip() {
    let page = page();
    let mut types = types();
    assert!(types.contains("caption") && types.contains("stats"), "{types:?}");
    for example in page.values().flat_map(|section| &section.examples) {
        let event = assert_event(&page, example);
        let written: Value = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(example).unwrap());
        types.remove(written["type"].as_str().unwrap());
    }
    assert!(types.is_empty(), "docs/events.md has no example of {types:?}");
}

/// Events of `listen` (paced), `transcribe --partials` and `tag --scores`: between them every type that a file can bring about.
#[test]
fn what_the_binary_prints_is_what_the_page_documents() {
    let page = page();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/moonshine-tiny-en/beckett.wav");
    assert!(recording.is_file(), "{}: not there; 'make models' fetches it", recording.display());
    let mut printed = BTreeSet::new();
    for arguments in [["transcribe", "--partials"].as_slice(), &["tag", "--scores"], &["listen", "--input"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auricle"));
        let output = command.args(["--quiet"]).args(arguments).arg(&recording).args(["--format", "jsonl"]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let events: Vec<Event> = lines.lines().map(|line| assert_event(&page, line)).collect();
        assert_promises(&events);
        printed.extend(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].to_string()));
    }
    let expected = ["caption", "device", "scores", "speech", "stats"].map(|kind| format!("\"{kind}\""));
    assert!(expected.iter().all(|kind| printed.contains(kind)), "{printed:?}");
}

/// Fails unless the promises about order and prefixes hold.
fn assert_promises(events: &[Event]) {
    assert!(events.iter().enumerate().all(|(index, event)| event.seq == index as u64), "seq has a hole");
    assert!(events.windows(2).all(|pair| pair[0].emitted <= pair[1].emitted), "emitted goes back");
    let mut before: BTreeMap<u64, Caption> = BTreeMap::new();
    for event in events {
        let EventBody::Caption(caption) = &event.body else { continue };
        assert!(caption.text.starts_with(&caption.stable) && caption.stable.starts_with(&caption.committed), "{caption:?}");
        assert!(caption.end.seconds() <= event.emitted + 0.1, "said before it was heard: {event:?}");
        if caption.state == CaptionState::Final {
            assert!(caption.committed == caption.text && caption.stable == caption.text, "{caption:?}");
        }
        assert_words(caption);
        if let Some(before) = before.insert(caption.segment, caption.clone()) {
            assert_eq!(before.state, CaptionState::Partial, "segment {} goes on after its final", caption.segment);
            assert!(caption.committed.starts_with(&before.committed), "{before:?} became {caption:?}");
        }
    }
    assert!(before.values().all(|caption| caption.state == CaptionState::Final), "a segment has no final");
}

/// Fails unless the words of a caption are those of its text, in order and within it: the model that the binary uses tells times.
fn assert_words(caption: &Caption) {
    let texts: Vec<&str> = caption.words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(texts.join(" "), caption.text, "{caption:?}");
    assert!(caption.words.iter().all(|word| caption.start <= word.start && word.end <= caption.end), "{caption:?}");
    assert!(caption.words.iter().all(|word| word.start <= word.end), "{caption:?}");
    assert!(caption.words.windows(2).all(|pair| pair[0].end <= pair[1].start), "{caption:?}");
    assert!(caption.words.iter().all(|word| (0.0..=1.0).contains(&word.probability)), "{caption:?}");
}
