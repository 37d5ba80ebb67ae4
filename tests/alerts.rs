//! Alerts as a program uses them: real programs, real servers on this machine, and whatever either may do wrong.

#![cfg(unix)]

mod program;
mod wav;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use auricle::alert::{Alerts, Settings};
use auricle::event::{Alert, AlertState, Event, EventBody, SCHEMA_VERSION, Sound, SoundState};
use auricle::runtime::GraphSettings;
use auricle::sound::{Engine, Vocabulary};
use auricle::store::Places;
use auricle::time::SamplePosition;
use auricle::{EngineSettings, Engines, ErrorKind, Next, Pace, Session, runtime};

const DOG: &str = "/m/0bt9lr";
const BARK: &str = "/m/05tny_";

fn vocabulary() -> Vocabulary {
    runtime::load_library(None).expect("'make library' fetches ONNX Runtime");
    Engine::load(&Places::find(), "yamnet", GraphSettings::default()).expect("'make models' fetches YAMNet").vocabulary()
}

/// Alerts that watch what is sent, and what they say.
struct Watched {
    alerts: Alerts,
    events: Sender<Event>,
    told: Receiver<Alert>,
    seq: u64,
}

impl Watched {
    fn start(toml: &str) -> Self {
        let settings = Settings::parse(toml, "auricle.toml").unwrap();
        let (events, read) = channel();
        let (tell, told) = channel();
        let alerts = Alerts::start(&settings, vocabulary(), read.into_iter(), move |alert| drop(tell.send(alert))).unwrap();
        Self { alerts, events, told, seq: 0 }
    }

    fn hear(&mut self, emitted: f64, event: u64, state: SoundState, label: &str, id: &str, score: f32) {
        let (start, end) = (SamplePosition::from_seconds(12.5), SamplePosition::from_seconds(13.0));
        let sound = Sound { event, state, label: label.into(), id: id.into(), score, start, end, model: "test".into() };
        let body = EventBody::Sound(sound);
        self.events.send(Event { v: SCHEMA_VERSION, seq: self.seq, emitted, file: None, body }).unwrap();
        self.seq += 1;
    }

    fn dog(&mut self, emitted: f64, event: u64) {
        self.hear(emitted, event, SoundState::Start, "Bark", BARK, 0.8);
    }

    fn next(&self, within_s: f64) -> Alert {
        self.told.recv_timeout(Duration::from_secs_f64(within_s)).expect("an alert says what became of it")
    }

    /// The next that is over, whatever was fired before.
    fn over(&self, within_s: f64) -> Alert {
        loop {
            let alert = self.next(within_s);
            if alert.state != AlertState::Fired {
                return alert;
            }
        }
    }

    fn finish(self, patience_s: f64) -> (Vec<Alert>, Duration) {
        drop(self.events);
        let began = Instant::now();
        self.alerts.finish(Duration::from_secs_f64(patience_s));
        (self.told.try_iter().collect(), began.elapsed())
    }
}

/// A program that does what `script` says.
fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A program that leaves its arguments, each ended by a zero, in a file beside itself.
fn noting(folder: &Path) -> PathBuf {
    program(folder, "note it.sh", "printf '%s\\0' \"$@\" > \"$0.part\" && mv \"$0.part\" \"$0.out\"")
}

fn noted(program: &Path) -> Vec<String> {
    let noted = fs::read(program.with_extension("sh.out")).unwrap();
    let mut arguments: Vec<String> =
        noted.split(|byte| *byte == 0).map(|part| String::from_utf8(part.to_vec()).unwrap()).collect();
    assert_eq!(arguments.pop().as_deref(), Some(""));
    arguments
}

