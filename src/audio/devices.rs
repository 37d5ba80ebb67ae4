//! Which microphones there are, and which one is meant.
//!
//! In: the audio hosts (PulseAudio, ALSA), and a host, id or name that a person gave. Out: a list, or the one device.

use std::fmt;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{DeviceId, HostId};

use super::alsa_messages;
use super::pcm::Format;
use crate::error::{Error, ErrorKind, Result};

/// How long the hosts may take to say what they have: a stalled audio server answers never.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// A way to the sound hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostChoice {
    /// The sound server, PulseAudio or PipeWire in its place: shares the microphone with other programs.
    PulseAudio,
    /// The kernel's own interface.
    Alsa,
}

impl HostChoice {
    /// In the order in which they are tried.
    pub const ALL: [Self; 2] = [Self::PulseAudio, Self::Alsa];

    /// The name on the command line and in device ids.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PulseAudio => "pulseaudio",
            Self::Alsa => "alsa",
        }
    }

    fn open(self) -> Result<cpal::Host> {
        // By name, as the variants of `HostId` exist only where their host does.
        let id = HostId::from_str(self.as_str()).map_err(|error| device_error(self, "is not part of this build", &error))?;
        cpal::host_from_id(id).map_err(|error| device_error(self, "does not answer", &error))
    }
}

impl fmt::Display for HostChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HostChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|host| host.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("audio host is {text:?}; expected pulseaudio or alsa")))
    }
}

/// A device that can record.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// Where it was found.
    pub host: HostChoice,
    /// What names it for good: `pulseaudio:alsa_input.usb-...`, `alsa:plughw:CARD=U192k,DEV=0`.
    pub id: String,
    /// What names it for people; not always unique.
    pub name: String,
    /// Whether it is what its host records from by default.
    pub default: bool,
    /// The format it records in, where the host tells without opening it.
    pub format: Option<Format>,
}

/// Every device that can record, of every host that answers. The first that is `default` is the one used when none is named.
///
/// # Errors
/// [`ErrorKind::Device`] when no host answers within 10 s, saying why for each.
pub fn list() -> Result<Vec<DeviceInfo>> {
    let (answer, answered) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("list-devices".into()).spawn(move || {
        let _ = answer.send(alsa_messages::logged(list_now));
    });
    spawned.map_err(|error| Error::new(ErrorKind::Io, format!("cannot start a thread to list devices: {error}")))?;
    answered.recv_timeout(LIST_TIMEOUT).unwrap_or_else(|_| {
        let message = format!("the audio hosts did not list their devices within {} s; restart them", LIST_TIMEOUT.as_secs());
        Err(Error::new(ErrorKind::Device, message))
    })
}

fn list_now() -> Result<Vec<DeviceInfo>> {
    let mut list = Vec::new();
    let mut failures = Vec::new();
    for host in HostChoice::ALL {
        match of_host(host) {
            Ok(devices) => list.extend(devices),
            Err(error) => failures.push(error.message().to_owned()),
        }
    }
    if failures.len() == HostChoice::ALL.len() {
        return Err(Error::new(ErrorKind::Device, failures.join("; ")));
    }
    Ok(list)
}

/// Every device of `host` that can record. May hang where a sound server has stalled: call it where it can be left behind.
///
/// # Errors
/// [`ErrorKind::Device`] when the host is not there, does not answer, or cannot list.
pub fn of_host(host: HostChoice) -> Result<Vec<DeviceInfo>> {
    let found = host.open().and_then(|opened| inputs(host, &opened))?;
    Ok(found.into_iter().map(Found::info).collect())
}

/// A device that was found.
pub(super) struct Found {
    pub device: cpal::Device,
    pub host: HostChoice,
    pub id: String,
    pub name: String,
    pub default: bool,
}

impl Found {
    fn new(host: HostChoice, device: cpal::Device, default: bool) -> Option<Self> {
        let id = device.id().ok()?.to_string();
        let name = device.description().map_or_else(|_| id.clone(), |description| description.name().to_owned());
        Some(Self { device, host, id, name, default })
    }

    fn info(self) -> DeviceInfo {
        // ALSA would have to open the device, which takes it from others and writes to stderr.
        let format = match self.host {
            HostChoice::PulseAudio => self.device.default_input_config().ok(),
            HostChoice::Alsa => None,
        };
        let format = format.and_then(|config| Format::new(config.sample_rate(), config.channels()).ok());
        DeviceInfo { host: self.host, id: self.id, name: self.name, default: self.default, format }
    }

    /// The part of the id after the host.
    fn local_id(&self) -> &str {
        self.id.split_once(':').map_or(&self.id, |(_, local)| local)
    }
}

