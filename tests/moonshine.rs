//! Moonshine as captions use it, on real speech: drafts change nothing that is read, and words lie where they were said.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use auricle::ErrorKind;
use auricle::audio::file::AudioFile;
use auricle::audio::pcm::Format;
use auricle::decode::alignment::Span;
use auricle::decode::{Hypothesis, Prior};
use auricle::model::Transcriber;
use auricle::model::moonshine::{Moonshine, STEP_SAMPLES};
use auricle::runtime::GraphSettings;
use auricle::store::{FileEntry, Model, Places};

/// New audio between two readings of an open segment.
const REFRESH_SAMPLES: usize = 4_800;

/// The graphs of a model.
const ROLES: [&str; 4] = ["stem", "encoder", "cross_kv", "step"];

/// The speakers of TIMIT that neither the heads nor the figures of word times were chosen on.
const HELD_OUT: [&str; 4] = ["mcpm0", "faem0", "madc0", "falr0"];

/// Six short sentences of a real voice; 16 kHz, one channel, 10 s.
fn beckett() -> Vec<f32> {
    samples_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/moonshine-tiny-en/beckett.wav"))
}

fn samples_of(path: &Path) -> Vec<f32> {
    let mut file = AudioFile::open(path).expect("'make models' fetches the recording");
    assert_eq!(file.format(), Format::new(16_000, 1).unwrap());
    let mut samples = Vec::new();
    while let Some(block) = file.next_block().unwrap() {
        samples.extend_from_slice(block);
    }
    samples
}

fn load() -> Moonshine {
    let model = Model::open(&Places::find(), "moonshine-tiny-en").expect("'make models' fetches the model");
    Moonshine::load(&model, GraphSettings::default()).unwrap()
}

/// The model, loaded once; one test reads at a time.
fn moonshine() -> MutexGuard<'static, Moonshine> {
    static MOONSHINE: OnceLock<Mutex<Moonshine>> = OnceLock::new();
    MOONSHINE.get_or_init(|| Mutex::new(load())).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails unless two readings have the same tokens, words and, nearly, probabilities: floats of several rows are summed in another
/// order than those of a single row.
fn assert_same(with: &Hypothesis, without: &Hypothesis, of: &str) {
    assert_eq!(with.tokens, without.tokens, "{of}");
    assert_eq!(with.text(), without.text(), "{of}");
    for (with, without) in with.words.iter().zip(&without.words) {
        assert!((with.probability - without.probability).abs() < 0.05, "{of}: {with:?}, {without:?}");
    }
}

#[test]
fn the_last_reading_as_a_draft_changes_nothing_that_is_read() {
    let (mut moonshine, audio) = (moonshine(), beckett());
    let mut draft = Vec::new();
    let mut longest = 0;
    for length in (REFRESH_SAMPLES..=audio.len()).step_by(REFRESH_SAMPLES) {
        let audio = &audio[..length];
        let with = moonshine.transcribe(audio, Prior::draft(&draft)).unwrap();
        let without = moonshine.transcribe(audio, Prior::draft(&[])).unwrap();
        assert_same(&with, &without, &format!("{length} samples"));
        // A draft that is all of what is said.
        assert_same(
            &moonshine.transcribe(audio, Prior::draft(&with.tokens)).unwrap(),
            &without,
            &format!("{length} samples, full draft"),
        );
        draft = with.tokens;
        longest = longest.max(draft.len());
    }
    assert!(longest > 12, "only {longest} tokens were read");
}

/// Fails unless two readings say the same, as sure of each word but for what rounding makes of it, at the same places.
fn assert_same_words(one: &Hypothesis, other: &Hypothesis, of: &str) {
    assert_eq!(one.tokens, other.tokens, "{of}");
    for (one, other) in one.words.iter().zip(&other.words) {
        assert!((one.probability - other.probability).abs() < 2e-3, "{of}: {one:?}, {other:?}");
        let (one_said, other_said) = (one.said.unwrap(), other.said.unwrap());
        assert!(one_said.start.abs_diff(other_said.start) <= 384, "{of}: {one:?}, {other:?}");
        assert!(one_said.end.abs_diff(other_said.end) <= 384, "{of}: {one:?}, {other:?}");
    }
}

/// So loud that the largest sample has `peak_dbfs`.
fn at_level(audio: &[f32], peak_dbfs: f32) -> Vec<f32> {
    let loudest = audio.iter().copied().map(f32::abs).fold(0.0, f32::max);
    audio.iter().map(|sample| sample / loudest * 10_f32.powf(peak_dbfs / 20.0)).collect()
}