#[test]
fn a_program_gets_each_argument_as_it_stands_whatever_the_label_is() {
    let folder = tempfile::tempdir().unwrap();
    let noting = noting(folder.path());
    let toml = format!(
        "[[alert]]\nlabel = \"Dog\"\nrun = ['{}', '--text={{label}}', '$HOME `id` * ; & | \"', 'two  words', '', '{{score}} {{start}} {{event}}', '{{id}}', '{{time}}']",
        noting.display()
    );
    let mut watched = Watched::start(&toml);
    let hostile = "Bark $(touch evil) `id` '\"; rm -rf / \\ {id}\nnext line";
    watched.hear(13.0, 7, SoundState::Start, hostile, BARK, 0.8125);
    let fired = watched.next(2.0);
    assert_eq!((fired.state, fired.alert, fired.event, &*fired.label), (AlertState::Fired, 0, 7, hostile));
    assert_eq!(watched.over(5.0).state, AlertState::Done);
    let arguments = noted(&noting);
    assert_eq!(arguments[0], format!("--text={hostile}"));
    assert_eq!(arguments[1..6], ["$HOME `id` * ; & | \"", "two  words", "", "0.81 12.50 7", BARK]);
    let time = &arguments[6];
    assert!(time.len() == 20 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert_eq!(arguments.len(), 7);
}

#[test]
fn an_alert_waits_for_its_label_its_score_and_its_cooldown() {
    let toml = "[[alert]]\nlabel = \"Animal\"\nmin_score = 0.5\ncooldown = 10\nrun = [\"true\"]\n\
                [[alert]]\nlabel = \"Bark\"\ncooldown = 0\nrun = [\"true\"]";
    let mut watched = Watched::start(toml);
    let bark = |watched: &mut Watched, emitted, event, state, score| watched.hear(emitted, event, state, "Bark", BARK, score);
    // Too faint for the first; then sure enough, once; a closer name of the same sound is no second alert.
    bark(&mut watched, 0.0, 0, SoundState::Start, 0.4);
    bark(&mut watched, 1.0, 0, SoundState::Update, 0.6);
    bark(&mut watched, 2.0, 0, SoundState::Update, 0.9);
    bark(&mut watched, 3.0, 0, SoundState::End, 0.9);
    // Within the cooldown of the first.
    bark(&mut watched, 4.0, 1, SoundState::Start, 0.9);
    bark(&mut watched, 5.0, 1, SoundState::End, 0.9);
    // Begins within it and is still there when it is over.
    bark(&mut watched, 9.0, 2, SoundState::Start, 0.9);
    bark(&mut watched, 11.5, 2, SoundState::Update, 0.9);
    // No bark, but an animal, after the next cooldown; and no animal at all.
    watched.hear(30.0, 3, SoundState::Start, "Cat", "/m/01yrx", 0.9);
    watched.hear(50.0, 4, SoundState::Start, "Siren", "/m/03kmc9", 0.9);
    let (told, _) = watched.finish(10.0);
    let fired: Vec<(usize, u64)> =
        told.iter().filter(|alert| alert.state == AlertState::Fired).map(|alert| (alert.alert, alert.event)).collect();
    assert_eq!(fired, [(1, 0), (0, 0), (1, 1), (1, 2), (0, 2), (0, 3)]);
    assert_eq!(told.iter().filter(|alert| alert.state == AlertState::Done).count(), fired.len(), "{told:?}");
}

#[test]
fn a_program_that_hangs_is_ended_with_what_it_started_and_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = program(
        folder.path(),
        "hang.sh",
        "trap '' TERM INT HUP; sleep 300 & echo $! > \"$0.part\"; mv \"$0.part\" \"$0.pid\"; wait; sleep 300",
    );
    let noting = noting(folder.path());
    let toml = format!(
        "[[alert]]\nlabel = \"Dog\"\nrun = ['{}']\n[[alert]]\nlabel = \"Dog\"\nrun = ['{}']",
        hanging.display(),
        noting.display()
    );
    let mut watched = Watched::start(&toml);
    let began = Instant::now();
    watched.dog(0.0, 0);
    let quick = watched.over(5.0);
    assert_eq!((quick.alert, quick.state), (1, AlertState::Done), "the other is not held up");
    let ended = watched.over(15.0);
    assert_eq!((ended.alert, ended.state), (0, AlertState::Failed));
    assert!(ended.reason.as_ref().is_some_and(|reason| reason.contains("longer than 10 s")), "{ended:?}");
    assert!(began.elapsed() >= Duration::from_secs(10));
    assert_gone(&hanging);

    // At the end of a session nobody waits for it.
    watched.dog(100.0, 1);
    while fs::metadata(hanging.with_extension("sh.pid")).is_err() {
        assert!(began.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(10));
    }
    let (told, took) = watched.finish(0.3);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(told.iter().any(|alert| alert.alert == 0 && alert.state == AlertState::Failed), "{told:?}");
    assert_gone(&hanging);
}

