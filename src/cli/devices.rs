//! `auricle devices`: what there is to listen to.

use std::process::ExitCode;

use anyhow::{Result, bail};
use auricle::audio::devices;

use super::table;

const HEADINGS: [&str; 5] = ["", "HOST", "ID", "FORMAT", "NAME"];

/// Runs the command. That there is no device is an error: nothing can be listened to.
pub fn run() -> Result<ExitCode> {
    let devices = devices::list()?;
    let Some(first) = devices.iter().position(|device| device.default).or((!devices.is_empty()).then_some(0)) else {
        bail!("no device that records; plug a microphone in, or start the sound server");
    };
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    rows.extend(devices.iter().enumerate().map(|(index, device)| {
        let mark = if index == first { "*" } else { "" };
        let format = device.format.map(|format| format.to_string()).unwrap_or_default();
        vec![mark.to_owned(), device.host.to_string(), device.id.clone(), format, device.name.clone()]
    }));
    let text = table::lined_up(&rows);
    table::print(&format!("{text}\n* is listened to when no other is named: auricle listen --device ID-or-name\n"))?;
    Ok(ExitCode::SUCCESS)
}