#[test]
fn audio_that_was_heard_before_is_read_as_if_it_were_new() {
    let (mut moonshine, mut other, audio) = (moonshine(), load(), beckett());
    let (mut words, mut kept_s, mut anew_s) = (0, 0.0, 0.0);
    for level in [-6.0, -60.0] {
        let audio = at_level(&audio, level);
        let read = |moonshine: &mut Moonshine, audio: &[f32]| {
            let before = moonshine.reading_time().encode.thread_s;
            let hypothesis = moonshine.transcribe(audio, Prior::default()).unwrap();
            (hypothesis, moonshine.reading_time().encode.thread_s - before)
        };
        // The window grows, and from time to time begins later.
        let (mut from, mut cuts) = (0, 0);
        for until in (REFRESH_SAMPLES..=audio.len()).step_by(REFRESH_SAMPLES) {
            if until - from > 56_000 {
                from += STEP_SAMPLES * [201, 7][cuts % 2];
                cuts += 1;
            }
            let (kept, seconds) = read(&mut moonshine, &audio[from..until]);
            kept_s += seconds;
            other.transcribe(&[0.0; 1_024], Prior::default()).unwrap();
            let (anew, seconds) = read(&mut other, &audio[from..until]);
            anew_s += seconds;
            assert_same_words(&kept, &anew, &format!("{level} dBFS, samples {from} to {until}"));
            words += anew.words.len();
        }
        assert!(cuts > 2, "{cuts} cuts");
    }
    assert!(words > 200, "only {words} words were read");
    println!("{kept_s:.3} s of encoding with what was kept, {anew_s:.3} s anew");
    assert!(kept_s < anew_s, "{kept_s:.3} s of encoding with what was kept, {anew_s:.3} s anew");
}

#[test]
fn two_streams_of_one_engine_do_not_mix() {
    let (mut moonshine, audio) = (moonshine(), beckett());
    // The other one says the same a little later and less loud, so that nothing but the samples tells them apart.
    let other = at_level(&audio, -30.0);
    let nothing = [0.0; 1_024];
    for until in (2 * REFRESH_SAMPLES..=80_000).step_by(REFRESH_SAMPLES) {
        let pieces = [&audio[..until], &other[REFRESH_SAMPLES..until], &audio[192..until], &audio[100..until]];
        let interleaved = pieces.map(|piece| moonshine.transcribe(piece, Prior::default()).unwrap());
        for (place, piece) in pieces.into_iter().enumerate() {
            moonshine.transcribe(&nothing, Prior::default()).unwrap();
            let alone = moonshine.transcribe(piece, Prior::default()).unwrap();
            assert_same_words(&interleaved[place], &alone, &format!("to {until}, piece {place}"));
        }
    }
}

#[test]
fn pieces_read_together_are_read_as_each_alone() {
    let (mut moonshine, audio) = (moonshine(), beckett());
    let (quiet, twice) = (at_level(&audio, -40.0), audio.repeat(2));
    let silence = vec![0.0; 24_000];
    // More than are read at once, the longest not last, some without a word in them.
    let mut pieces: Vec<&[f32]> = vec![&twice, &audio[..500], &silence, &[], &quiet[40_000..], &audio];
    pieces.extend((1..=12).map(|part| &audio[..part * 9_601]));
    let before = moonshine.reading_time().readings;
    let together = moonshine.transcribe_all(&pieces).unwrap();
    assert_eq!((together.len(), moonshine.reading_time().readings - before), (18, 16), "two are too short to hold a word");
    for (place, (piece, together)) in pieces.iter().zip(&together).enumerate() {
        let alone = moonshine.transcribe(piece, Prior::default()).unwrap();
        assert_same_words(together, &alone, &format!("piece {place} of {} samples", piece.len()));
    }
    assert!(together[0].text().to_lowercase().contains("fail better") && together[1].words.is_empty());
    assert!(moonshine.transcribe_all(&[]).unwrap().is_empty());
    let error = moonshine.transcribe_all(&[&audio, &vec![0.0; 64 * 16_000 + 1]]).unwrap_err();
    assert!(error.message().contains("cut the speech"), "{error}");
}

#[test]
fn a_draft_of_several_pieces_changes_nothing_that_is_read() {
    let (mut moonshine, audio) = (moonshine(), beckett().repeat(2));
    let without = moonshine.transcribe(&audio, Prior::draft(&[])).unwrap();
    let tokens = &without.tokens;
    assert!(tokens.len() > 33, "{} tokens are not three pieces of 16", tokens.len());
    assert_same(&moonshine.transcribe(&audio, Prior::draft(tokens)).unwrap(), &without, "all of what is said");
    for place in [14, 15, 16, 17, 30, 31, 32] {
        let mut draft = tokens.clone();
        draft[place] += 1;
        assert_same(&moonshine.transcribe(&audio, Prior::draft(&draft)).unwrap(), &without, &format!("token {place} is another"));
        assert_same(&moonshine.transcribe(&audio, Prior::draft(&tokens[..place])).unwrap(), &without, &format!("{place} tokens"));
    }
}

