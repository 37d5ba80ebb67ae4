//! Readings of made logits: lengths, terms, beams.

use super::*;
use crate::decode::boost::Boost;
use crate::decode::rules::Specials;
use crate::decode::vocabulary::Vocabulary;

/// Gives the same rows again and again, and notes how long its lines grow.
struct Same {
    row: Vec<f32>,
    length: usize,
}

impl Lines for Same {
    fn begin(&mut self, prompt: &[u32], rows: &[usize]) -> Result<Vec<Vec<f32>>> {
        self.length = prompt.len();
        Ok(vec![self.row.clone(); rows.len()])
    }

    fn step(&mut self, from: &[usize], _tokens: &[u32]) -> Result<Vec<f32>> {
        self.length += 1;
        Ok(self.row.repeat(from.len()))
    }
}

/// Text 0 to 3, end 4, start 5, ..., times from 11.
fn rules() -> Rules {
    let specials = Specials {
        vocabulary: 15,
        end: 4,
        start: 5,
        translate: 6,
        transcribe: 7,
        previous: 8,
        no_speech: 9,
        no_timestamps: 10,
        first_timestamp: 11,
        suppress_first: vec![4],
        ..Specials::default()
    };
    specials.check().unwrap();
    Rules { timestamps: false, ..Rules::new(specials) }
}

fn searches() -> [Search; 3] {
    let sampling = Sampling::at(1.0);
    [Search::greedy(), Search::Beam(Beam::of(3)), Search::Sample { sampling, best_of: 3, seed: 1 }]
}

fn read_same(row: Vec<f32>, limits: Limits, search: &Search) -> (Result<Reading>, usize) {
    let mut lines = Same { row, length: 0 };
    let reading = read(&mut lines, &rules(), &Task::default(), &limits, search, &|tokens| format!("{tokens:?}"));
    (reading, lines.length)
}

/// Reads token 0 and then 3, or, two logits less likely, 1 and then 2.
struct Told {
    lines: Vec<Vec<u32>>,
    prompt: usize,
}

impl Told {
    fn row(&self, said: &[u32]) -> Vec<f32> {
        let mut row = vec![-9.0; 15];
        match said {
            [] => (row[0], row[1]) = (3.0, 1.0),
            [1] => (row[2], row[3]) = (1.0, 0.0),
            [_] => (row[3], row[2]) = (4.0, -4.0),
            _ => row[4] = 5.0,
        }
        row
    }
}

impl Lines for Told {
    fn begin(&mut self, prompt: &[u32], rows: &[usize]) -> Result<Vec<Vec<f32>>> {
        if self.prompt == 0 {
            self.prompt = prompt.len();
        }
        self.lines = vec![prompt[self.prompt..].to_vec()];
        Ok(rows.iter().map(|&row| self.row(prompt.get(self.prompt..=row).unwrap_or_default())).collect())
    }

    fn step(&mut self, from: &[usize], tokens: &[u32]) -> Result<Vec<f32>> {
        self.lines = from.iter().zip(tokens).map(|(&line, &token)| [&self.lines[line][..], &[token]].concat()).collect();
        Ok(self.lines.iter().flat_map(|line| self.row(line)).collect())
    }
}

/// Gives logits by what was said, as if at random, and never a token 3.
struct Random {
    said: Vec<Vec<u32>>,
    seed: u32,
    widest: usize,
}

impl Random {
    fn row(&self, said: &[u32]) -> Vec<f32> {
        let mut state = said.iter().fold(self.seed, |state, token| (state ^ token).wrapping_mul(0x9e37_79b1).rotate_left(13));
        let mut row: Vec<f32> = (0..15)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as f32 / 13_000.0
            })
            .collect();
        row[3] = f32::NEG_INFINITY;
        row
    }
}

impl Lines for Random {
    fn begin(&mut self, prompt: &[u32], rows: &[usize]) -> Result<Vec<Vec<f32>>> {
        self.said = vec![prompt.to_vec()];
        Ok(rows.iter().map(|&row| self.row(&prompt[..=row])).collect())
    }

    fn step(&mut self, from: &[usize], tokens: &[u32]) -> Result<Vec<f32>> {
        self.widest = self.widest.max(from.len());
        self.said = from.iter().zip(tokens).map(|(&line, &token)| [&self.said[line][..], &[token]].concat()).collect();
        Ok(self.said.iter().flat_map(|said| self.row(said)).collect())
    }
}

#[test]
fn terms_that_break_off_change_nothing_that_a_beam_finds() {
    let pieces = |token: u32| [" New", " Si", "ob", "han"].get(token as usize).map_or(&[][..], |piece| piece.as_bytes());
    let boost = Boost::new(&Vocabulary::parse("Siobhan\nNewhan\nNewobhan\nSiob Newhan").unwrap(), 15, pieces);
    let mut widest = 0;
    for seed in 0..300 {
        let mut found = [None, Some(&boost)].map(|terms| {
            let mut lines = Random { said: Vec::new(), seed, widest: 0 };
            let task = Task { terms, ..Task::default() };
            let limits = Limits { longest: 12, ..Limits::of(40) };
            let spell = |tokens: &[u32]| format!("{tokens:?}");
            let reading = read(&mut lines, &rules(), &task, &limits, &Search::Beam(Beam::of(4)), &spell).unwrap();
            widest = widest.max(lines.widest);
            reading
        });
        assert_eq!(found[1].forgiven, 0.0);
        found[1].forgiven = found[0].forgiven;
        assert_eq!(found[0], found[1], "seed {seed}");
    }
    assert!((5..=6).contains(&widest), "{widest} lines: terms are begun, by half of the beam beside it");
}

