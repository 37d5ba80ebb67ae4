//! Whisper on real speech: what it reads, by which road, and where words lie.

mod recordings;

use std::fs;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use auricle::ErrorKind;
use auricle::decode::byte_pairs::BytePairs;
use auricle::decode::tokenizer::Tokenizer;
use auricle::decode::{Hypothesis, Prior};
use auricle::model::whisper::Whisper;
use auricle::model::{ReadingOptions, Transcriber, Windows};
use auricle::runtime::GraphSettings;
use auricle::speech::Engine;
use auricle::store::{Model, Places};

use recordings::samples_of;

const NAME: &str = "whisper-tiny-en";
/// What is said in `beckett.wav`.
const BECKETT: [&str; 12] =
    ["ever", "tried", "ever", "failed", "no", "matter", "try", "again", "fail", "again", "fail", "better"];

fn load(options: &ReadingOptions) -> auricle::Result<Whisper> {
    let model = Model::open(&Places::find(), NAME).expect("'make models' makes the model");
    Whisper::load(&model, GraphSettings::default(), options)
}

/// The model, loaded once; one test reads at a time.
fn whisper() -> MutexGuard<'static, Whisper> {
    static WHISPER: OnceLock<Mutex<Whisper>> = OnceLock::new();
    let load = || Mutex::new(load(&ReadingOptions::default()).unwrap());
    WHISPER.get_or_init(load).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The words without case and punctuation.
fn plain(hypothesis: &Hypothesis) -> Vec<String> {
    let letters = |word: &str| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    hypothesis.words.iter().map(|word| letters(&word.text)).collect()
}

fn assert_reads_beckett(hypothesis: &Hypothesis, by: &str) {
    assert_eq!(plain(hypothesis), BECKETT, "{by}: {}", hypothesis.text());
}

/// Fails unless every word has a place, in order, within so many samples.
fn assert_placed(hypothesis: &Hypothesis, samples: u64) {
    let spans: Vec<_> = hypothesis.words.iter().map(|word| word.said.expect("a word without a place")).collect();
    let edges: Vec<u64> = spans.iter().flat_map(|span| [span.start, span.end]).collect();
    assert!(edges.is_sorted() && edges.iter().all(|&edge| edge <= samples), "{spans:?}");
}

#[test]
fn short_sentences_are_read_and_words_lie_where_they_are_said() {
    let audio = samples_of("beckett.wav");
    let hypothesis = whisper().transcribe(&audio, Prior::default()).unwrap();
    assert_reads_beckett(&hypothesis, "live");
    assert_placed(&hypothesis, audio.len() as u64);
    // A word is where the voice is: within what the path may be off, some of it is loud.
    for word in &hypothesis.words {
        let said = word.said.unwrap();
        let around = &audio[said.start.saturating_sub(1_600) as usize..(said.end as usize + 1_600).min(audio.len())];
        let loudest = around.iter().copied().map(f32::abs).fold(0.0, f32::max);
        assert!(loudest > 0.05, "{word:?} is silent: {loudest}");
        assert!((0.0..=1.0).contains(&word.probability), "{word:?}");
    }
}

#[test]
fn the_last_reading_as_a_draft_changes_nothing_that_is_read() {
    let (mut whisper, audio) = (whisper(), samples_of("beckett.wav"));
    let mut draft = Vec::new();
    for length in (16_000..=audio.len()).step_by(16_000) {
        let audio = &audio[..length];
        let with = whisper.transcribe(audio, Prior::draft(&draft)).unwrap();
        let without = whisper.transcribe(audio, Prior::default()).unwrap();
        assert_eq!(with.tokens, without.tokens, "{length} samples");
        draft = with.tokens;
    }
    assert!(draft.len() > 12, "only {} tokens were read", draft.len());
}

#[test]
fn given_words_are_kept_and_reading_goes_on_after_them() {
    let (mut whisper, audio) = (whisper(), samples_of("beckett.wav"));
    let whole = whisper.transcribe(&audio, Prior::default()).unwrap();
    let given = &whole.tokens[..6];
    let again = whisper.transcribe(&audio, Prior { given, draft: &[] }).unwrap();
    assert_eq!(again.tokens, whole.tokens);
    let marks: Vec<bool> = again.words.iter().map(|word| word.given).collect();
    assert!(marks.is_sorted_by(|a, b| a >= b) && marks.contains(&true) && marks.contains(&false), "{marks:?}");
}

#[test]
fn every_road_reads_the_same_words() {
    let audio = samples_of("beckett.wav");
    let alone = whisper().transcribe_all(&[&audio]).unwrap().remove(0);
    assert_reads_beckett(&alone, "30 s, greedy");
    assert_placed(&alone, audio.len() as u64);
    let mut searching = load(&ReadingOptions { beam: 5, ..ReadingOptions::default() }).unwrap();
    assert_reads_beckett(&searching.transcribe_all(&[&audio]).unwrap()[0], "with a beam");
    let prompt = Some("A reading of Worstward Ho, by Samuel Beckett.".to_owned());
    let mut prompted = load(&ReadingOptions { prompt, ..ReadingOptions::default() }).unwrap();
    assert_reads_beckett(&prompted.transcribe_all(&[&audio]).unwrap()[0], "with a prompt");
}

