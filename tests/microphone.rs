//! Microphones as a user meets them, through a real audio server: what is played arrives to the bit, a server that dies is
//! noticed, one that comes back is found, and stopping never hangs.

mod virtual_microphone;
mod wav;

use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use auricle::ErrorKind;
use auricle::audio::devices::{self, HostChoice};
use auricle::audio::microphone::{Microphone, MicrophoneSettings};
use auricle::audio::pcm::{ChannelChoice, Format};
use auricle::audio::ring::Consumer;
use auricle::audio::source::SourceEvent;
use virtual_microphone::{SOURCE_ID, VirtualMicrophone, with_virtual_microphone};

/// Two seconds whose every 16 samples are like no others: a chirp with noise in its low bits.
fn signal() -> Vec<i16> {
    let mut noise = 0x1234_5678_u32;
    (0..32_000)
        .map(|n| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let t = f64::from(n) / 16_000.0;
            let chirp = 12_000.0 * (std::f64::consts::TAU * (100.0 * t + 1_500.0 * t * t)).sin();
            chirp as i16 + (noise >> 25) as i16 + 1
        })
        .collect()
}

fn connected(events: &Receiver<SourceEvent>, wait: Duration) -> (Consumer, Format, String, bool) {
    match events.recv_timeout(wait) {
        Ok(SourceEvent::Connected { consumer, format, name, again }) => (consumer, format, name, again),
        Ok(SourceEvent::Lost { reason, .. }) => panic!("lost: {reason}"),
        Ok(SourceEvent::Waiting { name }) => panic!("waiting for {name}"),
        Ok(SourceEvent::Paused { .. } | SourceEvent::Ended | SourceEvent::Failed(_)) => panic!("paused or ended"),
        Err(_) => panic!("no event within {wait:?}"),
    }
}

