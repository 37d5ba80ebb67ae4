//! The library as a program uses it: sessions over real speech with the real models.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use auricle::audio::file::AudioFile;
use auricle::audio::pcm::Format;
use auricle::event::{Caption, CaptionState, EndReason, Event, EventBody, GapReason, Speech};
use auricle::runtime::GraphSettings;
use auricle::{EngineSettings, Engines, Next, Pace, Session, Span, Stage, speech};

/// Three short sentences of a real voice, from the package that carries Moonshine; 16 kHz, one channel, 10 s.
fn beckett() -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/moonshine-tiny-en/beckett.wav");
    let mut file = AudioFile::open(&path).expect("'make models' fetches the recording");
    assert_eq!(file.format(), Format::new(16_000, 1).unwrap());
    let mut samples = Vec::new();
    while let Some(block) = file.next_block().unwrap() {
        samples.extend_from_slice(block);
    }
    samples
}

fn engines() -> Arc<Engines> {
    static ENGINES: OnceLock<Arc<Engines>> = OnceLock::new();
    let settings = EngineSettings { sounds: None, ..EngineSettings::default() };
    ENGINES.get_or_init(|| Engines::load(&settings).expect("'make models library' fetches what the engines need")).clone()
}

fn run_virtual(samples: &[f32], pushes: usize, settings: speech::Settings) -> Vec<Event> {
    let mut session = Session::builder().engines(engines()).pace(Pace::Virtual).speech(settings).build().unwrap();
    let events = session.events();
    for block in samples.chunks(pushes) {
        session.push(block).unwrap();
    }
    session.finish().unwrap();
    events.collect()
}

fn captions(events: &[Event]) -> impl Iterator<Item = &Caption> {
    events.iter().filter_map(|event| match &event.body {
        EventBody::Caption(caption) => Some(caption),
        _ => None,
    })
}

fn final_text(events: &[Event]) -> String {
    let finals: Vec<&str> =
        captions(events).filter(|caption| caption.state == CaptionState::Final).map(|caption| caption.text.as_str()).collect();
    finals.join(" ")
}

fn plain_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()).collect()
}

/// Four words in five, and hardly any besides.
fn assert_says_what_was_said(events: &[Event]) {
    let said = "ever tried ever failed no matter try again fail again fail better";
    let (heard, said) = (plain_words(&final_text(events)), plain_words(said));
    let right = said.iter().filter(|word| heard.contains(word)).count();
    assert!(right * 10 >= said.len() * 8 && heard.len() <= said.len() + 2, "{heard:?}");
}

#[test]
fn real_speech_is_captioned_and_every_promise_of_a_caption_holds() {
    let events = run_virtual(&beckett(), 1_600, speech::Settings::default());
    assert_says_what_was_said(&events);

    assert!(events.iter().enumerate().all(|(index, event)| event.seq == index as u64), "seq has no holes");
    assert!(events.windows(2).all(|pair| pair[0].emitted <= pair[1].emitted));
    let mut open: Option<Caption> = None;
    let mut partials = 0;
    for caption in captions(&events) {
        assert!(caption.text.starts_with(&caption.stable) && caption.stable.starts_with(&caption.committed), "{caption:?}");
        if let Some(before) = open.filter(|before| before.segment == caption.segment) {
            assert_eq!(before.state, CaptionState::Partial, "nothing follows a final");
            assert!(caption.committed.starts_with(&before.committed), "{:?} became {:?}", before.committed, caption.committed);
        }
        partials += usize::from(caption.state == CaptionState::Partial);
        open = Some(caption.clone());
    }
    assert_eq!(open.unwrap().state, CaptionState::Final, "the session ends with a final");
    assert!(partials > 10, "{partials} partial captions in 10 s of speech");
    let segments: Vec<&Speech> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Speech(speech) => Some(speech),
            _ => None,
        })
        .collect();
    for pair in segments.chunks(2) {
        let [Speech::Start { segment: opened, start }, Speech::End { segment: closed, start: from, end, .. }] = pair else {
            panic!("{pair:?}")
        };
        assert!(opened == closed && start == from && end > start);
    }
}