#[test]
fn a_long_recording_is_cut_by_the_model_into_segments_in_order() {
    let (mut whisper, audio) = (whisper(), samples_of("two_cities.wav"));
    assert!(audio.len() > whisper.window_samples(), "it is longer than a window");
    let mut context = whisper.context();
    let (mut at, mut ends, mut words) = (0_u64, 0_u64, Vec::new());
    while at < audio.len() as u64 {
        let rest = &audio[at as usize..];
        let window = whisper.read_window(rest, &mut context).unwrap();
        assert!(window.advance > 0, "it would never end");
        for segment in &window.segments {
            let (start, end) = (at + segment.said.start, at + segment.said.end);
            assert!(ends <= start + 16_000 && start < end && end <= audio.len() as u64, "{:?} after {ends}", segment.said);
            assert_placed(&segment.hypothesis, segment.said.end + 16_000);
            ends = end;
            words.extend(plain(&segment.hypothesis));
        }
        at += window.advance;
    }
    assert_eq!(words[..6], ["it", "was", "the", "best", "of", "times"]);
    assert_eq!(words[words.len() - 2..], ["comparison", "only"]);
    assert!((100..140).contains(&words.len()), "{} words", words.len());
    // As one piece, the same windows.
    let through = whisper.transcribe_all(&[&audio]).unwrap().remove(0);
    assert_eq!(plain(&through), words);
    assert_placed(&through, audio.len() as u64);
}

#[test]
fn silence_and_what_is_too_short_say_nothing() {
    let mut whisper = whisper();
    for samples in [0, 1, 1_599, 1_600, 32_000] {
        let silence = vec![0.0; samples];
        assert_eq!(whisper.transcribe(&silence, Prior::default()).unwrap().text(), "", "{samples} samples");
        assert_eq!(whisper.transcribe_all(&[&silence]).unwrap()[0].text(), "", "{samples} samples");
    }
    let mut context = whisper.context();
    let window = whisper.read_window(&vec![0.0; 480_000], &mut context).unwrap();
    assert!(window.segments.is_empty(), "{window:?}");
    assert_eq!(window.advance, 480_000);
}

#[test]
fn a_text_becomes_the_tokens_that_the_reference_makes_of_it() {
    let path = Model::open(&Places::find(), NAME).and_then(|model| model.file("tokenizer")).unwrap();
    let tokenizer = Tokenizer::read(&path, 51_864).unwrap();
    let pairs = BytePairs::new(&tokenizer);
    // Made with Hugging Face's tokenizers 0.23.3 from the same file.
    let cases: [(&str, &[u32]); 3] = [
        (
            " Hello world, it's 2nd Dr. Kowalczyk's naïve café!",
            &[18435, 995, 11, 340, 338, 362, 358, 1583, 13, 509, 322, 282, 66, 46355, 338, 41492, 40304, 0],
        ),
        (
            " In 1859,  they'll\n\nsay \"no\" — 3.14% of 日本語",
            &[
                554, 1248, 3270, 11, 220, 484, 1183, 198, 198, 16706, 366, 3919, 1, 851, 513, 13, 1415, 4, 286, 10545, 245, 98,
                17312, 105, 45739, 252,
            ],
        ),
        ("don't  ", &[9099, 470, 220, 220]),
    ];
    for (text, tokens) in cases {
        assert_eq!(pairs.encode(text), tokens, "{text}");
        assert_eq!(tokenizer.text(tokens), text);
    }
}

#[test]
fn what_a_model_cannot_do_is_refused_by_name() {
    let refused = |options: ReadingOptions, says: &str| {
        let error = load(&options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains(says), "{error}");
    };
    refused(ReadingOptions { language: Some("de".to_owned()), ..Default::default() }, "knows English only ('en')");
    refused(ReadingOptions { translate: true, ..Default::default() }, "translates nothing");
    refused(ReadingOptions { beam: 33, ..Default::default() }, "33");
    load(&ReadingOptions { language: Some("en".to_owned()), ..Default::default() }).unwrap();

    let moonshine = |options: &ReadingOptions| {
        let loaded = Engine::load(&Places::find(), "silero-vad", "moonshine-tiny-en", GraphSettings::default(), options);
        loaded.err().map(|error| error.message().to_owned()).unwrap_or_default()
    };
    assert!(moonshine(&ReadingOptions { beam: 5, ..Default::default() }).contains("cannot search with a beam"));
    assert!(moonshine(&ReadingOptions { language: Some("fr".to_owned()), ..Default::default() }).contains("English only"));
    assert_eq!(moonshine(&ReadingOptions { beam: 1, ..Default::default() }), "");
}

#[test]
fn a_manifest_that_is_not_the_graphs_is_refused() {
    let source = Model::open(&Places::find(), NAME).expect("'make models' makes the model");
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join(NAME);
    fs::create_dir(&folder).unwrap();
    for file in &source.manifest().files {
        fs::copy(source.folder().join(&file.path), folder.join(&file.path)).unwrap();
    }
    let text = fs::read_to_string(source.folder().join("model.toml")).unwrap();
    for (from, to, says) in [
        ("mels = 80", "mels = 128", "input_features"),
        ("mels = 80", "mels = 81", "mels is 81; expected 80 or 128"),
        ("vocabulary = 51864", "vocabulary = 51865", "logits"),
        ("end_token = 50256", "end_token = 60000", "end_token = 60000 is outside the vocabulary"),
        ("audio_frames = 1500", "audio_frames = 3000", "audio_frames is 3000; expected 32 to 1500"),
    ] {
        assert!(text.contains(from));
        fs::write(folder.join("model.toml"), text.replace(from, to)).unwrap();
        let model = Model::open_folder(&folder).unwrap();
        let error = Whisper::load(&model, GraphSettings::default(), &ReadingOptions::default()).unwrap_err();
        assert!(error.message().contains(says), "{to}: {error}");
    }
}
