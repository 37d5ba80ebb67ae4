//! Listed names on real speech: words that are misread without a list are read with it, by Moonshine and by Whisper, and a list of
//! names that nobody says changes nothing.

mod recordings;

use auricle::decode::vocabulary::Vocabulary;
use auricle::decode::{Hypothesis, Prior};
use auricle::model::moonshine::Moonshine;
use auricle::model::whisper::Whisper;
use auricle::model::{ReadingOptions, Transcriber};
use auricle::runtime::GraphSettings;
use auricle::store::{Model, Places};

use recordings::samples_of;

/// Nobody says any of these in the recordings.
const NOBODY: &str = "Siobhan\nKowalczyk\nPoughkeepsie\nNgozi\nSchenectady\nNew Ulm";

fn open(name: &str) -> Model {
    Model::open(&Places::find(), name).expect("'make models' makes the model")
}

fn moonshine() -> Moonshine {
    Moonshine::load(&open("moonshine-tiny-en"), GraphSettings::default()).unwrap()
}

fn whisper(beam: usize) -> Whisper {
    let options = ReadingOptions { beam, ..ReadingOptions::default() };
    Whisper::load(&open("whisper-tiny-en"), GraphSettings::default(), &options).unwrap()
}

fn listen_for(model: &mut dyn Transcriber, terms: &str) {
    model.listen_for(&Vocabulary::parse(terms).unwrap()).unwrap();
}

fn read(model: &mut dyn Transcriber, audio: &[f32]) -> Hypothesis {
    model.transcribe(audio, Prior::default()).unwrap()
}

fn at_leisure(model: &mut dyn Transcriber, audio: &[f32]) -> Hypothesis {
    model.transcribe_all(&[audio]).unwrap().remove(0)
}

/// The words without case and punctuation, which a beam may find otherwise on another way.
fn letters(hypothesis: &Hypothesis) -> Vec<String> {
    let of = |word: &str| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    hypothesis.words.iter().map(|word| of(&word.text)).collect()
}

fn has(hypothesis: &Hypothesis, word: &str) -> bool {
    hypothesis.words.iter().any(|other| other.text.trim_matches(|letter: char| !letter.is_alphanumeric()) == word)
}

/// Seven seconds from `second` on.
fn piece(audio: &[f32], second: usize) -> &[f32] {
    &audio[second * 16_000..(second + 7) * 16_000]
}

/// Titles of which the model writes the words small: they are read as they are listed, as likely as the model holds them.
fn assert_reads_listed_words(model: &mut dyn Transcriber, read: fn(&mut dyn Transcriber, &[f32]) -> Hypothesis, how: &str) {
    let audio = samples_of("two_cities.wav");
    let (wisdom, light) = (piece(&audio, 5), piece(&audio, 10));
    listen_for(model, "");
    let (plain_wisdom, plain_light) = (read(model, wisdom), read(model, light));
    assert!(plain_wisdom.text().contains("age of wisdom"), "{how}: {}", plain_wisdom.text());
    assert!(plain_light.text().contains("season of light"), "{how}: {}", plain_light.text());

    listen_for(model, NOBODY);
    let unchanged = (read(model, wisdom), read(model, light));
    assert_eq!(unchanged, (plain_wisdom.clone(), plain_light.clone()), "{how}: names that nobody says");

    listen_for(model, &format!("{NOBODY}\nAge of Wisdom\nSeason of Light\n"));
    let (named_wisdom, named_light) = (read(model, wisdom), read(model, light));
    assert!(named_wisdom.text().contains("the Age of Wisdom, it was the"), "{how}: {}", named_wisdom.text());
    assert!(named_light.text().contains("Season of Light"), "{how}: {}", named_light.text());
    let probability = |hypothesis: &Hypothesis, text: &str| {
        let word = hypothesis.words.iter().find(|word| word.text.starts_with(text));
        word.map_or_else(|| panic!("{how}: no {text} in {}", hypothesis.text()), |word| word.probability)
    };
    let (named, plain) = (probability(&named_light, "Season"), probability(&plain_light, "season"));
    assert!(named < plain, "{how}: 'Season' is {named} likely, 'season' {plain}");
    assert_eq!(letters(&named_light), letters(&plain_light), "{how}: all else stays");
}

#[test]
fn moonshine_reads_listed_words_and_leaves_the_rest() {
    let mut moonshine = moonshine();
    assert_reads_listed_words(&mut moonshine, read, "alone");
    assert_reads_listed_words(&mut moonshine, at_leisure, "of a batch");
}

#[test]
fn whisper_reads_listed_words_by_every_road() {
    let mut whisper = whisper(1);
    assert_reads_listed_words(&mut whisper, read, "live");
    assert_reads_listed_words(&mut whisper, at_leisure, "30 s, greedy");
}

#[test]
fn whisper_reads_listed_words_with_a_beam() {
    assert_reads_listed_words(&mut whisper(5), at_leisure, "with a beam");
}

#[test]
fn several_pieces_at_once_are_read_with_a_list_as_each_alone() {
    let (mut moonshine, audio) = (moonshine(), samples_of("two_cities.wav"));
    listen_for(&mut moonshine, &format!("{NOBODY}\nSeason of Light\nSpring of Hope\nFoolish Things\nthe other Wales"));
    let pieces: Vec<&[f32]> = (0..36).step_by(5).map(|second| piece(&audio, second)).collect();
    let together = moonshine.transcribe_all(&pieces).unwrap();
    assert_eq!(together.len(), pieces.len());
    for (together, audio) in together.iter().zip(&pieces) {
        let alone = read(&mut moonshine, audio);
        assert_eq!((together.text(), &together.tokens), (alone.text(), &alone.tokens));
    }
    assert!(together.iter().any(|hypothesis| has(hypothesis, "Season")));
}

#[test]
fn drafts_change_nothing_that_is_read_with_a_list() {
    let audio = samples_of("two_cities.wav");
    let mut models: [Box<dyn Transcriber>; 2] = [Box::new(moonshine()), Box::new(whisper(1))];
    for model in &mut models {
        listen_for(model.as_mut(), &format!("{NOBODY}\nSpring of Hope\nWinterbourne"));
        let whole = piece(&audio, 15);
        let mut draft = Vec::new();
        for length in (32_000..=whole.len()).step_by(16_000) {
            let plain = read(model.as_mut(), &whole[..length]);
            let drafted = model.transcribe(&whole[..length], Prior::draft(&draft)).unwrap();
            assert_eq!(drafted.tokens, plain.tokens, "{} of {length} samples", model.name());
            draft = drafted.tokens;
        }
        assert!(draft.len() > 12, "only {} tokens were read", draft.len());
    }
}
