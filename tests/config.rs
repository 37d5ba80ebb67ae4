//! Settings as a user meets them: file, environment and flags in their order of strength, errors that name the place, and pages that
//! know every flag.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Ended, Program, auricle, recording};

/// A home of its own, empty, with a program in it that knows no other.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file of settings where it is looked for.
    fn settings(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(".config/auricle/auricle.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = auricle();
        command.env_remove("AURICLE_CONFIG");
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AURICLE_"));
        ours.for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.env("HOME", self.folder.path()).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Program::start(&mut self.command(arguments)).finish()
    }

    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
        Program::start(self.command(arguments).envs(variables.iter().copied())).finish()
    }

    /// Value and origin of `key` as `auricle config` shows them.
    fn shown(&self, variables: &[(&str, &str)], arguments: &[&str], key: &str) -> (String, String) {
        let ended = self.run_with(variables, &[&["config"], arguments].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        row(&ended, key)
    }

    /// Fails unless the program refuses its settings with one line that has all of `parts`.
    fn assert_refuses(&self, variables: &[(&str, &str)], arguments: &[&str], parts: &[&str]) {
        let ended = self.run_with(variables, arguments);
        assert_eq!((ended.code, ended.lines.len()), (Some(2), 0), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with("auricle: ") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "'{part}' is not in: {}", ended.stderr);
        }
    }
}

fn row(ended: &Ended, key: &str) -> (String, String) {
    let line = ended.lines.iter().find(|line| line.split_whitespace().next() == Some(key));
    let line = line.unwrap_or_else(|| panic!("no {key} in {ended:?}"));
    let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    (cells[1].to_owned(), cells[2].to_owned())
}

fn pair(value: &str, origin: &str) -> (String, String) {
    (value.to_owned(), origin.to_owned())
}

#[test]
fn flags_go_before_variables_and_these_before_tables_and_the_top_of_the_file() {
    let home = Home::new();
    assert_eq!(home.shown(&[], &[], "threads"), pair("1", "default"));
    home.settings("# mine\nthreads = 2\n[listen]\npreset = 'low-power'\n");
    assert_eq!(home.shown(&[], &[], "threads"), pair("2", "auricle.toml:2"));
    assert_eq!(home.shown(&[], &["transcribe"], "threads"), pair("2", "auricle.toml:2"));
    assert_eq!(home.shown(&[], &[], "preset"), pair("low-power", "auricle.toml:4"));
    home.settings("threads = 2\n[listen]\nthreads = 3\n");
    assert_eq!(home.shown(&[], &[], "threads"), pair("3", "auricle.toml:3"));
    assert_eq!(home.shown(&[], &["transcribe"], "threads"), pair("2", "auricle.toml:1"));
    let variable = [("AURICLE_THREADS", "4")];
    assert_eq!(home.shown(&variable, &[], "threads"), pair("4", "AURICLE_THREADS"));
    assert_eq!(home.shown(&variable, &["listen", "--threads", "5"], "threads"), pair("5", "--threads"));
    assert_eq!(home.shown(&[], &["--threads", "5"], "threads"), pair("5", "--threads"));
    // An empty variable says nothing.
    assert_eq!(home.shown(&[("AURICLE_THREADS", "")], &[], "threads"), pair("3", "auricle.toml:3"));
    // The other '--model' is another setting.
    home.settings("model = 'moonshine-base-en'\n");
    assert_eq!(home.shown(&[], &["transcribe"], "model").0, "moonshine-base-en");
    assert_eq!(home.shown(&[], &["tag"], "model"), pair("not set", "default"));
    assert_eq!(home.shown(&[("AURICLE_TAG_MODEL", "other")], &["tag"], "model"), pair("other", "AURICLE_TAG_MODEL"));
}

