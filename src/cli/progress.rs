//! How far files have been read: bars on standard error while it is a terminal, and nothing otherwise.
//!
//! In: the inputs, and how much of each was heard. Out: percent, speed as times real time, time left. Whoever writes to the same terminal
//! meanwhile does it through [`Progress::aside`], and log lines go above the bars.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::inputs::Input;
use super::logs;

/// Bars have this many steps.
const STEPS: u64 = 10_000;
/// Columns of a name.
const NAME_COLUMNS: usize = 30;
/// Less audio and time than this say nothing about the speed.
const TOO_SOON: Duration = Duration::from_millis(300);

/// The bars, or nothing.
pub struct Progress(Option<Bars>);

struct Bars {
    all: MultiProgress,
    /// Of the file being read.
    file: ProgressBar,
    /// Of all files, where there are several.
    total: Option<ProgressBar>,
    /// Standard output is the terminal too.
    shared: bool,
    started: Instant,
    /// Bytes of all files, of those read and of the one being read; they stand for the work there is.
    bytes: (u64, u64, u64),
    /// Seconds of the file being read, where its header tells.
    length_s: Option<f64>,
    file_started: Instant,
    files: (usize, usize),
}

impl Progress {
    /// Bars for `inputs`, where standard error is a terminal and warnings are wanted.
    pub fn start(inputs: &[Input]) -> Self {
        if !io::stderr().is_terminal() || !log::log_enabled!(log::Level::Warn) {
            return Self(None);
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = || all.add(ProgressBar::new(STEPS).with_style(style()));
        let file = bar();
        let total = (inputs.len() > 1).then(bar);
        let bytes = inputs.iter().filter_map(Input::bytes).sum();
        logs::hold();
        Self(Some(Bars {
            file,
            total,
            shared: io::stdout().is_terminal(),
            started: Instant::now(),
            bytes: (bytes, 0, 0),
            length_s: None,
            file_started: Instant::now(),
            files: (inputs.len(), 0),
            all,
        }))
    }

    /// The next file, of `length_s` seconds where that is known.
    pub fn file(&mut self, input: &Input, length_s: Option<f64>) {
        if let Some(bars) = &mut self.0 {
            bars.length_s = length_s.filter(|length| *length > 0.0);
            bars.file_started = Instant::now();
            bars.bytes.2 = input.bytes().unwrap_or(0);
            bars.file.set_position(0);
            bars.file.set_message(fitting(&input.name()));
            bars.file.set_prefix("");
            bars.show_total(0.0);
        }
    }

    /// `heard_s` seconds of the file were heard.
    pub fn at(&mut self, heard_s: f64) {
        let Some(bars) = &mut self.0 else { return };
        bars.tell_notes();
        let took = bars.file_started.elapsed();
        let part = bars.length_s.map(|length| (heard_s / length).min(1.0));
        bars.file.set_position((part.unwrap_or(0.0) * STEPS as f64) as u64);
        if took > TOO_SOON {
            let speed = heard_s / took.as_secs_f64();
            let left = part.map(|part| left(took, part)).unwrap_or_default();
            bars.file.set_prefix(format!("{speed:.0}x real time{left}"));
        }
        bars.show_total(part.unwrap_or(0.0));
    }

    /// All of the file was heard, and its last captions are being read.
    pub fn ending(&mut self) {
        if let Some(bars) = &mut self.0 {
            bars.tell_notes();
            bars.file.set_position(STEPS);
            bars.file.set_prefix("its last captions");
            bars.file.force_draw();
        }
    }

    /// The file is done, or left out.
    pub fn file_done(&mut self, input: &Input) {
        if let Some(bars) = &mut self.0 {
            bars.tell_notes();
            bars.bytes = (bars.bytes.0, bars.bytes.1 + input.bytes().unwrap_or(0), 0);
            bars.files.1 += 1;
            bars.show_total(0.0);
        }
    }

    /// Does what writes to standard error, or to standard output where that is the same terminal, beside the bars.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bars) => bars.all.suspend(work),
            None => work(),
        }
    }

    /// As [`Progress::aside`], for what writes to standard output alone.
    pub fn aside_stdout<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bars) if bars.shared => bars.all.suspend(work),
            _ => work(),
        }
    }
}

impl Bars {
    /// Puts log lines above the bars.
    fn tell_notes(&self) {
        for line in logs::take() {
            // Where that fails the line is lost on a terminal that is gone.
            let _ = self.all.println(line);
        }
    }

    fn show_total(&self, part: f64) {
        let Some(total) = &self.total else { return };
        let (bytes, read, reading) = self.bytes;
        let done = (read as f64 + part * reading as f64) / (bytes as f64).max(1.0);
        total.set_position((done.min(1.0) * STEPS as f64) as u64);
        total.set_message(fitting(&format!("file {} of {}", (self.files.1 + 1).min(self.files.0), self.files.0)));
        if self.started.elapsed() > TOO_SOON {
            total.set_prefix(left(self.started.elapsed(), done).trim_start_matches(", ").to_owned());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bars) = &self.0 {
            bars.file.finish_and_clear();
            bars.total.iter().for_each(ProgressBar::finish_and_clear);
            logs::release();
        }
    }
}

fn style() -> ProgressStyle {
    let template = format!("{{msg:{NAME_COLUMNS}}} {{bar:24}} {{percent:>3}} %  {{prefix}}");
    // The template is ours; were it wrong, a plain bar would do.
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
}

/// `, 12 seconds left`, when `part` of the work took as long.
fn left(took: Duration, part: f64) -> String {
    if part <= 0.01 {
        return String::new();
    }
    let left = Duration::from_secs_f64((took.as_secs_f64() * (1.0 - part) / part).clamp(0.0, 1e7));
    format!(", {} left", HumanDuration(left))
}

/// The end of `name`, which tells files apart, as far as there is room; with nothing in it that steers a terminal.
fn fitting(name: &str) -> String {
    let name: Vec<char> = name.chars().filter(|c| !c.is_control()).collect();
    match name.len().checked_sub(NAME_COLUMNS) {
        None | Some(0) => name.into_iter().collect(),
        Some(over) => std::iter::once('…').chain(name.into_iter().skip(over + 1)).collect(),
    }
}
