//! One stream from one microphone into one ring.
//!
//! In: a device. Out: an [`Open`] stream, its consumer, and its [`Health`], which the supervisor watches. Nothing here waits,
//! allocates, locks or logs once the stream runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, FromSample, Sample as _, SampleFormat, SizedSample, StreamConfig, SupportedStreamConfigRange};

use super::devices::{Found, HostChoice};
use super::pcm::Format;
use super::ring::{Consumer, Producer};
use super::source::connection;
use crate::error::{Error, ErrorKind, Result};
use crate::time::SAMPLE_RATE;

/// How long a host may take to set up a stream.
const BUILD_TIMEOUT: Duration = Duration::from_secs(4);
/// A stream that has called and then has not for so long is lost: no host's callbacks are a tenth of that apart, and not every
/// host reports its death.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);
/// How long a stream that was started may take to call for the first time: its server may have to wake the device first, and a
/// device that is always given up too early is opened and given up for ever.
const LONGEST_START: Duration = Duration::from_secs(5);
/// Seconds of audio by which a stream may be ahead of the time it has run: a device that slept may bring what it holds at once.
const MOST_AHEAD_S: f64 = 30.0;
/// Samples that are converted to f32 at a time: 64 channels fit 64 times.
const CONVERT_SAMPLES: usize = 4096;

/// A stream that runs. Dropping it may hang: do so on a thread that can be left behind.
pub(super) struct Open {
    pub stream: cpal::Stream,
    pub health: Arc<Health>,
    /// Taken when the front end is told.
    pub consumer: Option<Consumer>,
    pub format: Format,
    pub host: HostChoice,
    pub id: String,
    /// For people: what the device is called, and where.
    pub name: String,
}

/// What is known of a running stream, written by its callbacks.
pub(super) struct Health {
    /// What the milliseconds below count from.
    made: Instant,
    /// When the host had set the stream up and started it: some take seconds to.
    started_ms: AtomicU64,
    /// When it called last; [`NEVER`] before the first time.
    newest_ms: AtomicU64,
    frames: AtomicU64,
    overruns: AtomicU64,
    failure: OnceLock<String>,
}

/// No time of a [`Health`].
const NEVER: u64 = u64::MAX;

impl Health {
    fn new() -> Self {
        Self {
            made: Instant::now(),
            started_ms: AtomicU64::new(0),
            newest_ms: AtomicU64::new(NEVER),
            frames: AtomicU64::new(0),
            overruns: AtomicU64::new(0),
            failure: OnceLock::new(),
        }
    }

    /// The stream runs from here on: silence is counted from now, not from before it was set up.
    fn note_start(&self, at: Instant) {
        self.started_ms.store(self.milliseconds(at), Ordering::Relaxed);
    }

    fn note_callback(&self, at: Instant, frames: u64) {
        self.newest_ms.store(self.milliseconds(at), Ordering::Relaxed);
        self.frames.fetch_add(frames, Ordering::Relaxed);
    }

    /// Seconds of audio a second that came until `now`, where that is more than any device with a clock brings: ALSA's `null` gives
    /// zeros as fast as they are taken.
    pub fn runs_free(&self, now: Instant, rate_hz: u32) -> Option<f64> {
        let audio_s = self.frames.load(Ordering::Relaxed) as f64 / f64::from(rate_hz.max(1));
        let ran_s = now.saturating_duration_since(self.made).as_secs_f64();
        (audio_s > ran_s + MOST_AHEAD_S).then(|| audio_s / ran_s)
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.made).as_millis() as u64
    }

    /// Keeps the first error after which no audio can be expected. ALSA may call this a million times.
    fn note_error(&self, error: &cpal::Error) {
        match error.kind() {
            // The host has recovered, or says something about quality only.
            cpal::ErrorKind::Xrun => {
                self.overruns.fetch_add(1, Ordering::Relaxed);
            }
            cpal::ErrorKind::DeviceChanged | cpal::ErrorKind::RealtimeDenied => {}
            _ if self.failure.get().is_some() => {}
            _ => {
                let _ = self.failure.set(error.to_string());
            }
        }
    }

    /// How long there has been no audio at `now`, where that is too long: 5 s before the first callback, 2 s after it.
    pub fn overdue(&self, now: Instant) -> Option<Duration> {
        let (started, newest) = (self.started_ms.load(Ordering::Relaxed), self.newest_ms.load(Ordering::Relaxed));
        // A host may call while it is still starting.
        let (since, limit) = if newest == NEVER { (started, LONGEST_START) } else { (newest.max(started), LONGEST_SILENCE) };
        let silence = Duration::from_millis(self.milliseconds(now).saturating_sub(since));
        (silence >= limit).then_some(silence)
    }

    /// The first fatal error.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// How often the host reports that it lost samples because this process was too slow.
    pub fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }
}

