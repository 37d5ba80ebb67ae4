//! What a microphone can do to a session that listens, through a real audio server and both hosts: it dies in the middle of a
//! sentence, it is unplugged, another becomes the default, its server stalls, there is none yet, it records in other formats.

mod listening;
mod program;
mod virtual_microphone;
mod wav;

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use auricle::audio::devices::HostChoice;
use listening::{Listening, excerpt, finals, hosts, is, number, of, of_type, told};
use program::{Program, auricle, words};
use serde_json::Value;
use virtual_microphone::{SOURCE, VirtualMicrophone, with_virtual_microphone};

/// Four sentences of [`excerpt`] in one breath.
const LONG_S: f64 = 8.7;
/// One of them.
const SHORT_S: f64 = 4.6;
/// What is said first in both.
const BEGINNING: &str = "it was the best of times";
/// Captions go on after so much of the audio that comes again.
const AGAIN_S: f64 = 2.0;

/// Listens through each host of this machine, and waits until it hears.
fn listen(arguments: &[&str]) -> Vec<Listening> {
    let started = hosts().into_iter().map(|host: HostChoice| {
        let mut listening = Listening::start(&[&["--host", host.as_str(), "--sounds", "off"], arguments].concat());
        listening.until(|event| event["type"] == "stats" && number(event, "audio") > 0.0);
        listening
    });
    started.collect()
}

/// The words said so far, finals and the newest partial of a segment that has none.
fn said(events: &[Value]) -> Vec<String> {
    let last = events.iter().rfind(|event| event["type"] == "caption");
    let open = last.filter(|event| event["state"] == "partial").map(|event| words(event["committed"].as_str().unwrap()));
    finals(events).into_iter().chain(open.unwrap_or_default()).collect()
}

/// Where the audio went on after the newest gap, seconds.
fn gap_end(events: &[Value]) -> f64 {
    let gap = of_type(events, "gap").pop().unwrap_or_else(|| panic!("no gap: {}", told(events)));
    number(gap, "start") + number(gap, "samples") / 16_000.0
}

/// Processor seconds of a process so far.
fn processor_s(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<u64> =
        stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap()).collect();
    fields.iter().sum::<u64>() as f64 / 100.0
}