#[test]
fn the_same_audio_gives_the_same_events_however_it_is_pushed() {
    // Two channels at 48 kHz, so that filtering is in it; with sound events.
    let stereo: Vec<f32> = beckett().iter().flat_map(|&sample| [sample; 6]).collect();
    let engines = Engines::load(&EngineSettings::default()).unwrap();
    let run = |frames: usize| -> Vec<Event> {
        let format = Format::new(48_000, 2).unwrap();
        let sound = auricle::sound::Settings { scores: true, ..auricle::sound::Settings::default() };
        let builder = Session::builder().engines(engines.clone()).pace(Pace::Virtual).input(format).sound(sound);
        let mut session = builder.build().unwrap();
        let events = session.events();
        stereo.chunks(2 * frames).for_each(|block| session.push(block).unwrap());
        session.finish().unwrap();
        events.collect()
    };
    let expected = run(480);
    assert!(expected.iter().any(|event| matches!(event.body, EventBody::Scores(_))));
    assert!(!final_text(&expected).is_empty());
    assert_eq!(run(7_919), expected);
}

#[test]
fn segments_that_are_read_together_give_the_same_events_in_the_same_order() {
    // With events of the other room between the captions.
    let engines = Engines::load(&EngineSettings::default()).unwrap();
    let samples = [beckett(), vec![0.0; 16_000], beckett()].concat();
    let run = |batch: usize| -> Vec<Event> {
        let settings = speech::Settings { partials: false, batch, ..speech::Settings::default() };
        let sound = auricle::sound::Settings { scores: true, ..auricle::sound::Settings::default() };
        let builder = Session::builder().engines(engines.clone()).pace(Pace::Virtual).speech(settings).sound(sound);
        let mut session = builder.build().unwrap();
        let events = session.events();
        let mut told = Vec::new();
        for block in samples.chunks(1_600) {
            session.push(block).unwrap();
            told.extend(events.waiting());
        }
        session.finish().unwrap();
        told.extend(events);
        told
    };
    let one_by_one = run(1);
    assert!(one_by_one.iter().any(|event| matches!(event.body, EventBody::Scores(_))));
    assert!(captions(&one_by_one).count() > 8, "{}", final_text(&one_by_one));
    for batch in [2, 4, 64] {
        let together = run(batch);
        assert_eq!(together.len(), one_by_one.len(), "{batch}");
        for (together, alone) in together.iter().zip(&one_by_one) {
            assert_eq!(together.seq, alone.seq);
            assert!(together.emitted >= alone.emitted, "{together:?}, {alone:?}");
            let (EventBody::Caption(together), EventBody::Caption(alone)) = (&together.body, &alone.body) else {
                assert_eq!(together.body, alone.body, "{batch}");
                continue;
            };
            // The last bits of a probability depend on what is read beside.
            let mut together = together.clone();
            for (word, expected) in together.words.iter_mut().zip(&alone.words) {
                assert!((word.probability - expected.probability).abs() < 2e-3, "{word:?}, {expected:?}");
                word.probability = expected.probability;
            }
            assert_eq!(together, *alone, "{batch}");
        }
        let early = together.iter().filter(|event| matches!(event.body, EventBody::Caption(_)) && event.emitted < 20.0).count();
        assert_eq!(early > 0, batch < 64, "{early} captions before the end, {batch} at once");
    }
}

#[test]
fn speech_that_is_cut_off_by_the_end_is_still_captioned() {
    // In the middle of "Try again": no silence follows.
    let samples = &beckett()[..16_000 * 58 / 10];
    let events = run_virtual(samples, 512, speech::Settings { partials: false, ..speech::Settings::default() });
    let last = captions(&events).last().unwrap();
    assert!(last.text.to_lowercase().contains("try"), "{}", last.text);
    let stops =
        events.iter().filter(|event| matches!(&event.body, EventBody::Speech(Speech::End { reason: EndReason::Stop, .. })));
    assert_eq!(stops.count(), 1);
}