#[test]
fn every_kind_of_value_can_be_written() {
    let home = Home::new();
    home.settings(
        "verbose = 2\ndeny-sound = ['Music', \"Male speech, man speaking\"]\nchannel = 2\nsound-start = 0.7\n\
         models-dir = '~/models'\n[transcribe]\npartials = true\n",
    );
    assert_eq!(home.shown(&[], &[], "verbose").0, "2");
    assert_eq!(home.shown(&[], &[], "deny-sound").0, "Music; Male speech, man speaking");
    assert_eq!(home.shown(&[], &[], "channel").0, "2");
    assert_eq!(home.shown(&[], &[], "sound-start").0, "0.7");
    assert_eq!(home.shown(&[], &[], "models-dir").0, home.path("models").to_str().unwrap());
    assert_eq!(home.shown(&[], &["transcribe"], "partials"), pair("true", "auricle.toml:7"));
    assert_eq!(home.shown(&[], &["transcribe", "--no-partials"], "partials"), pair("false", "--no-partials"));
    assert_eq!(home.shown(&[("AURICLE_PARTIALS", "0")], &["transcribe"], "partials").0, "false");
    let labels = [("AURICLE_DENY_SOUND", "Male speech, man speaking; Music")];
    assert_eq!(home.shown(&labels, &[], "deny-sound"), pair("Male speech, man speaking; Music", "AURICLE_DENY_SOUND"));
    // The library reads this one itself, and looks at other places too: it goes before the only folder of the file.
    assert_eq!(home.shown(&[("AURICLE_MODELS", "/m")], &[], "models-dir"), pair("/m", "AURICLE_MODELS"));
}

#[test]
fn what_excludes_a_weaker_setting_goes_before_it() {
    let home = Home::new();
    home.settings("quiet = true\n[listen]\ndevice = 'Table'\n");
    assert_eq!(home.shown(&[], &["listen", "--input", "a.wav"], "device"), pair("not set", "default"));
    assert_eq!(home.shown(&[("AURICLE_INPUT", "a.wav")], &[], "device"), pair("not set", "default"));
    assert_eq!(home.shown(&[], &["listen", "-v"], "quiet"), pair("false", "default"));
    assert_eq!(home.shown(&[("AURICLE_VERBOSE", "1")], &["listen", "--quiet"], "verbose"), pair("0", "default"));
    // A file whose name says its format, and a format from the file that was meant for the terminal.
    home.settings("format = 'jsonl'\n");
    assert_eq!(home.shown(&[], &["listen", "--output", "talk.txt"], "format"), pair("not set", "default"));
    assert_eq!(home.shown(&[], &["listen", "--output", "-"], "format").0, "jsonl");
    home.settings("[listen]\ndevice = 'Table'\ninput = 'a.wav'\n");
    home.assert_refuses(&[], &["listen"], &["listen.input (line 3)", "listen.device (line 2)", "exclude each other"]);
}

#[test]
fn errors_name_line_column_key_and_value() {
    let home = Home::new();
    let refused: [(&str, &[&str]); 17] = [
        ("[listen]\npreset = 'fast'\n", &[":2:10: listen.preset is 'fast'", "default or low-power"]),
        ("[listen]\n  presett = 'x'\n", &[":2:3: there is no key presett in [listen]", "did you mean preset?"]),
        ("# é\nformat = 'xml'\n", &[":2:10: format is 'xml'", "pretty, text"]),
        ("threads = 0\n", &[":1:11: threads is 0", "1..=256"]),
        ("threads = 'many'\n", &[":1:11: threads is 'many'; expected a number"]),
        ("provider = \"gpu\"\n", &[":1:12: provider is \"gpu\"", "cpu"]),
        ("quiet = 'yes'\n", &[":1:9: quiet is 'yes'; expected true or false, without quotes"]),
        ("verbose = 999\n", &[":1:11: verbose is 999; expected a whole number"]),
        ("sounds = false\n", &[":1:10: sounds is false; expected text in quotes"]),
        ("deny-sound = ['Dog', 7.5, 1979-05-27]\n", &[":1:27: deny-sound is 1979-05-27; that is a date"]),
        ("model = ['a', 'b']\n", &[":1:9: model is ['a', 'b']; expected a single value"]),
        ("sound-start = 1.5\n", &[":1:15: sound-start is 1.5", "at most 1"]),
        ("preset = 'default'\npreset = 'default'\n", &[":2:1: duplicate key"]),
        ("[lissten]\nhost = 'alsa'\n", &[":1:2: there is no table [lissten]", "did you mean [listen]?"]),
        ("[sound]\n", &[":1:2: there is no table [sound]", "[[alert]]"]),
        ("[transcribe]\npreset = 'default'\n", &[":2:1: there is no key preset in [transcribe]", "belongs in [listen]"]),
        ("a = [1,\n\n", &["auricle.toml:", "array"]),
    ];
    for (text, parts) in refused {
        let path = home.settings(text);
        // The key of another command is wrong for this one's table whatever the command is.
        let name = path.to_str().unwrap();
        home.assert_refuses(&[], &["listen", "--input", "nowhere.wav"], &[&[name], parts].concat());
    }
    // A column is a character, not a byte.
    home.settings("'é' = 1\n\"ключ\" = 2\n");
    home.assert_refuses(&[], &["listen"], &[":1:1: there is no key é"]);
    home.settings("device = 'Mikrofón', x = 1\n");
    home.assert_refuses(&[], &["listen"], &[":1:20: "]);
    home.settings("alert = 3\n");
    home.assert_refuses(&[], &["listen"], &[":1:1: alert is an array of tables", "[[alert]]"]);
    // Another command's values are shown to be wrong by 'config'.
    home.settings("[tag]\nthreads = 0\n");
    let ended = home.run(&["config"]);
    assert_eq!((ended.code, ended.stderr.contains(":2:11: tag.threads is 0")), (Some(1), true), "{ended:?}");
}

