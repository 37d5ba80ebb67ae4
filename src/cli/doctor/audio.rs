//! What `auricle doctor` finds about audio: the hosts, their devices, and a second of the microphone.

use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::Result;
use auricle::audio::devices::{self, HostChoice};
use auricle::audio::microphone::{Microphone, MicrophoneSettings};
use auricle::audio::pcm::{self, Format};
use auricle::audio::ring::Consumer;
use auricle::audio::source::SourceEvent;

use super::super::args::Doctor;
use super::report::Report;
use super::within;

/// How long a host may take to list its devices.
const LIST_TIMEOUT: Duration = Duration::from_secs(4);
/// How much of the microphone is listened to.
const LISTENED_S: f64 = 1.0;
/// How long that may take: some devices wake up first.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(6);
/// Below this a room is too quiet to be one, dBFS.
const QUIET_DBFS: f32 = -70.0;
/// A sample this large was probably larger before it was cut off.
const FULL_SCALE: f32 = 0.999;
/// Share of samples at full scale that can be heard.
const CLIPPED_SHARE: f64 = 0.001;

/// Whether each host answers, and what it has.
pub fn hosts(report: &mut Report) -> Result<()> {
    for host in HostChoice::ALL {
        let subject = host.as_str();
        match within(LIST_TIMEOUT, move || devices::of_host(host)) {
            Some(Ok(devices)) if devices.is_empty() => report.note(subject, "answers, and has no device that records")?,
            Some(Ok(devices)) => {
                let default = devices.iter().find(|device| device.default).map(|device| format!("; by default {}", device.id));
                let plural = if devices.len() == 1 { "" } else { "s" };
                let found =
                    format!("answers: {} device{plural} that record{}", devices.len(), if plural.is_empty() { "s" } else { "" });
                report.ok(subject, &(found + &default.unwrap_or_default()))?;
            }
            // A server that is there and says nothing, where one that is not there is no harm.
            Some(Err(error)) if error.message().contains("timed out") => {
                report.problem(subject, &format!("{error}: it hangs; restart the sound server, then try again"))?;
            }
            Some(Err(error)) => report.note(subject, error.message())?,
            None => {
                let seconds = LIST_TIMEOUT.as_secs();
                report.problem(
                    subject,
                    &format!("hangs: no answer within {seconds} s; restart the sound server, then try again"),
                )?;
            }
        }
    }
    Ok(())
}

/// A second of what was heard.
struct Heard {
    name: String,
    format: Format,
    /// Of the channel that is listened to.
    samples: Vec<f32>,
}

/// Listens to the microphone that `listen` would use.
pub fn microphone(report: &mut Report, arguments: &Doctor) -> Result<()> {
    let channel = arguments.channel.channel;
    let settings = MicrophoneSettings { host: arguments.host, device: arguments.device.clone(), channel, ..Default::default() };
    let (events, heard_of) = mpsc::channel();
    let microphone = match Microphone::start(settings, events) {
        Ok(microphone) => microphone,
        Err(error) => {
            let way_out =
                if error.message().contains("plug one in") { "" } else { "; plug one in, or choose another (auricle devices)" };
            return report.problem("microphone", &format!("{}{way_out}", error.message().trim_end_matches('.')));
        }
    };
    let heard = listen(&heard_of, arguments);
    microphone.stop();
    let heard = match heard {
        Ok(heard) => heard,
        Err(reason) => return report.problem("microphone", &reason),
    };
    let (level, peak) = (pcm::rms_dbfs(&heard.samples), pcm::peak_dbfs(&heard.samples));
    let clipped = heard.samples.iter().filter(|sample| sample.abs() >= FULL_SCALE).count();
    let found = format!("{}, {}", heard.name, heard.format);
    let levels = format!("level {level:.0} dBFS, peak {peak:.0} dBFS");
    if heard.samples.iter().all(|sample| *sample == 0.0) {
        let way_out = "is it muted? unmute it in the sound settings, or choose another (auricle devices, --device)";
        report.problem("microphone", &format!("{found}: digital silence for a second; {way_out}"))
    } else if clipped as f64 > CLIPPED_SHARE * heard.samples.len() as f64 {
        report.problem(
            "microphone",
            &format!("{found}: {levels}: too loud, it is cut off; turn its level down in the sound settings"),
        )
    } else if level < QUIET_DBFS {
        report.note("microphone", &format!("{found}: {levels}: very quiet; if somebody spoke, turn its level up"))
    } else {
        report.ok("microphone", &format!("{found}: {levels}"))
    }
}

fn listen(events: &Receiver<SourceEvent>, arguments: &Doctor) -> Result<Heard, String> {
    let deadline = Instant::now() + LISTEN_TIMEOUT;
    let mut connected: Option<(Consumer, Format, String)> = None;
    let mut samples = Vec::new();
    loop {
        match events.try_recv() {
            Ok(SourceEvent::Connected { consumer, format, name, .. }) => {
                samples.clear();
                connected = Some((consumer, format, name));
            }
            Ok(SourceEvent::Lost { name, reason }) => {
                return Err(format!("{name}: lost while it was listened to: {reason}; plug it in again"));
            }
            Ok(SourceEvent::Failed(error)) => return Err(error.message().to_owned()),
            // No audio yet.
            Ok(_) | Err(_) => {}
        }
        if let Some((consumer, format, name)) = &mut connected {
            take(consumer, *format, arguments, &mut samples);
            if samples.len() as u64 >= format.frames_in(LISTENED_S) {
                return Ok(Heard { name: name.clone(), format: *format, samples });
            }
        }
        if Instant::now() >= deadline {
            let name = connected.map_or_else(|| "the microphone".to_owned(), |(_, _, name)| name);
            let seconds = LISTEN_TIMEOUT.as_secs();
            return Err(format!(
                "{name}: gave no second of audio within {seconds} s; restart the sound server, or choose another"
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Appends what waits of the channel that is listened to.
fn take(consumer: &mut Consumer, format: Format, arguments: &Doctor, samples: &mut Vec<f32>) {
    let channels = usize::from(format.channels);
    let mut block = vec![0.0; 4_096 * channels];
    let mut mono = vec![0.0; 4_096];
    while let Some(piece) = consumer.read(&mut block) {
        let count = pcm::pick(arguments.channel.channel, format.channels, &block[..piece.frames * channels], &mut mono);
        samples.extend_from_slice(&mono[..count]);
    }
}