#[test]
fn a_draft_of_rubbish_changes_nothing_that_is_read() {
    let (mut moonshine, audio) = (moonshine(), beckett());
    let without = moonshine.transcribe(&audio, Prior::draft(&[])).unwrap();
    assert!(without.text().to_lowercase().contains("fail better"), "{}", without.text());
    let tokens = &without.tokens;
    let changed = |place: usize| {
        let mut draft = tokens.clone();
        draft[place] += 1;
        draft
    };
    let last = tokens.len() - 1;
    for (draft, what) in [
        (changed(0), "the first token is another"),
        (changed(last / 2), "one in the middle is another"),
        (changed(last), "the last is another"),
        (tokens[1..].to_vec(), "the first is missing"),
        (tokens.repeat(40), "far more than can be said"),
        (vec![7; 10_000], "one token over and over"),
        (vec![2], "the end token"),
        (vec![1, 1, 0], "special tokens"),
        ([&tokens[..3], &[u32::MAX, 32_768][..]].concat(), "tokens that do not exist"),
    ] {
        assert_same(&moonshine.transcribe(&audio, Prior::draft(&draft)).unwrap(), &without, what);
    }
}

#[test]
fn audio_too_short_or_too_long_is_no_crash_with_a_draft_either() {
    let mut moonshine = moonshine();
    for length in [0, 1, 1_023] {
        assert_eq!(moonshine.transcribe(&vec![0.1; length], Prior::draft(&[5, 6])).unwrap(), Hypothesis::default());
    }
    moonshine.transcribe(&[0.1; 1_024], Prior::draft(&[5, 6, 7, 8])).unwrap();
    let error = moonshine.transcribe(&vec![0.0; 64 * 16_000 + 1], Prior::draft(&[])).unwrap_err();
    assert!(error.message().contains("cut the speech"), "{error}");
    moonshine
        .transcribe(&[f32::NAN; 16_000], Prior::draft(&[5, 6]))
        .map_or_else(|error| assert!(error.message().contains("logit")), drop);
    assert!(
        !moonshine.transcribe(&beckett(), Prior::draft(&[])).unwrap().words.is_empty(),
        "a reading that failed leaves nothing behind"
    );
}

#[test]
fn graphs_that_do_not_belong_together_are_refused_by_name() {
    let model = Model::open(&Places::find(), "moonshine-tiny-en").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("mixed");
    std::fs::create_dir(&folder).unwrap();
    let file = |role: &str| model.manifest().files.iter().find(|file| file.role == role).unwrap();
    let head = "schema = 1\nname = \"mixed\"\nfamily = \"moonshine\"\ntask = \"transcribe\"\ndescription = \"\"\nlicence = \"MIT\"\n\
                minimum_ort = \"1.20\"\n";
    let load = |[stem, encoder, cross_kv, step]: [&str; 4], parameters: &str| {
        let mut manifest = format!("{head}[moonshine]\n{parameters}\n");
        let graphs = [("stem", stem), ("encoder", encoder), ("cross_kv", cross_kv), ("step", step)];
        for (role, taken) in graphs.into_iter().chain([("tokenizer", "tokenizer")]) {
            let FileEntry { path, bytes, sha256, .. } = file(taken);
            std::fs::copy(model.folder().join(path), folder.join(role)).unwrap();
            manifest += &format!("[[file]]\nrole = \"{role}\"\npath = \"{role}\"\nbytes = {bytes}\nsha256 = \"{sha256}\"\n");
        }
        std::fs::write(folder.join("model.toml"), manifest).unwrap();
        Moonshine::load(&Model::open_folder(&folder).unwrap(), GraphSettings::default())
    };
    let parameters = "start_token = 1\nend_token = 2\nvocabulary = 32768\ntokens_per_second = 6.5";
    let mut without_times = load(ROLES, parameters).unwrap();
    let words = without_times.transcribe(&beckett(), Prior::draft(&[])).unwrap().words;
    assert!(words.len() > 5 && words.iter().all(|word| word.said.is_none()), "the manifest names no heads: {words:?}");
    for (graphs, says) in [
        (["encoder", "encoder", "cross_kv", "step"], ["mixed/stem", "input 'input_values': expected", "found no such input"]),
        (["stem", "step", "cross_kv", "step"], ["mixed/encoder", "input 'convolved': expected", "found no such input"]),
        (
            ["stem", "encoder", "stem", "step"],
            ["mixed/cross_kv", "input 'encoder_hidden_states': expected", "found no such input"],
        ),
        (
            ["stem", "encoder", "cross_kv", "stem"],
            ["mixed/step", "input 'past_key_values.0.decoder.key': expected", "no such input"],
        ),
    ] {
        let error = load(graphs, parameters).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Model);
        assert!(says.iter().all(|part| error.message().contains(part)), "{error}");
    }
    for (parameters, says) in [
        (parameters.replace("32768", "40000"), "output 'logits': expected f32 [any, any, 40000], found f32 [any, any, 32768]"),
        (parameters.replace("= 2\n", "= 99999\n"), "end_token is 99999"),
        (parameters.replace("6.5", "inf"), "tokens_per_second is inf"),
        (format!("{parameters}\nconfidence_odds = 0"), "confidence_odds is 0"),
        (format!("{parameters}\n[moonshine.word_times]\nheads = [[3, 0]]\nbefore = 2"), "before is 2"),
        (format!("{parameters}\n[moonshine.word_times]\nhead = 3"), "head"),
        (
            format!("{parameters}\n[moonshine.word_times]\nheads = [[3, 0], [4, 1]]\nbefore = 1"),
            "output 'cross_attention': expected f32 [any, 2, any, any], found",
        ),
    ] {
        let error = load(ROLES, &parameters).unwrap_err();
        assert!(error.message().contains(says), "{error}");
    }
}