#[test]
fn a_wrong_variable_is_named() {
    let home = Home::new();
    for (name, value, part) in [
        ("AURICLE_THREADS", "none", "expected a number"),
        ("AURICLE_PRESET", "fast", "default or low-power"),
        ("AURICLE_QUIET", "perhaps", "expected true or false"),
        ("AURICLE_SILENCE_S", "9", "0.3 to 5 seconds"),
    ] {
        home.assert_refuses(&[(name, value)], &["listen"], &[&format!("{name} is \"{value}\""), part]);
    }
    let ended = home.run_with(&[("AURICLE_PRESTE", "low-power")], &["config"]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.lines.iter().any(|line| line.contains("AURICLE_PRESTE is set") && line.contains("AURICLE_PRESET?")),
        "{ended:?}"
    );
}

#[test]
fn the_file_is_looked_for_where_it_was_named_then_in_the_home_and_never_in_the_current_folder() {
    let home = Home::new();
    fs::write(home.path("auricle.toml"), "threads = 9\n").unwrap();
    assert_eq!(home.shown(&[], &[], "threads").1, "default", "the current folder is not looked at");
    home.settings("threads = 2\n");
    fs::create_dir_all(home.path("xdg/auricle")).unwrap();
    fs::write(home.path("xdg/auricle/auricle.toml"), "threads = 3\n").unwrap();
    fs::write(home.path("named.toml"), "threads = 4\n").unwrap();
    fs::write(home.path("flag.toml"), "threads = 5\n").unwrap();
    let xdg = home.path("xdg");
    let xdg = ("XDG_CONFIG_HOME", xdg.to_str().unwrap());
    let named = ("AURICLE_CONFIG", "named.toml");
    assert_eq!(home.shown(&[], &[], "threads").0, "2");
    assert_eq!(home.shown(&[xdg], &[], "threads").0, "3");
    assert_eq!(home.shown(&[xdg, named], &[], "threads"), pair("4", "named.toml:1"));
    assert_eq!(home.shown(&[xdg, named], &["listen", "--config", "flag.toml"], "threads").0, "5");
    assert_eq!(home.shown(&[named], &["--config", "flag.toml"], "threads").0, "5");
    assert_eq!(home.shown(&[named], &["listen", "--config", "none"], "threads").0, "1");
    assert_eq!(home.shown(&[("AURICLE_CONFIG", "")], &[], "threads").0, "1");
    // A relative folder is not what the specification allows.
    assert_eq!(home.shown(&[("XDG_CONFIG_HOME", "xdg")], &[], "threads").0, "2");
    home.assert_refuses(&[("AURICLE_CONFIG", "/no/such.toml")], &["listen"], &["/no/such.toml: not there", "AURICLE_CONFIG"]);
    home.assert_refuses(&[], &["listen", "--config", "/no/such.toml"], &["/no/such.toml: not there", "--config", "none"]);
}