/// Opens `found` and starts it: at `rate_hz` where given, with at least `channels` channels.
///
/// The format is the device's own, as resampling and mixing are done better here than in most hosts: ALSA's plugins
/// interpolate linearly, and a server that is asked for one channel mixes all of them. Hardware that itself offers 16 kHz
/// (an ALSA `hw:` device) is run at 16 kHz.
pub(super) fn open(found: Found, rate_hz: Option<u32>, channels: u16) -> Result<Open> {
    let fail = |what: &str, error: &cpal::Error| {
        let way_out = match error.kind() {
            cpal::ErrorKind::DeviceBusy => "; another program may hold it",
            cpal::ErrorKind::PermissionDenied => "; add your user to the group audio",
            cpal::ErrorKind::UnsupportedConfig => "; try another sample rate or device",
            _ => "",
        };
        Error::new(ErrorKind::Device, format!("{}: {what}: {error}{way_out}", found.id))
    };
    let offered = found.device.default_input_config().map_err(|error| fail("cannot record", &error))?;
    let own = (offered.sample_rate(), offered.channels(), offered.sample_format());
    let (rate, count, sample_format) = if found.host == HostChoice::PulseAudio {
        // The server converts sample formats exactly.
        (rate_hz.unwrap_or(own.0), own.1, SampleFormat::F32)
    } else {
        let ranges = found.device.supported_input_configs().map_err(|error| fail("cannot say what it offers", &error))?;
        let hardware = found.id.starts_with("alsa:hw:");
        best(ranges, own, rate_hz, channels, hardware).unwrap_or((rate_hz.unwrap_or(own.0), own.1, own.2))
    };
    let format = Format::new(rate, count).map_err(|error| error.within(&found.id))?;
    let period = match found.host {
        // Larger than it need be on a quiet machine: ALSA keeps two periods, and loses what comes while both are full.
        HostChoice::Alsa => rate / 25,
        // The server gives half of it at a time and keeps no more than it: cpal makes it the longest the server's queue may be,
        // and what comes while that is full is lost without a word. At 10 ms a busy machine loses some every few seconds.
        HostChoice::PulseAudio => rate / 10,
    };
    let mut config = StreamConfig { channels: count, sample_rate: rate, buffer_size: BufferSize::Fixed(period.max(1)) };

    let attempt = build(&found.device, config, sample_format, format).or_else(|_| {
        config.buffer_size = BufferSize::Default;
        build(&found.device, config, sample_format, format)
    });
    let (stream, health, consumer) = attempt.map_err(|error| fail(&format!("cannot record at {format}"), &error))?;
    stream.play().map_err(|error| fail("cannot start", &error))?;
    health.note_start(Instant::now());
    let name = format!("{} ({})", found.name, found.host);
    log::info!("recording from {name}, id {}, at {format} as {sample_format}", found.id);
    Ok(Open { stream, health, consumer: Some(consumer), format, host: found.host, id: found.id, name })
}

