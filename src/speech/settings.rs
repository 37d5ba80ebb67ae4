//! How speech becomes captions: every figure with its default, its range and its name.
//!
//! In: names and values as a person writes them. Out: [`Settings`] that were checked.

use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::commit::{AgreementSettings, CommitRule};
use super::endpoint::EndpointSettings;
use super::refresh::RefreshSettings;
use super::window::WindowSettings;
use crate::error::{Error, ErrorKind, Result};

/// How speech becomes captions; every figure is a default that can be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether captions roll: partial captions while a segment is open.
    pub partials: bool,
    /// Whether the model cuts the audio itself, window by window, instead of the voice: for a model that can, without partials and only in
    /// a virtual session.
    pub windows: bool,
    /// Whether what was read is the draft of the next reading. The text is the same without, and comes later: for measurements.
    pub drafts: bool,
    /// Segments that are read at once, without partials: 1 reads each as it ends, more hold it and all that follows back until so many
    /// have ended, or 120 s of audio or 300 s since the first began wait. The words are the same, at less cost. Only in a virtual
    /// session. 1 to 64: 1.
    pub batch: usize,
    /// When an open caption is read anew.
    pub refresh: RefreshSettings,
    /// How much of a long segment is read anew.
    pub window: WindowSettings,
    /// Where segments start and end.
    pub endpoint: EndpointSettings,
    /// When words are committed.
    pub agreement: AgreementSettings,
    /// Seconds of missing audio up to which silence stands in for it; more ends the segment: 0.25.
    pub bridged_gap_s: f64,
}

/// Settings that belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Captions as soon as they are worth reading.
    #[default]
    Default,
    /// Captions somewhat later, for a quarter less of the processor.
    LowPower,
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "default" => Ok(Self::Default),
            "low-power" => Ok(Self::LowPower),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("no preset '{name}'; choose default or low-power"))),
        }
    }
}

impl Display for Preset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Default => "default",
            Self::LowPower => "low-power",
        })
    }
}

/// A setting: its value, and the least and the most it may be.
struct Figure<'a> {
    name: &'static str,
    value: Value<'a>,
    range: RangeInclusive<f64>,
}

enum Value<'a> {
    F64(&'a mut f64),
    F32(&'a mut f32),
}

impl Value<'_> {
    fn get(&self) -> f64 {
        match self {
            Self::F64(value) => **value,
            Self::F32(value) => f64::from(**value),
        }
    }

    fn set(&mut self, new: f64) {
        match self {
            Self::F64(value) => **value = new,
            Self::F32(value) => **value = new as f32,
        }
    }
}

/// Most segments that are read at once.
const LARGEST_BATCH: usize = 64;
/// What `agreement.rules` looks like.
const RULES: &str = "rules passes/lasting_s/after_s/probability, after which /around may stand, with commas between";

impl Settings {
    /// The settings of `preset`.
    pub fn preset(preset: Preset) -> Self {
        let settings = Self::default();
        match preset {
            Preset::Default => settings,
            Preset::LowPower => {
                let refresh = RefreshSettings { least_s: 0.32, most_s: 0.9, ..settings.refresh };
                Self { refresh, ..settings }
            }
        }
    }