/// Fails unless the process that `program` started is gone, and forgets it.
fn assert_gone(program: &Path) {
    let noted = program.with_extension("sh.pid");
    let pid = fs::read_to_string(&noted).unwrap();
    fs::remove_file(noted).unwrap();
    let status = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    let until = Instant::now() + Duration::from_secs(2);
    // A zombie that init has not yet taken is gone too.
    let lives = || fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z "));
    while lives() && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!lives(), "{}", fs::read_to_string(&status).unwrap_or_default());
}

#[test]
fn what_cannot_be_run_fails_and_so_does_what_finds_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let slow = program(folder.path(), "slow.sh", "sleep 1");
    let toml = format!(
        "[[alert]]\nlabel = \"Cat\"\nrun = ['/nowhere/at all']\n[[alert]]\nlabel = \"Cat\"\nrun = ['/bin/sh', '-c', 'exit 3']\n[[alert]]\nlabel = \"Dog\"\ncooldown = 0\nrun = ['{}']",
        slow.display()
    );
    let mut watched = Watched::start(&toml);
    watched.hear(0.0, 0, SoundState::Start, "Cat", "/m/01yrx", 0.9);
    let mut failed = [watched.over(5.0), watched.over(5.0)];
    failed.sort_by_key(|alert| alert.alert);
    assert!(failed[0].reason.as_ref().is_some_and(|reason| reason.contains("/nowhere/at all: cannot be run")), "{failed:?}");
    assert!(failed[1].reason.as_ref().is_some_and(|reason| reason.contains("exit status: 3")), "{failed:?}");
    for event in 1..=60 {
        watched.dog(event as f64, event);
    }
    let dropped = |alert: &Alert| alert.reason.as_ref().is_some_and(|reason| reason.contains("wait already"));
    let until = Instant::now() + Duration::from_secs(5);
    let mut drops = 0;
    while drops < 20 && Instant::now() < until {
        drops += usize::from(dropped(&watched.next(5.0)));
    }
    // Four run and 32 wait.
    assert!(drops >= 20, "{drops}");
    let (_, took) = watched.finish(0.1);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// A server that answers each request with `answer` and hands on its head and body; none is read where `answer` is `None`.
fn server(answer: impl Fn(&mut TcpStream) + Send + Sync + Clone + 'static) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/heard?key=secret", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (sender, answer) = (sender.clone(), answer.clone());
            thread::spawn(move || {
                let mut stream = stream;
                let _ = sender.send(request(&stream));
                answer(&mut stream);
            });
        }
    });
    (url, requests)
}

fn request(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::trim).map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    let _ = reader.read_exact(&mut body);
    (head, String::from_utf8(body).unwrap())
}

fn posting(url: &str) -> Watched {
    Watched::start(&format!("[[alert]]\nlabel = \"{DOG}\"\ncooldown = 0\nwebhook = \"{url}\""))
}