/// Appends the first channel of what comes within `wait` until there are `frames` frames; none may be missing.
fn hear(consumer: &mut Consumer, heard: &mut Vec<f32>, frames: usize, wait: Duration) {
    let channels = consumer.channels();
    let mut block = vec![0.0; 4_096 * channels];
    let deadline = Instant::now() + wait;
    loop {
        while let Some(piece) = consumer.read(&mut block) {
            assert_eq!(piece.first_frame, heard.len() as u64);
            heard.extend(block[..piece.frames * channels].iter().step_by(channels));
        }
        if heard.len() >= frames || Instant::now() >= deadline {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(consumer.dropped_frames(), 0);
    assert!(heard.len() >= frames, "{} frames within {wait:?}, expected {frames}", heard.len());
}

fn hears_every_bit(virtual_microphone: &VirtualMicrophone, folder: &Path, settings: MicrophoneSettings) {
    let signal = signal();
    let file = folder.join("signal.wav");
    std::fs::write(&file, wav::wav(wav::INTEGER, 16, 16_000, 1, &wav::bytes_of(&signal))).unwrap();

    let (sender, events) = mpsc::channel();
    let started = Instant::now();
    let microphone = Microphone::start(settings, sender).unwrap();
    let (mut consumer, format, name, again) = connected(&events, Duration::from_secs(1));
    println!("{name}: {format}, open after {:.3} s", started.elapsed().as_secs_f64());
    assert_eq!((format.rate_hz, again), (16_000, false));

    virtual_microphone.play(&file);
    let expected: Vec<f32> = signal.iter().map(|x| f32::from(*x) / 32_768.0).collect();
    let mut heard = Vec::new();
    hear(&mut consumer, &mut heard, expected.len(), Duration::from_secs(5));
    let offset = heard.windows(16).position(|window| window == &expected[..16]).expect("the signal does not start");
    hear(&mut consumer, &mut heard, offset + expected.len(), Duration::from_secs(5));
    println!("{} samples in {:.3} s, the signal from {offset} on", heard.len(), started.elapsed().as_secs_f64());
    let same = heard[offset..].iter().zip(&expected).take_while(|(a, b)| a == b).count();
    assert_eq!(same, expected.len(), "the signal starts at {offset} and is broken after {same} samples");

    let stopping = Instant::now();
    microphone.stop();
    assert!(stopping.elapsed() < Duration::from_secs(2));
    assert!(matches!(events.recv_timeout(Duration::from_secs(1)), Ok(SourceEvent::Ended)));
    while consumer.read(&mut [0.0; 4_096]).is_some() {}
    assert!(consumer.is_abandoned());
}

#[test]
fn pulseaudio_brings_every_bit() {
    with_virtual_microphone("pulseaudio_brings_every_bit", |virtual_microphone, folder| {
        // Without settings PulseAudio is found, and its default source.
        hears_every_bit(virtual_microphone, folder, MicrophoneSettings::default());
    });
}

#[test]
fn alsa_brings_every_bit() {
    if !VirtualMicrophone::has_alsa_plugin() {
        println!("skipped alsa_brings_every_bit: libasound2-plugins is not installed");
        return;
    }
    with_virtual_microphone("alsa_brings_every_bit", |virtual_microphone, folder| {
        let settings =
            MicrophoneSettings { host: Some(HostChoice::Alsa), rate_hz: Some(16_000), ..MicrophoneSettings::default() };
        hears_every_bit(virtual_microphone, folder, settings);
    });
}

#[test]
fn a_server_that_dies_is_noticed_and_found_again() {
    with_virtual_microphone("a_server_that_dies_is_noticed_and_found_again", |virtual_microphone, _| {
        survives_its_server(virtual_microphone, MicrophoneSettings::default());
    });
}

#[test]
fn alsa_survives_its_server() {
    if !VirtualMicrophone::has_alsa_plugin() {
        println!("skipped alsa_survives_its_server: libasound2-plugins is not installed");
        return;
    }
    with_virtual_microphone("alsa_survives_its_server", |virtual_microphone, _| {
        let host = Some(HostChoice::Alsa);
        survives_its_server(virtual_microphone, MicrophoneSettings { host, ..MicrophoneSettings::default() });
    });
}

fn survives_its_server(virtual_microphone: &mut VirtualMicrophone, settings: MicrophoneSettings) {
    let (sender, events) = mpsc::channel();
    let microphone = Microphone::start(settings, sender).unwrap();
    let (mut first, _, name, _) = connected(&events, Duration::from_secs(1));
    hear(&mut first, &mut Vec::new(), 1_000, Duration::from_secs(3));

    let killed = Instant::now();
    virtual_microphone.kill();
    match events.recv_timeout(Duration::from_secs(3)) {
        Ok(SourceEvent::Lost { name: lost, reason }) => {
            println!("{lost}: lost after {:.2} s: {reason}", killed.elapsed().as_secs_f64());
            assert_eq!(lost, name);
        }
        _ => panic!("the loss was not noticed within 3 s"),
    }
    assert!(events.recv_timeout(Duration::from_secs(2)).is_err(), "nothing is there to be found");

    virtual_microphone.start_server();
    let restarted = Instant::now();
    let (mut second, _, name, again) = connected(&events, Duration::from_secs(10));
    println!("{name}: back after {:.2} s", restarted.elapsed().as_secs_f64());
    assert!(again);
    hear(&mut second, &mut Vec::new(), 1_000, Duration::from_secs(3));

    // And once more, to be stopped while it is lost.
    virtual_microphone.kill();
    assert!(matches!(events.recv_timeout(Duration::from_secs(3)), Ok(SourceEvent::Lost { .. })));
    std::thread::sleep(Duration::from_millis(700));
    let stopping = Instant::now();
    microphone.stop();
    println!("stopped after {:.3} s", stopping.elapsed().as_secs_f64());
    assert!(stopping.elapsed() < Duration::from_secs(2));
    assert!(matches!(events.recv_timeout(Duration::from_secs(2)), Ok(SourceEvent::Ended)));
}

#[test]
fn stopping_does_not_wait_for_a_server_that_died() {
    with_virtual_microphone("stopping_does_not_wait_for_a_server_that_died", |virtual_microphone, _| {
        let hosts = [HostChoice::PulseAudio, HostChoice::Alsa];
        for host in hosts.into_iter().take(if VirtualMicrophone::has_alsa_plugin() { 2 } else { 1 }) {
            let (sender, events) = mpsc::channel();
            let settings = MicrophoneSettings { host: Some(host), ..MicrophoneSettings::default() };
            let microphone = Microphone::start(settings, sender).unwrap();
            let _first = connected(&events, Duration::from_secs(1));
            virtual_microphone.kill();
            let stopping = Instant::now();
            microphone.stop();
            println!("{host}: stopped after {:.3} s", stopping.elapsed().as_secs_f64());
            assert!(stopping.elapsed() < Duration::from_secs(2));
            virtual_microphone.start_server();
        }
    });
}

#[test]
fn a_server_that_stalls_holds_nobody_up() {
    with_virtual_microphone("a_server_that_stalls_holds_nobody_up", |virtual_microphone, _| {
        let (sender, events) = mpsc::channel();
        let microphone = Microphone::start(MicrophoneSettings::default(), sender).unwrap();
        let _first = connected(&events, Duration::from_secs(1));
        virtual_microphone.stall(true);
        match events.recv_timeout(Duration::from_secs(4)) {
            Ok(SourceEvent::Lost { reason, .. }) => println!("lost: {reason}"),
            _ => panic!("the loss was not noticed"),
        }
        std::thread::sleep(Duration::from_secs(1));
        virtual_microphone.stall(false);
        let (mut second, _, _, again) = connected(&events, Duration::from_secs(8));
        assert!(again);
        hear(&mut second, &mut Vec::new(), 1_000, Duration::from_secs(3));

        virtual_microphone.stall(true);
        let stopping = Instant::now();
        microphone.stop();
        println!("stopped after {:.3} s", stopping.elapsed().as_secs_f64());
        assert!(stopping.elapsed() < Duration::from_secs(2));
        let starting = Instant::now();
        let (sender, _events) = mpsc::channel();
        let host = Some(HostChoice::PulseAudio);
        let error = Microphone::start(MicrophoneSettings { host, ..MicrophoneSettings::default() }, sender).err().unwrap();
        println!("refused after {:.1} s: {error}", starting.elapsed().as_secs_f64());
        assert!(starting.elapsed() < Duration::from_secs(6));
        virtual_microphone.stall(false);
    });
}

#[test]
fn devices_are_listed_and_chosen_by_id_or_name() {
    with_virtual_microphone("devices_are_listed_and_chosen_by_id_or_name", |_, _| {
        let list = devices::list().unwrap();
        list.iter().for_each(|device| println!("{device:?}"));
        let default = list.iter().find(|device| device.default).unwrap();
        assert_eq!((default.id.as_str(), default.host), (SOURCE_ID, HostChoice::PulseAudio));
        assert_eq!(default.format, Some(Format { rate_hz: 16_000, channels: 1 }));

        let start = |settings: MicrophoneSettings| {
            let (sender, events) = mpsc::channel();
            Microphone::start(settings, sender).map(|microphone| {
                let (.., name, _) = connected(&events, Duration::from_secs(1));
                microphone.stop();
                name
            })
        };
        let device = |name: &str| MicrophoneSettings { device: Some(name.to_owned()), ..MicrophoneSettings::default() };
        let name = start(device(SOURCE_ID)).unwrap();
        println!("{name}");
        assert!(name.ends_with("(pulseaudio)"));
        for wanted in ["vmic", "VMIC", "vmi"] {
            assert_eq!(start(device(wanted)).unwrap(), name);
        }
        let error = start(device("no such thing")).unwrap_err();
        println!("{error}");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("\"no such thing\"") && error.message().contains(SOURCE_ID));
        // The microphone and the monitor of the speaker it hangs on.
        let error = start(device("v")).unwrap_err();
        println!("{error}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains(SOURCE_ID) && error.message().contains("vspk.monitor"));

        let error = start(MicrophoneSettings { channel: ChannelChoice::One(3), ..MicrophoneSettings::default() }).unwrap_err();
        println!("{error}");
        assert!(error.message().contains("channel 3 was chosen, but there is only 1"));
    });
}

#[test]
fn without_a_server_the_error_says_what_to_do() {
    with_virtual_microphone("without_a_server_the_error_says_what_to_do", |virtual_microphone, _| {
        virtual_microphone.kill();
        let (sender, _events) = mpsc::channel();
        let settings = MicrophoneSettings { host: Some(HostChoice::PulseAudio), ..MicrophoneSettings::default() };
        let error = Microphone::start(settings, sender).err().unwrap();
        println!("{error}");
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.message().contains("pulseaudio does not answer"));
    });
}
