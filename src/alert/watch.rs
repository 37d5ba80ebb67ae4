//! Which event is an alert: labels, scores, cooldowns.
//!
//! In: events in order. Out: the numbers of the alerts that each one sets off. A pure state machine on the session's own clock.

use super::settings::{Alert, Settings};
use crate::event::{Event, EventBody, Sound, SoundState};
use crate::sound::Vocabulary;

/// Sounds going on that an alert remembers having come for; a session has fewer open at a time.
const REMEMBERED: usize = 64;

/// What each alert has seen.
#[derive(Debug)]
pub(super) struct Watch {
    vocabulary: Vocabulary,
    alerts: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    alert: Alert,
    /// When it came last, seconds of the session.
    came_s: Option<f64>,
    /// The sounds going on for which it came.
    told: Vec<u64>,
}

impl Watch {
    pub(super) fn new(settings: &Settings, vocabulary: Vocabulary) -> Self {
        let watched = |alert: &Alert| Watched { alert: alert.clone(), came_s: None, told: Vec::new() };
        Self { vocabulary, alerts: settings.alerts.iter().map(watched).collect() }
    }

    /// The alert of a number.
    pub(super) fn alert(&self, number: usize) -> &Alert {
        &self.alerts[number].alert
    }

    /// The sound of `event`, if it is one, and the alerts it sets off.
    ///
    /// An alert comes once a sound. A sound that began while the alert was cooling down, and goes on, sets it off afterwards:
    /// an alarm is not to be missed because another came shortly before.
    pub(super) fn take<'a>(&mut self, event: &'a Event) -> Option<(&'a Sound, Vec<usize>)> {
        let EventBody::Sound(sound) = &event.body else { return None };
        let mut set_off = Vec::new();
        for (number, watched) in self.alerts.iter_mut().enumerate() {
            if sound.state == SoundState::End {
                watched.told.retain(|told| *told != sound.event);
                continue;
            }
            let Alert { label, min_score, cooldown_s, .. } = &watched.alert;
            let is_new = !watched.told.contains(&sound.event);
            let cool = watched.came_s.is_none_or(|came_s| event.emitted - came_s >= *cooldown_s);
            if is_new && cool && sound.score >= *min_score && self.vocabulary.covers(label, &sound.label, &sound.id) {
                watched.came_s = Some(event.emitted);
                watched.told.push(sound.event);
                if watched.told.len() > REMEMBERED {
                    watched.told.remove(0);
                }
                set_off.push(number);
            }
        }
        Some((sound, set_off))
    }
}