/// The best of what an ALSA device offers: rate, channels, sample format. `own` is its default.
fn best(
    ranges: impl Iterator<Item = SupportedStreamConfigRange>,
    own: (u32, u16, SampleFormat),
    rate_hz: Option<u32>,
    channels: u16,
    hardware: bool,
) -> Option<(u32, u16, SampleFormat)> {
    let quality = |format: SampleFormat| match format {
        SampleFormat::F32 => 5,
        SampleFormat::I16 => 4,
        SampleFormat::I32 => 3,
        SampleFormat::I24 => 2,
        SampleFormat::U8 | SampleFormat::F64 => 1,
        _ => 0,
    };
    ranges
        .filter_map(|range| {
            let has = |rate: u32| (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate);
            let rate = rate_hz.or_else(|| (hardware && has(SAMPLE_RATE)).then_some(SAMPLE_RATE)).unwrap_or(own.0);
            let usable = has(rate) && range.channels() >= channels && quality(range.sample_format()) > 0;
            usable.then(|| (rate, range.channels(), range.sample_format()))
        })
        // Few channels beyond those needed, but a device that converts is asked for what it has itself.
        .min_by_key(|&(rate, count, format)| {
            let wanted = if hardware { channels } else { own.1.max(channels) };
            (rate != SAMPLE_RATE && hardware, count.abs_diff(wanted), std::cmp::Reverse(quality(format)))
        })
}

type Built = (cpal::Stream, Arc<Health>, Consumer);

fn build(
    device: &cpal::Device,
    config: StreamConfig,
    sample_format: SampleFormat,
    format: Format,
) -> std::result::Result<Built, cpal::Error> {
    match sample_format {
        SampleFormat::F32 => build_as::<f32>(device, config, format),
        SampleFormat::I16 => build_as::<i16>(device, config, format),
        SampleFormat::I32 => build_as::<i32>(device, config, format),
        SampleFormat::I24 => build_as::<cpal::I24>(device, config, format),
        SampleFormat::U8 => build_as::<u8>(device, config, format),
        SampleFormat::F64 => build_as::<f64>(device, config, format),
        other => {
            let message = format!("its sample format {other} is not handled");
            Err(cpal::Error::with_message(cpal::ErrorKind::UnsupportedConfig, message))
        }
    }
}

fn build_as<T>(device: &cpal::Device, config: StreamConfig, format: Format) -> std::result::Result<Built, cpal::Error>
where
    T: SizedSample + Send + 'static,
    f32: FromSample<T>,
{
    let (producer, consumer) = connection(format);
    let health = Arc::new(Health::new());
    let mut intake = Intake::new(producer);
    let (of_data, of_errors) = (Arc::clone(&health), Arc::clone(&health));
    let stream = device.build_input_stream::<T, _, _>(
        config,
        move |data, _| {
            let at = Instant::now();
            of_data.note_callback(at, (data.len() / usize::from(format.channels)) as u64);
            intake.take(data, at);
        },
        move |error| of_errors.note_error(&error),
        Some(BUILD_TIMEOUT),
    )?;
    Ok((stream, health, consumer))
}

/// What the callback does with a block: number it, convert it, push it.
struct Intake {
    producer: Producer,
    next_frame: u64,
    converted: Box<[f32]>,
}

impl Intake {
    fn new(producer: Producer) -> Self {
        // Whole frames, so that every chunk is one.
        let samples = CONVERT_SAMPLES / producer.channels() * producer.channels();
        Self { producer, next_frame: 0, converted: vec![0.0; samples].into_boxed_slice() }
    }