#[test]
fn files_that_are_none_are_refused() {
    let home = Home::new();
    home.settings(b"# fine\nmodel = 'na\xefve'\n");
    home.assert_refuses(&[], &["listen"], &["auricle.toml:2:12: is not UTF-8"]);
    home.settings("# long\n".repeat(150_000));
    home.assert_refuses(&[], &["listen"], &["longer than settings may be, 1 MiB"]);
    home.settings(format!("a = {}", "[".repeat(200_000)));
    home.assert_refuses(&[], &["listen"], &["auricle.toml:1:"]);
    home.assert_refuses(&[], &["listen", "--config", home.path("").to_str().unwrap()], &["is a folder"]);
    home.assert_refuses(&[], &["listen", "--config", "/dev/zero"], &["/dev/zero: is no plain file"]);
    home.settings("\u{feff}threads = 2\r\n[listen]\r\npreset = 'low-power'\r\n");
    assert_eq!(home.shown(&[], &[], "preset"), pair("low-power", "auricle.toml:3"), "a byte order mark and CRLF are no error");
}

#[test]
fn help_and_measurements_take_nothing_from_settings() {
    let home = Home::new();
    home.settings("this is no TOML");
    assert_eq!(home.run(&["--help"]).code, Some(0));
    assert_eq!(home.run(&["listen", "--help"]).code, Some(0));
    assert_eq!(home.run(&["generate", "completions", "bash"]).code, Some(0));
    let ended = home.run_with(&[("AURICLE_QUIET", "perhaps")], &["bench", "report", "/no/such.jsonl"]);
    assert!(ended.stderr.contains("/no/such.jsonl") && !ended.stderr.contains("auricle.toml"), "{ended:?}");
}