    /// Sets what `key` names: `refresh.least_s`, `endpoint.silence_s`, `agreement.rules`... See the tables of this room's settings.
    ///
    /// # Errors
    /// `InvalidInput` for a key that does not exist, with those that do, and for a value that is not what the key wants. Ranges are
    /// checked by [`check`](Self::check).
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let wrong = |expected: &str| Error::new(ErrorKind::InvalidInput, format!("{key} is '{value}'; expected {expected}"));
        match key {
            "agreement.rules" => {
                self.agreement.rules = value.split(',').map(rule).collect::<Option<_>>().ok_or_else(|| wrong(RULES))?;
            }
            "batch" => self.batch = value.parse().map_err(|_| wrong("a whole number"))?,
            "partials" => self.partials = value.parse().map_err(|_| wrong("true or false"))?,
            "windows" => self.windows = value.parse().map_err(|_| wrong("true or false"))?,
            "drafts" => self.drafts = value.parse().map_err(|_| wrong("true or false"))?,
            _ => {
                let mut figures = self.figures();
                let Some(figure) = figures.iter_mut().find(|figure| figure.name == key) else {
                    let names: Vec<&str> = figures.iter().map(|figure| figure.name).collect();
                    let message = format!(
                        "no setting '{key}'; there are agreement.rules, batch, partials, windows, drafts, {}",
                        names.join(", ")
                    );
                    return Err(Error::new(ErrorKind::InvalidInput, message));
                };
                figure.value.set(value.parse().map_err(|_| wrong("a number"))?);
            }
        }
        Ok(())
    }

    /// Checks every figure.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting, its value and its range.
    pub fn check(&self) -> Result<()> {
        let mut settings = self.clone();
        for Figure { name, value, range } in settings.figures() {
            let value = value.get();
            if !range.contains(&value) {
                let message = format!("speech setting {name} is {value}; choose {} to {}", range.start(), range.end());
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        let batch = self.batch;
        if !(1..=LARGEST_BATCH).contains(&batch) {
            let message = format!("speech setting batch is {batch}; choose 1 to {LARGEST_BATCH}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.partials && batch > 1 {
            let message =
                format!("speech setting batch is {batch}, and captions that roll are read at once; set partials to false");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.windows && (self.partials || batch > 1) {
            let message = "speech setting windows is true, and windows neither roll nor are read at once; set partials to false, batch to 1";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        self.agreement.check()
    }

    /// Every figure; ranges may depend on other figures.
    fn figures(&mut self) -> Vec<Figure<'_>> {
        let Self { partials: _, windows: _, drafts: _, batch: _, refresh, window, endpoint, agreement, bridged_gap_s } = self;
        let (least_s, longest_s, start, silence_s) =
            (refresh.least_s, window.longest_s, f64::from(endpoint.start), endpoint.silence_s);
        let maximum_s = endpoint.maximum_s;
        let seconds = |name, value, range| Figure { name, value: Value::F64(value), range };
        let probability = |name, value, range| Figure { name, value: Value::F32(value), range };
        vec![
            seconds("refresh.least_s", &mut refresh.least_s, 0.02..=5.0),
            seconds("refresh.most_s", &mut refresh.most_s, least_s..=5.0),
            seconds("refresh.fall_db", &mut refresh.fall_db, 1.0..=100.0),
            seconds("refresh.share", &mut refresh.share, 0.05..=1.0),
            seconds("window.longest_s", &mut window.longest_s, 1.0..=30.0),
            seconds("window.kept_s", &mut window.kept_s, 0.2..=longest_s),
            seconds("window.context_s", &mut window.context_s, 0.0..=5.0),
            probability("endpoint.start", &mut endpoint.start, 0.01..=0.99),
            probability("endpoint.stop", &mut endpoint.stop, 0.0..=start),
            seconds("endpoint.silence_s", &mut endpoint.silence_s, 0.1..=5.0),
            seconds("endpoint.pre_roll_s", &mut endpoint.pre_roll_s, 0.0..=2.0),
            seconds("endpoint.tail_s", &mut endpoint.tail_s, 0.0..=silence_s),
            seconds("endpoint.minimum_s", &mut endpoint.minimum_s, 0.0..=2.0),
            seconds("endpoint.maximum_s", &mut endpoint.maximum_s, 5.0..=30.0),
            seconds("endpoint.cut_within_s", &mut endpoint.cut_within_s, 0.5..=(maximum_s - 1.0)),
            probability("agreement.shown_probability", &mut agreement.shown_probability, 0.0..=1.0),
            seconds("agreement.shown_after_s", &mut agreement.shown_after_s, 0.0..=5.0),
            seconds("bridged_gap_s", bridged_gap_s, 0.0..=2.0),
        ]
    }
}

/// One rule, as [`RULES`] says.
fn rule(text: &str) -> Option<CommitRule> {
    let mut parts = text.trim().split('/');
    let rule = CommitRule {
        passes: parts.next()?.parse().ok()?,
        lasting_s: parts.next()?.parse().ok()?,
        after_s: parts.next()?.parse().ok()?,
        probability: parts.next()?.parse().ok()?,
        around: parts.next().map_or(Some(0.0), |around| around.parse().ok())?,
    };
    parts.next().is_none().then_some(rule)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            partials: true,
            windows: false,
            drafts: true,
            batch: 1,
            refresh: RefreshSettings::default(),
            window: WindowSettings::default(),
            endpoint: EndpointSettings::default(),
            agreement: AgreementSettings::default(),
            bridged_gap_s: 0.25,
        }
    }
}