#[test]
fn words_lie_where_they_were_said() {
    let (mut moonshine, audio) = (moonshine(), beckett());
    for length in [16_000, 32_000, 80_000, audio.len()] {
        let hypothesis = moonshine.transcribe(&audio[..length], Prior::draft(&[])).unwrap();
        let spans: Vec<Span> = hypothesis.words.iter().map(|word| word.said.expect("the graph gives attention")).collect();
        assert!(spans.iter().all(|span| span.start <= span.end && span.end <= length as u64), "{length}: {hypothesis:?}");
        assert!(spans.windows(2).all(|pair| pair[0].start <= pair[1].start), "{length}: {hypothesis:?}");
    }
    // A word holds sound: its loudest 25 ms stand out from the quietest tenth of the recording.
    let energies: Vec<f32> = audio.chunks(400).map(|piece| piece.iter().map(|sample| sample * sample).sum()).collect();
    let mut sorted = energies.clone();
    sorted.sort_by(f32::total_cmp);
    let quiet = sorted[sorted.len() / 10];
    for word in moonshine.transcribe(&audio, Prior::draft(&[])).unwrap().words {
        let Span { start, end } = word.said.unwrap();
        let loudest = energies[start as usize / 400..(end as usize).div_ceil(400)].iter().copied().fold(0.0, f32::max);
        assert!(loudest > 30.0 * quiet, "{word:?}: {loudest} in it, {quiet} where it is quiet");
    }
}

#[test]
fn words_of_timit_lie_within_a_few_hundredths_of_where_people_marked_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/speech/audio");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no TIMIT at {}", folder.display());
        return;
    };
    let mut tables: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    tables.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".words.tsv") && HELD_OUT.iter().any(|speaker| name.contains(speaker))
    });
    tables.sort();
    let plain = |word: &str| word.replace(|c: char| !c.is_alphanumeric(), "").to_lowercase();
    let mut errors = Vec::new();
    for table in &tables {
        let marked: Vec<(f64, f64, String)> = std::fs::read_to_string(table)
            .unwrap()
            .lines()
            .map(|row| {
                let [start, end, word] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
                (start.parse().unwrap(), end.parse().unwrap(), plain(word))
            })
            .collect();
        let audio = samples_of(Path::new(&table.to_str().unwrap().replace(".words.tsv", ".flac")));
        let read = moonshine().transcribe(&audio, Prior::draft(&[])).unwrap().words;
        // Where a word was misread it is not plain which belongs to which; most clips have no such word.
        if read.len() == marked.len() && read.iter().zip(&marked).all(|(read, marked)| plain(&read.text) == marked.2) {
            for (read, (start, end, _)) in read.iter().zip(marked) {
                let said = read.said.unwrap();
                errors.push((said.start as f64 / 16_000.0 - start).abs());
                errors.push((said.end as f64 / 16_000.0 - end).abs());
            }
        }
    }
    errors.sort_by(f64::total_cmp);
    let (median, p95) = (errors[errors.len() / 2], errors[errors.len() * 95 / 100]);
    println!("{} starts and ends in {} clips: median {median:.3} s, p95 {p95:.3} s", errors.len(), tables.len());
    assert!(errors.len() > 100, "only {} starts and ends", errors.len());
    assert!(median < 0.03 && p95 < 0.12, "median {median:.3} s, p95 {p95:.3} s");
}