/// The recording in the last of `channels` channels, the others silent.
fn in_last_channel(folder: &Path, channels: u16) -> std::path::PathBuf {
    let bytes = std::fs::read(excerpt(folder, SHORT_S)).unwrap();
    let samples = bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    let frames: Vec<i16> = samples.flat_map(|sample| std::iter::repeat_n(0, usize::from(channels) - 1).chain([sample])).collect();
    let path = folder.join(format!("last-of-{channels}.wav"));
    std::fs::write(&path, wav::wav(wav::INTEGER, 16, 16_000, channels, &wav::bytes_of(&frames))).unwrap();
    path
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_sentence_loses_nothing_that_was_said() {
    with_virtual_microphone(
        "a_server_that_dies_in_the_middle_of_a_sentence_loses_nothing_that_was_said",
        |microphone, folder| {
            let long = excerpt(folder, LONG_S);
            let mut listeners = listen(&[]);
            let mut player = microphone.start_playing("vspk", &long);
            for listening in &mut listeners {
                listening.until(|event| {
                    event["type"] == "caption" && words(event["committed"].as_str().unwrap()).join(" ").starts_with(BEGINNING)
                });
            }
            microphone.kill();
            let _ = player.wait();
            for listening in &mut listeners {
                let before = said(&listening.seen);
                listening.until_all(|seen| !of(seen, "device", "lost").is_empty() && !of(seen, "speech", "end").is_empty());
                if of(&listening.seen, "caption", "final").is_empty() {
                    listening.until(|event| is(event, "caption", "final"));
                }
                let kept = finals(&listening.seen);
                assert!(kept.starts_with(&before), "{before:?} was said, the final is {kept:?}");
            }

            microphone.start_server();
            let mut player = microphone.start_playing("vspk", &long);
            for listening in &mut listeners {
                let back = listening.until(|event| is(event, "device", "back"));
                let caption = listening.until(|event| event["type"] == "caption");
                let heard_s = number(&caption, "end") - gap_end(&listening.seen);
                let took_s = number(&caption, "emitted") - number(&back, "emitted");
                println!("a caption {took_s:.2} s after the device was back, of {heard_s:.2} s of audio");
                assert!(heard_s < AGAIN_S, "captions went on after {heard_s} s: {}", told(&listening.seen));
                assert_eq!(caption["segment"], 1, "a segment of its own");
            }
            assert!(player.wait().unwrap().success());
            for listening in listeners {
                let seen = listening.end_by("INT");
                assert_eq!(of_type(&seen, "gap").len(), 1, "{}", told(&seen));
            }
        },
    );
}

#[test]
fn a_microphone_that_is_unplugged_costs_nothing_and_is_found_again() {
    with_virtual_microphone("a_microphone_that_is_unplugged_costs_nothing_and_is_found_again", |microphone, folder| {
        let short = excerpt(folder, SHORT_S);
        let mut listeners = listen(&[]);
        microphone.unload_sources();
        for listening in &mut listeners {
            listening.until(|event| is(event, "device", "lost"));
        }
        // ALSA's callback reports an error a million times in three seconds.
        let before: Vec<f64> = listeners.iter().map(|listening| processor_s(listening.program.id())).collect();
        thread::sleep(Duration::from_secs(3));
        for (listening, before) in listeners.iter().zip(before) {
            let used = processor_s(listening.program.id()) - before;
            println!("{used:.2} s of the processor in 3 s without a microphone");
            assert!(used < 1.0, "{used} s of the processor in 3 s without a microphone");
        }
        microphone.load_source("vspk", SOURCE, 16_000, 1);
        microphone.pactl(&["set-default-source", SOURCE]);
        for listening in &mut listeners {
            listening.until(|event| is(event, "device", "back"));
        }
        microphone.play(&short);
        for mut listening in listeners {
            listening.until(|event| is(event, "caption", "final"));
            assert!(finals(&listening.seen).join(" ").starts_with(BEGINNING), "{}", told(&listening.seen));
            let seen = listening.end_by("INT");
            let states: Vec<&str> = of_type(&seen, "device").iter().map(|event| event["state"].as_str().unwrap()).collect();
            assert_eq!(states, ["open", "lost", "back"]);
        }
    });
}

#[test]
fn another_default_microphone_is_listened_to() {
    with_virtual_microphone("another_default_microphone_is_listened_to", |microphone, folder| {
        let short = excerpt(folder, SHORT_S);
        let mut listening = Listening::start(&["--host", "pulseaudio", "--sounds", "off"]);
        listening.until(|event| event["type"] == "stats" && number(event, "audio") > 0.0);
        microphone.load_source("vspk2", "vmic2", 16_000, 1);
        microphone.pactl(&["set-default-source", "vmic2"]);
        thread::sleep(Duration::from_millis(500));
        assert!(microphone.start_playing("vspk2", &short).wait().unwrap().success());
        listening.until(|event| is(event, "caption", "final"));
        assert!(finals(&listening.seen).join(" ").starts_with(BEGINNING), "{}", told(&listening.seen));
    });
}

#[test]
fn a_server_that_stalls_for_a_second_leaves_a_gap_and_true_times() {
    with_virtual_microphone("a_server_that_stalls_for_a_second_leaves_a_gap_and_true_times", |microphone, folder| {
        let short = excerpt(folder, SHORT_S);
        let told_after = |events: &[Value]| {
            let start = of(events, "speech", "start").pop().unwrap();
            number(start, "emitted") - number(start, "start")
        };
        let mut listeners = listen(&[]);
        microphone.play(&short);
        for listening in &mut listeners {
            listening.until(|event| is(event, "caption", "final"));
        }
        microphone.stall(true);
        thread::sleep(Duration::from_secs(1));
        microphone.stall(false);
        // Whether frames are missing shows when half a second has passed without a burst.
        thread::sleep(Duration::from_secs(2));
        let before: Vec<f64> = listeners.iter().map(|listening| told_after(&listening.seen)).collect();
        microphone.play(&short);
        for (mut listening, before) in listeners.into_iter().zip(before) {
            listening.until_all(|seen| of(seen, "caption", "final").len() >= 2);
            let after = told_after(&listening.seen);
            let missing: f64 = of_type(&listening.seen, "gap").iter().map(|gap| number(gap, "samples") / 16_000.0).sum();
            println!("{missing:.2} s missing; speech told {before:.2} s after its start, then {after:.2} s");
            assert!((after - before).abs() < 0.4, "times are off after the stall: {}", told(&listening.seen));
            assert!(of_type(&listening.seen, "gap").iter().all(|gap| gap["reason"] == "missing"));
            let states = of_type(&listening.seen, "device").len();
            assert_eq!(states, 1, "a stall of a second is no lost device: {}", told(&listening.seen));
            listening.end_by("INT");
        }
    });
}

#[test]
fn without_a_microphone_it_ends_with_a_way_out_or_waits_for_one() {
    with_virtual_microphone("without_a_microphone_it_ends_with_a_way_out_or_waits_for_one", |microphone, folder| {
        let short = excerpt(folder, SHORT_S);
        microphone.kill();
        for host in hosts() {
            let ended = Program::start(auricle().args(["listen", "--sounds", "off", "--host", host.as_str()])).finish();
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(ended.stderr.contains("microphone") || ended.stderr.contains(host.as_str()), "{ended:?}");
            assert!(ended.stderr.contains("--wait"), "the way out is not told: {ended:?}");
        }
        let mut listeners: Vec<Listening> =
            hosts().iter().map(|host| Listening::start(&["--host", host.as_str(), "--sounds", "off", "--wait"])).collect();
        for listening in &mut listeners {
            listening.until(|event| is(event, "device", "waiting"));
        }
        microphone.start_server();
        for listening in &mut listeners {
            listening.until(|event| is(event, "device", "open"));
        }
        microphone.play(&short);
        for mut listening in listeners {
            listening.until(|event| is(event, "caption", "final"));
            assert!(finals(&listening.seen).join(" ").starts_with(BEGINNING), "{}", told(&listening.seen));
            let seen = listening.end_by("INT");
            assert!(of_type(&seen, "gap").is_empty(), "what was before the microphone is no gap: {}", told(&seen));
        }
    });
}

#[test]
fn waiting_ends_at_once_when_it_is_told_to() {
    with_virtual_microphone("waiting_ends_at_once_when_it_is_told_to", |microphone, _| {
        microphone.kill();
        let mut listening = Listening::start(&["--host", "pulseaudio", "--wait"]);
        listening.until(|event| is(event, "device", "waiting"));
        listening.end_by("TERM");
    });
}

#[test]
fn microphones_of_other_rates_and_channels_are_heard() {
    with_virtual_microphone("microphones_of_other_rates_and_channels_are_heard", |microphone, folder| {
        for (rate_hz, channels) in [(44_100, 2), (48_000, 2)] {
            let source = format!("mic{rate_hz}");
            microphone.load_source(&format!("spk{rate_hz}"), &source, rate_hz, channels);
            microphone.pactl(&["set-default-source", &source]);
            let channel = channels.to_string();
            let mut listening =
                Listening::start(&["--host", "pulseaudio", "--device", &source, "--channel", &channel, "--sounds", "off"]);
            listening.until(|event| event["type"] == "stats" && number(event, "audio") > 0.0);
            let played = in_last_channel(folder, channels);
            assert!(microphone.start_playing(&format!("spk{rate_hz}"), &played).wait().unwrap().success());
            listening.until(|event| is(event, "caption", "final"));
            assert!(finals(&listening.seen).join(" ").starts_with(BEGINNING), "{rate_hz}: {}", told(&listening.seen));
            listening.end_by("INT");
        }
    });
}

#[test]
fn a_device_without_a_clock_is_refused() {
    with_virtual_microphone("a_device_without_a_clock_is_refused", |_, _| {
        // ALSA's `null` gives zeros as fast as they are taken.
        let ended =
            Program::start(auricle().args(["listen", "--host", "alsa", "--device", "nothing", "--format", "text"])).finish();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("it has no clock; choose another device"), "{ended:?}");
    });
}

#[test]
fn it_listens_without_a_right_to_real_time_priority() {
    let dropped = ["--rtprio=0", "setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"];
    let may = Command::new("prlimit").args(dropped).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        println!("skipped it_listens_without_a_right_to_real_time_priority: prlimit and setpriv of util-linux do not work here");
        return;
    }
    with_virtual_microphone("it_listens_without_a_right_to_real_time_priority", |microphone: &mut VirtualMicrophone, folder| {
        let short = excerpt(folder, SHORT_S);
        let mut command = Command::new("prlimit");
        command.args(dropped).arg(auricle().get_program()).args(["--quiet", "listen", "--format", "jsonl", "--sounds", "off"]);
        let mut listening = Listening::of(&mut command);
        listening.until(|event| event["type"] == "stats" && number(event, "audio") > 0.0);
        microphone.play(&short);
        listening.until(|event| is(event, "caption", "final"));
        assert!(finals(&listening.seen).join(" ").starts_with(BEGINNING), "{}", told(&listening.seen));
        assert!(of_type(&listening.seen, "gap").is_empty());
        listening.end_by("INT");
    });
}