#[test]
fn silence_and_noise_have_no_captions() {
    let silence = vec![0.0; 16_000 * 20];
    let mut seed = 1_u32;
    let noise: Vec<f32> = (0..16_000 * 20)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed as f32 / u32::MAX as f32 - 0.5) * 0.35
        })
        .collect();
    for samples in [silence, noise] {
        assert_eq!(captions(&run_virtual(&samples, 4_096, speech::Settings::default())).count(), 0);
    }
}

#[test]
fn a_live_session_hears_what_was_said() {
    let samples = beckett();
    let mut session = Session::builder().engines(engines()).build().unwrap();
    let events = session.events();
    let start = Instant::now();
    for (index, block) in samples.chunks(160).enumerate() {
        // Sample n is due at n / 16000 s, however late the one before was.
        let due = start + Duration::from_millis(10 * index as u64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        session.push(block).unwrap();
    }
    session.finish().unwrap();
    let events: Vec<Event> = events.collect();
    assert_says_what_was_said(&events);
    assert!(!events.iter().any(|event| matches!(event.body, EventBody::Gap(_))), "nothing was lost");
    assert!(events.iter().any(|event| matches!(&event.body, EventBody::Stats(stats) if stats.models.len() == 2)));
}

#[test]
fn a_timed_session_stamps_events_as_a_live_one_would() {
    let (spans, traced) = std::sync::mpsc::channel();
    let mut session = Session::builder().engines(engines()).pace(Pace::Timed).trace(spans).build().unwrap();
    let events = session.events();
    let samples = beckett();
    samples.chunks(1_000).for_each(|block| session.push(block).unwrap());
    session.finish().unwrap();
    let events: Vec<Event> = events.collect();
    assert_says_what_was_said(&events);
    assert!(events.windows(2).all(|pair| pair[0].emitted <= pair[1].emitted), "events come in the order of time");
    for caption in events.iter().filter(|event| matches!(event.body, EventBody::Caption(_))) {
        let EventBody::Caption(Caption { end, .. }) = &caption.body else { unreachable!() };
        assert!(caption.emitted > end.seconds(), "it took time to read: {caption:?}");
    }
    let told = |event: &&Event| matches!(&event.body, EventBody::Stats(stats) if stats.cpu.is_some_and(|cpu| cpu > 0.0));
    assert!(events.iter().filter(told).count() as f64 >= samples.len() as f64 / 16_000.0 - 1.0, "once a second");
    drop(session);
    let spans: Vec<Span> = traced.iter().collect();
    for stage in [Stage::Arrival, Stage::Detect, Stage::Encode, Stage::Decode, Stage::Align, Stage::Agree] {
        assert!(spans.iter().any(|span| span.stage == stage), "{stage}");
    }
    assert!(spans.iter().all(|span| span.wall_s >= 0.0 && span.start_s >= 0.0 && span.thread_s <= span.wall_s + 1e-3));
    let two = EngineSettings { graph: GraphSettings { threads: 2, ..GraphSettings::default() }, ..EngineSettings::default() };
    let error = Session::builder().engines(Engines::load(&two).unwrap()).pace(Pace::Timed).build().err().unwrap();
    assert!(error.message().contains("2 threads"), "{error}");
}

#[test]
fn speech_is_brought_to_its_end_when_audio_stops_coming() {
    // In the middle of a sentence the program stops pushing, but does not finish.
    let samples = beckett();
    let mut session = Session::builder().engines(engines()).build().unwrap();
    let events = session.events();
    session.push(&samples[..16_000 * 58 / 10]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let ended = loop {
        match events.next_within(Duration::from_millis(100)) {
            Next::Event(event) => {
                if let EventBody::Speech(Speech::End { reason: EndReason::Gap, segment, .. }) = event.body {
                    break segment;
                }
            }
            Next::Nothing => assert!(Instant::now() < deadline, "the open segment was never ended"),
            Next::End => panic!("the session ended by itself"),
        }
    };
    let Next::Event(event) = events.next_within(Duration::from_secs(30)) else { panic!("no final follows") };
    let EventBody::Caption(caption) = event.body else { panic!("{event:?}") };
    assert_eq!((caption.segment, caption.state), (ended, CaptionState::Final));
    session.finish().unwrap();
}

#[test]
fn an_overrun_is_counted_and_times_stay_true_after_it() {
    let samples = beckett();
    let mut session = Session::builder().engines(engines()).push_ring_s(0.5).build().unwrap();
    let events = session.events();
    let meter = session.meter();
    // 2 s at once into a ring of half a second: 1.5 s find no room.
    session.push(&vec![0.0; 32_000]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    for block in samples.chunks(1_600) {
        session.push(block).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    session.finish().unwrap();
    let events: Vec<Event> = events.collect();
    let gaps: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Gap(gap) => Some((gap.start.0, gap.samples, gap.reason)),
            _ => None,
        })
        .collect();
    assert_eq!(gaps, [(8_000, 24_000, GapReason::Overrun)]);
    assert_eq!(meter.dropped(), 24_000);
    // The recording starts at 2 s of the session, the gap included.
    let expected = run_virtual(&samples, 1_600, speech::Settings { partials: false, ..speech::Settings::default() });
    let ends = |events: &[Event]| -> Vec<f64> {
        captions(events).filter(|caption| caption.state == CaptionState::Final).map(|caption| caption.end.seconds()).collect()
    };
    let (found, expected) = (ends(&events), ends(&expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected - 2.0).abs() < 0.1, "{found} is not 2 s after {expected}");
    }
}

#[test]
fn wrong_use_is_an_error_that_says_the_way_out() {
    let mut session =
        Session::builder().engines(engines()).pace(Pace::Virtual).input(Format::new(48_000, 2).unwrap()).build().unwrap();
    assert!(session.push(&[0.0; 3]).unwrap_err().message().contains("whole number of frames"));
    session.finish().unwrap();
    assert!(session.push(&[0.0; 4]).unwrap_err().message().contains("build another"));
    assert!(Session::builder().build().err().unwrap().message().contains("engines"));
    let endless = auricle::speech::EndpointSettings { maximum_s: f64::INFINITY, ..Default::default() };
    let settings = speech::Settings { endpoint: endless, ..speech::Settings::default() };
    let error = Session::builder().engines(engines()).speech(settings).build().err().unwrap();
    assert!(error.message().contains("maximum_s is inf; choose 5 to 30"), "{error}");
    let batch = |batch, partials| speech::Settings { batch, partials, ..speech::Settings::default() };
    for (pace, settings, says) in [
        (Pace::Virtual, batch(0, false), "batch is 0; choose 1 to 64"),
        (Pace::Virtual, batch(65, false), "batch is 65; choose 1 to 64"),
        (Pace::Virtual, batch(2, true), "batch is 2, and captions that roll"),
        (Pace::Live, batch(2, false), "batch is 2; it is for virtual sessions"),
    ] {
        let error = Session::builder().engines(engines()).pace(pace).speech(settings).build().err().unwrap();
        assert!(error.message().contains(says), "{error}");
    }
    let missing = EngineSettings { captions: Some("nosuch".to_owned()), ..EngineSettings::default() };
    let error = Engines::load(&missing).err().unwrap();
    assert!(error.message().contains("moonshine-tiny-en"), "{error}");
    let places = EngineSettings { captions: Some(PathBuf::from("../x").display().to_string()), ..EngineSettings::default() };
    assert!(Engines::load(&places).err().unwrap().message().contains("is not the name of a model"));
}
