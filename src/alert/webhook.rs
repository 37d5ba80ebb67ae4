//! Posts an event to an address.
//!
//! In: an address and JSON. Out: whether it was taken, or why not. The answer's body is not read; redirects are not followed, so
//! that what was heard goes where the user said and nowhere else.

use std::thread;
use std::time::{Duration, Instant};

use ureq::Agent;

/// Waits between tries: three tries in all.
const BACK_OFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
const LOOK: Duration = Duration::from_millis(20);
/// An answer's headers are no longer.
const HEADERS_LIMIT_BYTES: usize = 16 * 1024;

/// What posts. Clones share nothing that one slow server could use up.
#[derive(Clone, Debug)]
pub(super) struct Webhook(Agent);

/// How a try went.
enum Tried {
    Taken,
    Again(String),
    Refused(String),
}

impl Webhook {
    /// Each request, from looking up the name to the answer's headers, has `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(limit))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(HEADERS_LIMIT_BYTES)
            .max_idle_connections(0)
            .user_agent(concat!("auricle/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.new_agent())
    }

    /// Posts `json` to `url`; again after one and four seconds where the server is not there or says that it is at fault.
    ///
    /// # Errors
    /// Why it was not taken, in one line.
    pub(super) fn post(&self, url: &str, json: &str, stopping: &dyn Fn() -> bool) -> Result<(), String> {
        let mut waits = BACK_OFF.iter();
        loop {
            let why = match self.attempt(url, json) {
                Tried::Taken => return Ok(()),
                Tried::Refused(why) => return Err(why),
                Tried::Again(why) => why,
            };
            let Some(wait) = waits.next() else { return Err(why) };
            let until = Instant::now() + *wait;
            while Instant::now() < until {
                if stopping() {
                    return Err(why);
                }
                thread::sleep(LOOK);
            }
        }
    }

    fn attempt(&self, url: &str, json: &str) -> Tried {
        // The address may hold a secret: it is named by its host alone.
        let host = url.parse::<ureq::http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
        match self.0.post(url).content_type("application/json").send(json) {
            Ok(answer) => match answer.status().as_u16() {
                200..=299 => Tried::Taken,
                status @ (408 | 429 | 500..) => Tried::Again(format!("{host}: answered {status}")),
                status @ 300..=399 => Tried::Refused(format!("{host}: answered {status}; redirects are not followed")),
                status => Tried::Refused(format!("{host}: answered {status}")),
            },
            Err(error) => Tried::Again(format!("{host}: {error}")),
        }
    }
}