#[test]
fn an_address_gets_the_event_as_json() {
    let (url, requests) = server(|stream| drop(stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")));
    let mut watched = posting(&url);
    watched.dog(13.0, 4);
    assert_eq!(watched.over(5.0).state, AlertState::Done);
    let (head, body) = requests.recv_timeout(Duration::from_secs(1)).unwrap();
    assert!(head.starts_with("POST /heard?key=secret HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    let event: Event = serde_json::from_str(&body).unwrap();
    let EventBody::Sound(sound) = event.body else { panic!("{body}") };
    assert_eq!((event.emitted, sound.event, &*sound.label), (13.0, 4, "Bark"));
}

#[test]
fn servers_that_fail_are_tried_three_times_and_named_without_their_secrets() {
    let (url, requests) = server(|stream| drop(stream.write_all(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")));
    let mut watched = posting(&url);
    watched.dog(0.0, 0);
    let failed = watched.over(20.0);
    let reason = failed.reason.unwrap();
    assert_eq!((failed.state, &*reason), (AlertState::Failed, "127.0.0.1: answered 500"));
    assert_eq!(requests.try_iter().count(), 3);
    // What says that the request is wrong is not asked again, and nobody is sent on.
    let (elsewhere, redirected) = server(|stream| drop(stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")));
    let answer = format!("HTTP/1.1 307 There\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
    for (answer, says) in
        [(answer, "redirects are not followed"), ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_owned(), "404")]
    {
        let (url, requests) = server(move |stream| drop(stream.write_all(answer.as_bytes())));
        let mut watched = posting(&url);
        watched.dog(0.0, 0);
        let reason = watched.over(5.0).reason.unwrap();
        assert!(reason.contains(says) && !reason.contains("secret"), "{reason}");
        assert_eq!(requests.try_iter().count(), 1);
    }
    assert_eq!(redirected.try_iter().count(), 0);
}

#[test]
fn servers_that_never_answer_or_never_end_harm_nothing() {
    let endless = |stream: &mut TcpStream| {
        let mut answered = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while answered.is_ok() {
            answered = stream.write_all(b"4\r\nmore\r\n");
        }
    };
    let (url, _requests) = server(endless);
    let mut watched = posting(&url);
    watched.dog(0.0, 0);
    assert_eq!(watched.over(5.0).state, AlertState::Done, "the answer is what counts, its body is not read");

    let headers = |stream: &mut TcpStream| {
        let mut answered = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while answered.is_ok() {
            answered = stream.write_all(b"X-More: and more and more and more\r\n");
        }
    };
    let (url, _requests) = server(headers);
    let mut watched = posting(&url);
    watched.dog(0.0, 0);
    assert_eq!(watched.over(40.0).state, AlertState::Failed);

    let (silent, _requests) = server(|_| thread::sleep(Duration::from_secs(60)));
    let folder = tempfile::tempdir().unwrap();
    let noting = noting(folder.path());
    let mut watched = Watched::start(&format!(
        "[[alert]]\nlabel = \"Dog\"\nwebhook = \"{silent}\"\n[[alert]]\nlabel = \"Dog\"\nrun = ['{}']",
        noting.display()
    ));
    watched.dog(0.0, 0);
    assert_eq!(watched.over(5.0).alert, 1, "the other is not held up");
    let (_, took) = watched.finish(0.3);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_label_that_is_unknown_or_never_told_is_an_error_with_its_place() {
    let vocabulary = vocabulary();
    let cases = [
        ("[[alert]]\nlabel = \"Dgo\"\nrun = [\"x\"]", "auricle.toml:2:9: 'Dgo' is no label of the model; is it 'Dog'?"),
        (
            "[[alert]]\nrun = [\"x\"]\n  label = \"Smoke alarm (T3)\"",
            "auricle.toml:3:11: 'Smoke alarm (T3)' is no label of the model; is it 'Smoke alarm (T3 pattern)'?",
        ),
        ("[[alert]]\nlabel = \"Speech\"\nrun = [\"x\"]", "auricle.toml:2:9: 'Speech' is never told as a sound"),
    ];
    for (toml, says) in cases {
        let error = Settings::parse(toml, "auricle.toml").unwrap().check(&vocabulary).unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidInput && error.message().starts_with(says), "{error}");
    }
    let known = "[[alert]]\nlabel = \"CO alarm (T4 pattern)\"\nrun = [\"x\"]\n[[alert]]\nlabel = \"Alarm\"\nrun = [\"x\"]";
    Settings::parse(known, "auricle.toml").unwrap().check(&vocabulary).unwrap();
}

#[test]
fn a_session_runs_the_program_and_tells_it_among_its_events() {
    runtime::load_library(None).expect("'make library' fetches ONNX Runtime");
    let engines = Engines::load(&EngineSettings { captions: None, ..EngineSettings::default() }).unwrap();
    let mut session = Session::builder().engines(engines.clone()).pace(Pace::Virtual).build().unwrap();
    let events = session.events();
    let folder = tempfile::tempdir().unwrap();
    let noting = noting(folder.path());
    let toml = format!("[[alert]]\nlabel = \"Smoke alarm (T3 pattern)\"\nrun = ['{}', '{{label}}', '{{id}}']", noting.display());
    let settings = Settings::parse(&toml, "auricle.toml").unwrap();
    let alerts = Alerts::of_session(&settings, &engines, &session).unwrap().expect("there is an alert");
    assert!(Alerts::of_session(&Settings::default(), &engines, &session).unwrap().is_none());
    // Three beeps of 0.5 s every 4 s.
    let sample = |n: u32| {
        let time = f64::from(n) / 16_000.0;
        let on = time % 4.0 < 3.0 && time % 1.0 < 0.5;
        if on { (0.1 * (std::f64::consts::TAU * 3_100.0 * time).sin()) as f32 } else { 0.0 }
    };
    session.push(&(0..12 * 16_000).map(sample).collect::<Vec<f32>>()).unwrap();
    let mut told = Vec::new();
    let until = Instant::now() + Duration::from_secs(20);
    while !told.contains(&AlertState::Done) && Instant::now() < until {
        if let Next::Event(event) = events.next_within(Duration::from_millis(100))
            && let EventBody::Alert(alert) = event.body
        {
            told.push(alert.state);
        }
    }
    assert_eq!(told, [AlertState::Fired, AlertState::Done]);
    assert_eq!(noted(&noting), ["Smoke alarm (T3 pattern)", "/m/01y3hg"]);
    session.finish().unwrap();
    alerts.finish(Duration::from_secs(2));
}

#[test]
fn listen_runs_the_alerts_of_its_settings_and_refuses_wrong_ones_before_it_hears() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let sample = |n: u32| {
        let time = f64::from(n) / 16_000.0;
        let on = time % 4.0 < 3.0 && time % 1.0 < 0.5;
        if on { (3_000.0 * (std::f64::consts::TAU * 3_100.0 * time).sin()) as i16 } else { 0 }
    };
    let samples: Vec<i16> = (0..12 * 16_000).map(sample).collect();
    std::fs::write(at("alarm.wav"), wav::wav(wav::INTEGER, 16, 16_000, 1, &wav::bytes_of(&samples))).unwrap();
    let noting = noting(folder.path());
    let listen = |label: &str| {
        let toml = format!("[[alert]]\nlabel = \"{label}\"\nrun = ['{}', '{{label}}']\n", noting.display());
        std::fs::write(at("auricle.toml"), toml).unwrap();
        let mut command = program::auricle();
        command.arg("--config").arg(at("auricle.toml")).args(["listen", "--format", "jsonl", "--input"]).arg(at("alarm.wav"));
        program::Program::start(&mut command).finish()
    };
    let ended = listen("Smoke alarm (T3 pattern)");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let told: Vec<&String> = ended.lines.iter().filter(|line| line.contains("\"type\":\"alert\"")).collect();
    assert!(told.len() == 2 && told[0].contains("\"fired\"") && told[1].contains("\"done\""), "{told:?}");
    assert_eq!(noted(&noting), ["Smoke alarm (T3 pattern)"]);

    let ended = listen("Smoke alarm (T3 patern)");
    assert_eq!((ended.code, ended.lines.len()), (Some(1), 0), "{ended:?}");
    assert!(
        ended.stderr.contains("auricle.toml:2:9: ") && ended.stderr.contains("is it 'Smoke alarm (T3 pattern)'"),
        "{ended:?}"
    );
}