/// The device that is meant: by `wanted`, which is an id, an id without its host, or a name or part of one (in any case);
/// without it the default device. Without `host`, PulseAudio is asked first, then ALSA.
///
/// # Errors
/// [`ErrorKind::Device`] when no host answers or none has a device, [`ErrorKind::NotFound`] when no device is called that,
/// [`ErrorKind::InvalidInput`] when several are; both list what there is.
pub(super) fn find(host: Option<HostChoice>, wanted: Option<&str>) -> Result<Found> {
    let named = wanted.and_then(|wanted| wanted.split_once(':')).and_then(|(prefix, _)| HostChoice::from_str(prefix).ok());
    let hosts = match host.or(named) {
        Some(host) => vec![host],
        None => HostChoice::ALL.to_vec(),
    };
    let mut failures = Vec::new();
    let mut seen = Vec::new();
    for host in hosts {
        let opened = match host.open() {
            Ok(opened) => opened,
            Err(error) => {
                failures.push(error.message().to_owned());
                continue;
            }
        };
        let Some(wanted) = wanted else {
            match opened.default_input_device().and_then(|device| Found::new(host, device, true)) {
                Some(found) => return Ok(found),
                None => failures.push(format!("{host} has no device to record from")),
            }
            continue;
        };
        if let Some(found) = by_id(host, &opened, wanted) {
            return Ok(found);
        }
        match inputs(host, &opened) {
            Ok(devices) => match choose(devices, wanted)? {
                (Some(found), _) => return Ok(found),
                (None, ids) => seen.extend(ids),
            },
            Err(error) => failures.push(error.message().to_owned()),
        }
    }
    match wanted {
        Some(wanted) if !seen.is_empty() => {
            let message = format!("no device that records is called {wanted:?}; there are: {}", seen.join(", "));
            Err(Error::new(ErrorKind::NotFound, message))
        }
        _ => {
            let message = format!("no microphone: {}; plug one in, or start the sound server", failures.join("; "));
            Err(Error::new(ErrorKind::Device, message))
        }
    }
}

/// The device with this id, as the host spells it or without the host in front.
fn by_id(host: HostChoice, opened: &cpal::Host, wanted: &str) -> Option<Found> {
    let local = wanted.strip_prefix(host.as_str()).and_then(|rest| rest.strip_prefix(':')).unwrap_or(wanted);
    let id = DeviceId::new(HostId::from_str(host.as_str()).ok()?, local);
    // Whether it records is seen on opening it: ALSA does not know of all.
    Found::new(host, opened.device_by_id(&id)?, false)
}

/// The devices of `host` that say they record, the default one first where the host does not list it.
fn inputs(host: HostChoice, opened: &cpal::Host) -> Result<Vec<Found>> {
    let default = opened.default_input_device().and_then(|device| Found::new(host, device, true));
    let devices = opened.input_devices().map_err(|error| device_error(host, "cannot list its devices", &error))?;
    let is_default = |found: &Found| default.as_ref().is_some_and(|default| default.id == found.id);
    let mut list: Vec<Found> = devices
        .filter_map(|device| Found::new(host, device, false))
        .map(|found| Found { default: is_default(&found), ..found })
        .collect();
    if let Some(default) = default.filter(|_| !list.iter().any(|found| found.default)) {
        list.insert(0, default);
    }
    Ok(list)
}

/// The one of `devices` that `wanted` names (all of its id or name, or else part of one), if any, and the ids of the others.
fn choose(devices: Vec<Found>, wanted: &str) -> Result<(Option<Found>, Vec<String>)> {
    let wanted_lower = wanted.to_lowercase();
    let same = |found: &Found| [&found.id, found.local_id(), &found.name].iter().any(|text| text.to_lowercase() == wanted_lower);
    let part = |found: &Found| [&found.id, &found.name].iter().any(|text| text.to_lowercase().contains(&wanted_lower));
    let exact = devices.iter().any(same);
    let (mut matches, others): (Vec<_>, Vec<_>) =
        devices.into_iter().partition(|found| if exact { same(found) } else { part(found) });
    // ALSA lists one card under many names; the one that converts only what it must stands for them all.
    if matches.len() > 1 && matches.iter().all(|found| found.host == HostChoice::Alsa && found.name == matches[0].name) {
        let best = matches.iter().position(|found| found.local_id().starts_with("plughw:")).unwrap_or(0);
        matches = vec![matches.swap_remove(best)];
    }
    if matches.len() > 1 {
        let ids: Vec<_> = matches.iter().map(|found| format!("{} ({})", found.id, found.name)).collect();
        let message = format!("several devices are called {wanted:?}; choose one by its id: {}", ids.join(", "));
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok((matches.pop(), others.into_iter().map(|found| found.id).collect()))
}

/// An error of a host or of one of its devices.
fn device_error(host: HostChoice, what: &str, error: &cpal::Error) -> Error {
    Error::new(ErrorKind::Device, format!("{host} {what} ({error})"))
}