fn told(terms: Option<&str>, search: &Search) -> Reading {
    let pieces = |token: u32| [" New", " Si", "ob", "an"].get(token as usize).map_or(&[][..], |piece| piece.as_bytes());
    let boost = terms.map(|terms| Boost::new(&Vocabulary::parse(terms).unwrap(), 15, pieces));
    let task = Task { terms: boost.as_ref(), ..Task::default() };
    let mut lines = Told { lines: Vec::new(), prompt: 0 };
    read(&mut lines, &rules(), &task, &Limits::of(40), search, &|tokens| format!("{tokens:?}")).unwrap()
}

#[test]
fn a_term_is_read_where_it_is_whole_and_its_tokens_stay_as_likely_as_they_are() {
    for search in [Search::greedy(), Search::Beam(Beam::of(4))] {
        assert_eq!(told(None, &search).text, "[0, 3]", "{search:?}");
        let named = told(Some("Siob"), &search);
        assert_eq!(named.text, "[1, 2]", "{search:?}");
        let likely = [1.0 / (1.0 + 2.0_f32.exp()), 1.0 / (1.0 + (-1.0_f32).exp())];
        for (choice, likely) in named.tokens.iter().zip(likely) {
            assert!((choice.probability - likely).abs() < 1e-3, "{choice:?}, expected {likely}");
        }
        let sum: f64 = named.tokens.iter().map(|choice| f64::from(choice.probability).ln()).sum();
        assert!((named.log_probability - sum).abs() < 1e-3 && (named.forgiven + sum).abs() < 1e-3, "{named:?}");
        // What is begun in vain is undone: there is no more to come of it.
        assert_eq!(told(Some("Siobhan"), &search), told(None, &search), "{search:?}");
        assert_eq!(told(Some("Newton"), &search), told(None, &search), "{search:?}");
    }
}

#[test]
fn text_without_an_end_stops_at_the_longest_and_at_the_context() {
    let mut row = vec![0.0; 15];
    row[4] = f32::NEG_INFINITY;
    for search in searches() {
        let (reading, length) = read_same(row.clone(), Limits { longest: 6, ..Limits::of(40) }, &search);
        assert_eq!((reading.unwrap().tokens.len(), length), (6, 2 + 5), "{search:?}");
        let (reading, length) = read_same(row.clone(), Limits { longest: 99, ..Limits::of(8) }, &search);
        assert_eq!((reading.unwrap().tokens.len(), length), (7, 8), "{search:?}");
    }
}

#[test]
fn logits_that_are_no_numbers_or_too_few_are_errors() {
    for search in searches() {
        for row in [vec![f32::NAN; 15], vec![f32::NEG_INFINITY; 15], vec![f32::INFINITY; 15], vec![0.0; 3], Vec::new()] {
            let (reading, _) = read_same(row.clone(), Limits::of(40), &search);
            assert_eq!(reading.unwrap_err().kind(), ErrorKind::Model, "{row:?} {search:?}");
        }
        // One number among them is read again and again; a beam goes on with the lines there are.
        let mut row = vec![f32::NAN; 15];
        (row[2], row[3]) = (1.0, f32::INFINITY);
        let (reading, _) = read_same(row, Limits::of(10), &search);
        let reading = reading.unwrap();
        assert!(reading.tokens.len() == 5 && reading.tokens.iter().all(|choice| choice.token == 2), "{reading:?}");
        assert!(reading.log_probability.abs() < 1e-4 && reading.no_speech == 0.0);
        assert_eq!(reading.text, "[2, 2, 2, 2, 2]");
    }
}

#[test]
fn figures_out_of_range_are_refused() {
    let sampled = |best_of| Search::Sample { sampling: Sampling::default(), best_of, seed: 0 };
    let beam = |lines, patience| Search::Beam(Beam { lines, patience });
    for search in [sampled(0), sampled(33), beam(0, 1.0), beam(33, 1.0), beam(5, f32::NAN), beam(1, 0.5)] {
        let (reading, length) = read_same(vec![0.0; 15], Limits::of(40), &search);
        assert_eq!((reading.unwrap_err().kind(), length), (ErrorKind::InvalidInput, 0), "{search:?}");
    }
    let limits = [
        Limits { longest: 0, ..Limits::of(40) },
        Limits { length_penalty: Some(1.5), ..Limits::of(40) },
        Limits { length_penalty: Some(f32::NAN), ..Limits::of(40) },
        Limits::of(1),
    ];
    for limits in limits {
        let (reading, _) = read_same(vec![0.0; 15], limits, &Search::greedy());
        assert_eq!(reading.unwrap_err().kind(), ErrorKind::InvalidInput, "{limits:?}");
    }
}