    /// Takes a block of any length. Wait-free; does not allocate.
    fn take<T: SizedSample>(&mut self, data: &[T], at: Instant)
    where
        f32: FromSample<T>,
    {
        for chunk in data.chunks(self.converted.len()) {
            let converted = &mut self.converted[..chunk.len()];
            converted.iter_mut().zip(chunk).for_each(|(out, sample)| *out = f32::from_sample(*sample));
            self.producer.push(self.next_frame, converted, at);
            // Frames that did not fit count too: the jump shows the reader what is missing.
            self.next_frame += (chunk.len() / self.producer.channels()) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpal::SupportedBufferSize;

    fn intake(channels: u16) -> (Intake, Consumer) {
        let (producer, consumer) = connection(Format { rate_hz: 16_000, channels });
        (Intake::new(producer), consumer)
    }

    fn taken<T: SizedSample>(data: &[T]) -> Vec<f32>
    where
        f32: FromSample<T>,
    {
        let (mut intake, mut consumer) = intake(1);
        intake.take(data, Instant::now());
        let mut out = vec![9.0; data.len()];
        assert_eq!(consumer.read(&mut out).map(|piece| piece.frames), Some(data.len()));
        out
    }

    #[test]
    fn every_sample_format_becomes_the_same_scale() {
        assert_eq!(taken(&[i16::MIN, 0, 16_384, i16::MAX]), [-1.0, 0.0, 0.5, 32_767.0 / 32_768.0]);
        assert_eq!(taken(&[i32::MIN, 0, 1 << 30]), [-1.0, 0.0, 0.5]);
        assert_eq!(taken(&[0_u8, 128, 192]), [-1.0, 0.0, 0.5]);
        assert_eq!(taken(&[-1.0_f64, 0.25]), [-1.0, 0.25]);
        assert_eq!(taken(&[-1.0_f32, 0.25]), [-1.0, 0.25]);
        let i24 = |value| cpal::I24::new(value).unwrap();
        assert_eq!(taken(&[i24(-(1 << 23)), i24(0), i24(1 << 22)]), [-1.0, 0.0, 0.5]);
    }

    #[test]
    fn callbacks_of_any_size_are_numbered_through() {
        for channels in [1, 3, 64] {
            let (mut intake, mut consumer) = intake(channels);
            let channels = usize::from(channels);
            let mut frames = 0;
            for count in [1, 160, 0, 441, 9_000, 2] {
                let block: Vec<f32> = (0..count * channels).map(|n| (frames * channels + n) as f32).collect();
                intake.take(&block, Instant::now());
                frames += count;
            }
            let mut out = vec![0.0; 1_000 * channels];
            let mut next = 0;
            while let Some(piece) = consumer.read(&mut out) {
                assert_eq!(piece.first_frame, next as u64);
                assert_eq!(out[0], (next * channels) as f32);
                next += piece.frames;
            }
            assert_eq!(next, frames);
        }
    }

    #[test]
    fn an_overrun_leaves_a_hole_in_the_numbers() {
        let (mut intake, mut consumer) = intake(1);
        let second = vec![0.5_f32; 16_000];
        (0..12).for_each(|_| intake.take(&second, Instant::now()));
        assert_eq!(consumer.dropped_frames(), 32_000);
        let mut out = vec![0.0; 200_000];
        let mut read = 0;
        while let Some(piece) = consumer.read(&mut out) {
            read += piece.frames;
        }
        assert_eq!(read, 160_000);
        intake.take(&second[..10], Instant::now());
        assert_eq!(consumer.read(&mut out).map(|piece| piece.first_frame), Some(192_000));
    }

    #[test]
    fn the_callback_does_not_allocate() {
        let (mut intake, _consumer) = intake(2);
        let (health, block) = (Health::new(), vec![7_i16; 9_600]);
        let allocated = allocation_counter::measure(|| {
            for _ in 0..100 {
                let at = Instant::now();
                health.note_callback(at, 4_800);
                intake.take(&block, at);
            }
        });
        assert!(intake.producer.dropped_frames() > 0, "the overrun is part of the measure");
        assert_eq!(allocated.count_total, 0);
    }

    #[test]
    fn the_first_fatal_error_stays_and_a_million_more_cost_nothing() {
        let health = Health::new();
        health.note_error(&cpal::Error::new(cpal::ErrorKind::Xrun));
        health.note_error(&cpal::Error::new(cpal::ErrorKind::DeviceChanged));
        assert_eq!((health.failure(), health.overruns()), (None, 1));
        health.note_error(&cpal::Error::with_message(cpal::ErrorKind::StreamInvalidated, "first"));
        let second = cpal::Error::with_message(cpal::ErrorKind::BackendError, "second");
        let allocated = allocation_counter::measure(|| (0..1_000_000).for_each(|_| health.note_error(&second)));
        assert_eq!((health.failure(), allocated.count_total), (Some("first"), 0));
    }

    #[test]
    fn a_stream_is_overdue_5_s_after_its_start_and_2_s_after_a_callback() {
        let health = Health::new();
        let at = |s: f64| health.made + Duration::from_secs_f64(s);
        let overdue = |s: f64| health.overdue(at(s)).map(|silence| silence.as_secs_f64());
        // The host took 4.5 s to set it up: that is no silence.
        health.note_start(at(4.5));
        assert_eq!((overdue(4.6), overdue(9.4)), (None, None));
        assert_eq!(overdue(9.5), Some(5.0));
        health.note_callback(at(9.0), 160);
        assert_eq!((overdue(10.9), overdue(11.0)), (None, Some(2.0)));
        health.note_callback(at(12.0), 160);
        assert_eq!((overdue(11.0), overdue(13.9), overdue(14.0)), (None, None, Some(2.0)));
    }

    #[test]
    fn a_stream_that_runs_free_of_any_clock_is_told_from_one_that_catches_up() {
        let health = Health::new();
        let at = |s: u64| health.made + Duration::from_secs(s);
        health.note_callback(at(1), 20 * 48_000);
        assert_eq!(health.runs_free(at(1), 48_000), None, "20 s at once, from a server that slept");
        health.note_callback(at(2), 100 * 48_000);
        assert_eq!(health.runs_free(at(2), 48_000), Some(60.0));
    }

    #[test]
    fn a_host_that_calls_while_it_starts_is_waited_for_from_its_start_on() {
        let health = Health::new();
        let at = |s: u64| health.made + Duration::from_secs(s);
        health.note_callback(at(1), 160);
        health.note_start(at(4));
        assert_eq!((health.overdue(at(5)), health.overdue(at(6))), (None, Some(Duration::from_secs(2))));
    }

    #[test]
    fn hardware_at_16_khz_is_preferred_and_plugins_are_left_at_their_own_rate() {
        let range = |channels, low, high, format| {
            SupportedStreamConfigRange::new(channels, low, high, SupportedBufferSize::Unknown, format)
        };
        let own = (48_000, 2, SampleFormat::I16);
        let best = |ranges: &[SupportedStreamConfigRange], rate, channels, hardware| {
            best(ranges.iter().copied(), own, rate, channels, hardware)
        };
        // A USB microphone: discrete rates, mono or stereo.
        let usb: Vec<_> = [1, 2]
            .into_iter()
            .flat_map(|channels| [16_000, 48_000].map(|rate| range(channels, rate, rate, SampleFormat::I16)))
            .collect();
        assert_eq!(best(&usb, None, 1, true), Some((16_000, 1, SampleFormat::I16)));
        assert_eq!(best(&usb, None, 2, true), Some((16_000, 2, SampleFormat::I16)));
        assert_eq!(best(&usb, Some(48_000), 1, true), Some((48_000, 1, SampleFormat::I16)));
        assert_eq!(best(&usb, Some(44_100), 1, true), None);
        // A plugin that converts to anything.
        let plug: Vec<_> = (1..=64)
            .flat_map(|channels| [SampleFormat::I16, SampleFormat::F32].map(|format| range(channels, 4_000, u32::MAX, format)))
            .collect();
        assert_eq!(best(&plug, None, 1, false), Some((48_000, 2, SampleFormat::F32)));
        assert_eq!(best(&plug, None, 4, false), Some((48_000, 4, SampleFormat::F32)));
        assert_eq!(best(&plug, Some(16_000), 1, false), Some((16_000, 2, SampleFormat::F32)));
        // Formats that are not handled are not chosen.
        assert_eq!(best(&[range(2, 48_000, 48_000, SampleFormat::DsdU8)], None, 1, true), None);
    }
}
