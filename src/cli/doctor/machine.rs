//! What `auricle doctor` finds about the program, the machine, the settings and the places to write to.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::Result;

use super::super::args::Doctor;
use super::super::config::Reading;
use super::report::Report;

/// Version, and what it was built for.
pub fn program(report: &mut Report) -> Result<()> {
    let (version, arch, system) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let found = format!("auricle {version} for {arch} {system}; {cores} processor{}", if cores == 1 { "" } else { "s" });
    if cfg!(debug_assertions) {
        return report.note("program", &format!("{found}; a development build, slower than the release"));
    }
    report.ok("program", &found)
}

/// The instructions on which the speed of 8-bit models depends.
pub fn processor(report: &mut Report) -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    let (has, name, without) = {
        let vnni = std::is_x86_feature_detected!("avxvnni") || std::is_x86_feature_detected!("avx512vnni");
        match (vnni, std::is_x86_feature_detected!("avx2")) {
            (true, _) => (true, "AVX VNNI", ""),
            (false, true) => (true, "AVX2, no VNNI", ""),
            (false, false) => (false, "AVX2", "8-bit models take several times as long"),
        }
    };
    #[cfg(target_arch = "aarch64")]
    let (has, name, without) =
        (std::arch::is_aarch64_feature_detected!("dotprod"), "dot product", "8-bit models take about twice as long");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let (has, name, without) = (false, "vector instructions that are known here", "nothing is known of the speed of models");
    match has {
        true => report.ok("processor", &format!("has {name}")),
        false => report.note("processor", &format!("has no {name}: {without}; --preset low-power asks less of it")),
    }
}

/// The file of settings, and whether it is understood.
pub fn settings(report: &mut Report, reading: &Reading) -> Result<()> {
    match &reading.file {
        Err(wrong) => report.problem("settings", &format!("{}; until then the rest is checked without settings", wrong.0)),
        Ok(Some(file)) => match file.alerts().settings() {
            Ok(alerts) => {
                let of = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
                let mut counted = of(file.entries.len(), "key");
                if !alerts.alerts.is_empty() {
                    counted.push_str(&format!(" and {}", of(alerts.alerts.len(), "alert")));
                }
                report.ok("settings", &format!("{}: {counted}, all understood", file.path.display()))
            }
            Err(error) => report.problem("settings", &format!("{error}; until then listen does not begin")),
        },
        Ok(None) => match reading.search.places.first() {
            Some(place) => report.ok("settings", &format!("no file, as by default; it would be {}", place.display())),
            None => report.ok("settings", &format!("no file, as {} says", reading.search.named_by.unwrap_or("--config"))),
        },
    }
}

/// Whether audio may be given priority over other programs. Auricle's rings bear that it is not.
pub fn real_time(report: &mut Report) -> Result<()> {
    let Ok(limits) = fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    let line = limits.lines().find_map(|line| line.strip_prefix("Max realtime priority"));
    match line.and_then(|line| line.split_whitespace().next()) {
        None => Ok(()),
        Some("0") => report.note(
            "real time",
            "this user may not give audio priority; captions bear that, a machine that is very busy may lose some audio, and says so",
        ),
        Some(most) => report.ok("real time", &format!("this user may give audio priority, up to {most}")),
    }
}

/// The folders that commands write to.
pub fn places(report: &mut Report, arguments: &Doctor, reading: &Reading) -> Result<()> {
    match arguments.run.places().for_adding() {
        Ok(folder) => writable(report, "your models", folder, "'auricle models add'")?,
        Err(error) => report.note("your models", error.message())?,
    }
    match reading.search.places.first().and_then(|place| place.parent()) {
        // A file that is named without a folder is in this one.
        Some(folder) if folder.as_os_str().is_empty() => Ok(()),
        Some(folder) if reading.search.named_by.is_none() => {
            writable(report, "your settings", folder, "'auricle config --example'")
        }
        _ => Ok(()),
    }
}

/// Whether files can be made in `folder`, or where it would be made: by making one.
fn writable(report: &mut Report, subject: &str, folder: &Path, needed_by: &str) -> Result<()> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    let probe = there.join(format!(".auricle-doctor-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&probe).and_then(|mut file| file.write_all(b"auricle"));
    // It may have been made and not filled: a full disk.
    let _ = fs::remove_file(&probe);
    let shown = folder.display();
    match made {
        Ok(()) if there == folder => report.ok(subject, &format!("{shown}: can be written")),
        Ok(()) => report.ok(subject, &format!("{shown}: is not there, and can be made")),
        Err(error) => {
            let what = if there == folder { "cannot be written" } else { "cannot be made" };
            let way_out = "make it writable for this user, or name another";
            report.problem(subject, &format!("{shown}: {what}, which {needed_by} needs: {}: {error}; {way_out}", there.display()))
        }
    }
}
