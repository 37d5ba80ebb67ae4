//! A microphone without hardware: a private PulseAudio whose null sink is paced in real time and passes every bit.
//!
//! In: a folder of the test's own. Out: a running server, the environment that makes a process use it and nothing else, and a
//! way to play into it. Only the process started here is ever ended.

// Each test that includes this room uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set where a test runs in the environment of its own microphone: the folder for it.
const FOLDER: &str = "AURICLE_TEST_VIRTUAL_MICROPHONE";

/// The PulseAudio source to record from, and its cpal id.
pub const SOURCE: &str = "vmic";
pub const SOURCE_ID: &str = "pulseaudio:vmic";

/// A private PulseAudio with one microphone.
pub struct VirtualMicrophone {
    folder: PathBuf,
    server: Option<Child>,
}

impl VirtualMicrophone {
    /// What is missing on this machine, if anything.
    pub fn missing() -> Option<&'static str> {
        let runs = |program: &str| {
            let quiet = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            quiet.is_ok_and(|status| status.success())
        };
        if !runs("pulseaudio") {
            return Some("pulseaudio is not installed");
        }
        (!runs("paplay")).then_some("paplay (pulseaudio-utils) is not installed")
    }

    /// Whether ALSA's pulse plugin (libasound2-plugins) is installed.
    pub fn has_alsa_plugin() -> bool {
        let name = "alsa-lib/libasound_module_pcm_pulse.so";
        let Ok(entries) = std::fs::read_dir("/usr/lib") else { return false };
        Path::new("/usr/lib").join(name).exists() || entries.flatten().any(|entry| entry.path().join(name).exists())
    }

    /// Starts a server that keeps everything it needs in `folder`.
    pub fn start(folder: &Path) -> Self {
        let mut microphone = Self { folder: folder.to_owned(), server: None };
        let socket = microphone.socket();
        let script = format!(
            "load-module module-native-protocol-unix auth-anonymous=1 socket={socket}\n\
             load-module module-null-sink sink_name=vspk rate=16000 channels=1 format=s16le norewinds=1\n\
             load-module module-remap-source source_name={SOURCE} master=vspk.monitor rate=16000 channels=1 format=s16le\n\
             set-default-sink vspk\n\
             set-default-source {SOURCE}\n",
            socket = socket.display()
        );
        std::fs::write(folder.join("pulse.pa"), script).unwrap();
        let alsa = format!(
            "pcm.!default {{ type pulse server \"unix:{socket}\" device \"{SOURCE}\" }}\nctl.!default {{ type pulse }}\n\
             pcm.nothing {{ type null hint {{ show on description \"Nothing\" }} }}\n",
            socket = socket.display()
        );
        std::fs::write(folder.join("asound.conf"), alsa).unwrap();
        microphone.start_server();
        microphone
    }

    /// The variables under which a process uses this server, through PulseAudio or ALSA, and no other.
    pub fn environment(folder: &Path) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.display().to_string();
        vec![
            ("HOME", text(folder.to_owned())),
            ("XDG_RUNTIME_DIR", text(folder.to_owned())),
            ("PULSE_RUNTIME_PATH", text(folder.to_owned())),
            ("PULSE_SERVER", format!("unix:{}", folder.join("pulse.sock").display())),
            ("ALSA_CONFIG_PATH", text(folder.join("asound.conf"))),
        ]
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("pulse.sock")
    }

    /// Starts the server, at first or after [`kill`](Self::kill).
    pub fn start_server(&mut self) {
        assert!(self.server.is_none(), "the server is running");
        // A server that was killed leaves its socket.
        let _ = std::fs::remove_file(self.socket());
        let log = std::fs::File::create(self.folder.join("pulse.log")).unwrap();
        let mut server = Command::new("pulseaudio")
            .args(["-n", "-F"])
            .arg(self.folder.join("pulse.pa"))
            .args(["--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disallow-exit"])
            .args(["--realtime=no", "--high-priority=no"])
            .envs(Self::environment(&self.folder))
            .env_remove("DISPLAY")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(15);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            let ended = server.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let _ = server.kill();
                let _ = server.wait();
                let log = std::fs::read_to_string(self.folder.join("pulse.log")).unwrap_or_default();
                panic!("pulseaudio did not start ({ended:?}): {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.server = Some(server);
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Stops the server in its tracks, or lets it go on: it neither answers nor hangs up.
    pub fn stall(&self, stalled: bool) {
        let Some(server) = &self.server else { return };
        let signal = if stalled { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &server.id().to_string()]).status().unwrap().success());
    }

    /// Plays a WAV file into the microphone; returns when it is over. 16-bit mono at 16 kHz arrives to the bit.
    pub fn play(&self, wav: &Path) {
        let status = self.start_playing("vspk", wav).wait().unwrap();
        assert!(status.success(), "paplay: {status}");
    }

    /// Starts to play a WAV file into a sink. Whoever starts it waits for it.
    pub fn start_playing(&self, sink: &str, wav: &Path) -> Child {
        Command::new("paplay")
            .arg(format!("--device={sink}"))
            .arg(wav)
            .envs(Self::environment(&self.folder))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Asks the server for something, and gives what it answers.
    pub fn pactl(&self, arguments: &[&str]) -> String {
        let answer = Command::new("pactl").args(arguments).envs(Self::environment(&self.folder)).output().unwrap();
        assert!(answer.status.success(), "pactl {arguments:?}: {}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).unwrap()
    }

    /// Takes every source away, as if the only microphone were unplugged; the server stays.
    pub fn unload_sources(&self) {
        for module in ["module-remap-source", "module-null-sink"] {
            self.pactl(&["unload-module", module]);
        }
    }

    /// Loads a speaker and the microphone that hangs on it: `channels` at `rate_hz`.
    pub fn load_source(&self, sink: &str, source: &str, rate_hz: u32, channels: u16) {
        let format = format!("rate={rate_hz} channels={channels} format=s16le");
        let load = |module: &str, what: String| {
            let arguments: Vec<&str> = ["load-module", module].into_iter().chain(what.split(' ')).collect();
            self.pactl(&arguments);
        };
        load("module-null-sink", format!("sink_name={sink} norewinds=1 {format}"));
        load("module-remap-source", format!("source_name={source} master={sink}.monitor {format}"));
    }
}

impl Drop for VirtualMicrophone {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `body` in a process that has only this microphone: the test `name` (its full path in this binary), started again with
/// the right environment, as that of a running process is not safe to change. Says so and does nothing where PulseAudio is not
/// installed.
pub fn with_virtual_microphone(name: &str, body: impl FnOnce(&mut VirtualMicrophone, &Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = PathBuf::from(folder);
        body(&mut VirtualMicrophone::start(&folder), &folder);
        return;
    }
    if let Some(missing) = VirtualMicrophone::missing() {
        println!("skipped {name}: {missing}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .envs(VirtualMicrophone::environment(folder.path()))
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed with its microphone:\n{said}");
    assert!(said.contains("1 passed"), "{name} is not the name of one test:\n{said}");
    print!("{said}");
}