#[test]
fn commands_do_what_the_settings_say() {
    let home = Home::new();
    let beckett = recording("beckett.wav");
    let beckett = beckett.to_str().unwrap();
    home.settings("format = 'jsonl'\nsounds = 'off'\n");
    let ended = home.run(&["transcribe", beckett]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(!ended.lines.is_empty() && ended.lines.iter().all(|line| line.starts_with('{') && !line.contains("\"sound\"")));
    let ended = home.run_with(&[("AURICLE_FORMAT", "text")], &["transcribe", beckett]);
    assert!(ended.code == Some(0) && ended.lines.iter().all(|line| !line.starts_with('{')), "{ended:?}");
}

#[test]
fn sounds_are_shown_and_kept_quiet_by_name() {
    let home = Home::new();
    let beckett = recording("beckett.wav");
    let hears = |settings: &str, arguments: &[&str]| {
        home.settings(settings);
        let ended = home.run(&[&["tag", "--format", "jsonl"], arguments, &[beckett.to_str().unwrap()]].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        ended.lines.iter().any(|line| line.contains("\"label\":\"Speech\""))
    };
    assert!(!hears("", &[]), "speech is captions");
    assert!(hears("", &["--allow-sound", "Speech"]));
    assert!(hears("allow-sound = ['Speech']\n", &[]));
    assert!(!hears("allow-sound = ['Speech']\ndeny-sound = ['Speech']\n", &[]));
    home.settings("deny-sound = ['Spech']\n");
    let ended = home.run(&["tag", beckett.to_str().unwrap()]);
    assert!(ended.code == Some(1) && ended.stderr.contains("'Spech' is no label"), "{ended:?}");
}

/// The complete file of settings, from the program.
fn example(home: &Home) -> Vec<String> {
    let ended = home.run(&["config", "--example"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.lines
}

#[test]
fn every_line_of_the_example_is_understood() {
    let home = Home::new();
    let lines = example(&home);
    home.settings(lines.join("\n"));
    assert_eq!(home.run(&["config"]).code, Some(0));
    let mut table = None;
    let mut seen = Vec::new();
    let alerts = lines.iter().position(|line| line == "#[[alert]]").expect("the example has alerts");
    let (lines, alerts) = lines.split_at(alerts);
    for line in lines {
        if line.starts_with('[') {
            table = Some(line);
        } else if let Some((key, _)) = line.strip_prefix('#').and_then(|line| line.split_once(" = ")) {
            if key.starts_with(' ') {
                continue;
            }
            home.settings(format!("{}\n{}\n", table.map_or("", String::as_str), &line[1..]));
            let command = table.map_or("transcribe", |table| table.trim_matches(['[', ']']));
            // How raw audio is written says nothing of anything else.
            let raw = ["rate", "channels", "sample-format"].contains(&key);
            let asked = if raw { vec!["config", "listen", "--input", "-"] } else { vec!["config", command] };
            let ended = home.run(&asked);
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{line}");
            assert_eq!(row(&ended, key).1, "auricle.toml:2", "{line}: {ended:?}");
            seen.push(key.to_owned());
        }
    }
    for key in ["model", "sounds", "threads", "device", "preset", "partials", "scores", "verbose", "deny-sound"] {
        assert!(seen.iter().any(|seen| seen == key), "{key} is not in the example");
    }
    let uncommented: Vec<&str> = alerts.iter().map(|line| line.strip_prefix('#').unwrap_or(line)).collect();
    home.settings(uncommented.join("\n"));
    let ended = home.run(&["config"]);
    assert!(ended.lines.iter().any(|line| line == "2 [[alert]] in it."), "{ended:?}");
}

#[test]
fn the_page_on_configuration_has_the_example_word_for_word() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, after) = page.split_once("```toml\n# auricle.toml").expect("the example is in docs/configuration.md");
    let (written, _) = after.split_once("```").unwrap();
    let example = example(&Home::new()).join("\n") + "\n";
    assert_eq!(format!("# auricle.toml{written}"), example, "write 'auricle config --example' into docs/configuration.md anew");
}

/// Long flags of the help of a command.
fn flags(home: &Home, command: &[&str]) -> Vec<String> {
    let ended = home.run(&[command, &["--help"]].concat());
    assert_eq!(ended.code, Some(0));
    let lines = ended.lines.iter().map(|line| line.trim_start());
    let flagged = lines.filter(|line| line.starts_with("--") || (line.starts_with('-') && line.contains(", --")));
    let long = |line: &str| line.split([' ', ',']).find(|word| word.starts_with("--")).unwrap_or_default().replace("...", "");
    flagged.map(|line| long(line).split(['=', '[']).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn man_pages_know_every_command_and_every_flag() {
    let home = Home::new();
    assert_eq!(home.run(&["generate", "man", "--folder", "man"]).code, Some(0));
    let commands: [&[&str]; 12] = [
        &[],
        &["listen"],
        &["transcribe"],
        &["tag"],
        &["devices"],
        &["models"],
        &["models", "add"],
        &["doctor"],
        &["config"],
        &["bench", "stream"],
        &["generate"],
        &["generate", "man"],
    ];
    for command in commands {
        let name = [&["auricle"], command].concat().join("-");
        let path = home.path(&format!("man/{name}.1"));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let plain = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
        let flags = flags(&home, command);
        assert!(flags.iter().any(|flag| flag == "--help"), "{name}: {flags:?}");
        flags.iter().for_each(|flag| assert!(plain.contains(flag.as_str()), "{name}: no {flag}"));
        match Command::new("man").args(["--warnings", "-l"]).arg(&path).env("MANWIDTH", "80").output() {
            Ok(rendered) if rendered.status.success() => {
                assert!(rendered.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&rendered.stderr));
                assert!(String::from_utf8_lossy(&rendered.stdout).contains("SYNOPSIS"), "{name}");
            }
            _ => println!("skipped rendering {name}: man cannot be run"),
        }
    }
    let page = fs::read_to_string(home.path("man/auricle-listen.1")).unwrap();
    assert!(page.contains("AURICLE_PRESET"), "{page}");
    let ended = home.run(&["generate", "man", "no-such-command"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("no-such-command"), "{ended:?}");
}

#[test]
fn completions_are_valid_where_their_shell_is_there() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let ended = home.run(&["generate", "completions", shell]);
        assert_eq!(ended.code, Some(0));
        let text = ended.lines.join("\n") + "\n";
        assert!(text.contains("low-power") || text.contains("preset"), "{shell}");
        let path = home.path(shell);
        fs::write(&path, text).unwrap();
        match Command::new(shell).arg("-n").arg(&path).output() {
            Ok(checked) => assert!(checked.status.success(), "{shell}: {}", String::from_utf8_lossy(&checked.stderr)),
            Err(_) => println!("skipped: {shell} is not installed"),
        }
    }
}
