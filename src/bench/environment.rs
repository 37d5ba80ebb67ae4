//! Where a run was made: the machine, the runtime and the models.
//!
//! In: what the system tells in /proc and /sys, and the engine settings. Out: [`Environment`]. What cannot be read is left out.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::pipeline::{EngineSettings, Engines};
use crate::runtime;
use crate::store::Model;

/// Clock ticks a second in /proc: 100 on every Linux.
const TICKS: f64 = 100.0;

/// A model that was used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelUsed {
    /// Its name.
    pub name: String,
    /// Where it ran.
    pub provider: String,
    /// Threads of each of its sessions.
    pub threads: usize,
    /// Its files and the sha256 of each.
    pub files: Vec<(String, String)>,
}

/// A machine and what ran on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Version of Auricle.
    pub auricle: String,
    /// Commit it was built from, where the build was told (`AURICLE_COMMIT`).
    pub commit: Option<String>,
    /// Whether it was built for speed.
    pub optimised: bool,
    /// Model of the processor.
    pub cpu: Option<String>,
    /// Cores that may be used.
    pub cores: Option<usize>,
    /// Governor of the first core's frequency.
    pub governor: Option<String>,
    /// Load average of the last minute when the run began.
    pub load: Option<f64>,
    /// Kernel.
    pub kernel: Option<String>,
    /// ONNX Runtime, as it tells its build.
    pub onnxruntime: Option<String>,
    /// Models.
    pub models: Vec<ModelUsed>,
}

impl Environment {
    /// This machine, now, with what `engines` loaded.
    pub fn now(settings: &EngineSettings, engines: &Engines) -> Self {
        let model = |used: &crate::event::ModelInUse| {
            let files = Model::open(&settings.places, &used.model).map(|model| {
                let entry = |entry: &crate::store::FileEntry| (entry.path.display().to_string(), entry.sha256.clone());
                model.manifest().files.iter().filter(|entry| entry.role != "sample").map(entry).collect()
            });
            ModelUsed {
                name: used.model.to_string(),
                provider: used.provider.to_string(),
                threads: used.threads,
                files: files.unwrap_or_default(),
            }
        };
        let models = engines.models().iter().map(model).collect();
        Self { onnxruntime: runtime::version(), models, ..Self::of_machine() }
    }

    /// This machine, now.
    pub fn of_machine() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok();
        let cpu = cpuinfo.as_deref().and_then(|text| {
            let line = text.lines().find(|line| ["model name", "Model", "Hardware"].iter().any(|key| line.starts_with(key)))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        Self {
            auricle: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("AURICLE_COMMIT").map(str::to_owned),
            optimised: !cfg!(debug_assertions),
            cpu,
            cores: std::thread::available_parallelism().ok().map(Into::into),
            governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            load: line("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
            kernel: line("/proc/sys/kernel/osrelease"),
            onnxruntime: None,
            models: Vec::new(),
        }
    }
}

/// Processor seconds this process has used, to 10 ms, where /proc tells.
pub fn process_cpu_s() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Fields 14 and 15, counted after the program's name, which may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_about_itself() {
        let environment = Environment::of_machine();
        assert_eq!(environment.auricle, env!("CARGO_PKG_VERSION"));
        if cfg!(target_os = "linux") {
            assert!(environment.kernel.is_some());
            let before = process_cpu_s().unwrap();
            assert!(before >= 0.0 && process_cpu_s().unwrap() >= before);
        }
    }
}
