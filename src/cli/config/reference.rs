//! The reference: a complete file of settings, every key with its help and its default, each commented out.
//!
//! In: the definitions of the flags. Out: the text of `auricle config --example`, which docs/configuration.md has too.

use clap::Command;

use super::keys::{self, COMMANDS, Key, Kind, TABLES};

/// Columns of a line of help.
const WIDTH: usize = 100;
const HEAD: &str = "\
# auricle.toml: settings of Auricle. Copy this to ~/.config/auricle/auricle.toml and take the '#' off what
# you change. A key is the flag of the same name; a variable of the environment goes before it, and a flag
# before both. 'auricle config' shows what is in force. What is in [listen], [transcribe] or [tag] goes
# before the same key at the top, for that command.
";

/// A key, and every command that has it.
pub struct Described {
    /// The key as its first command defines it.
    pub key: Key,
    /// The commands.
    pub commands: Vec<&'static str>,
}

impl Described {
    /// The table it is shown in; `None` for the top.
    fn table(&self) -> Option<&'static str> {
        match self.commands.as_slice() {
            [one] if TABLES.contains(one) => Some(one),
            // 'doctor' looks at what 'listen' would use.
            [one, "doctor"] if TABLES.contains(one) => Some(one),
            _ => None,
        }
    }
}

/// Every key once, in the order of the commands and their help.
pub fn all(root: &Command) -> Vec<Described> {
    let mut all: Vec<Described> = Vec::new();
    for command in COMMANDS {
        for key in keys::of(root, &[command]) {
            match all.iter_mut().find(|seen| seen.key.name == key.name && seen.key.common && key.common) {
                Some(seen) => seen.commands.push(command),
                None => all.push(Described { key, commands: vec![command] }),
            }
        }
    }
    all
}

/// What no flag says.
const ALERTS: &str = r#"
# What is done when a sound is heard: a program is run, or an address is told. Written as often as there are
# alerts; docs/alerts.md says what each key means. No certified safety device.
#[[alert]]
#label = "Doorbell"
#min_score = 0.5
#cooldown = 30
#run = ["notify-send", "--urgency=critical", "--", "{label}"]

#[[alert]]
#label = "Smoke detector, smoke alarm"
#webhook = "https://hub.example/alarm"
"#;

/// The complete file.
pub fn example(root: &Command) -> String {
    let all = all(root);
    let mut text = HEAD.to_owned();
    for table in [None].into_iter().chain(TABLES.map(Some)) {
        if let Some(table) = table {
            text.push_str(&format!("\n[{table}]\n"));
        }
        for described in all.iter().filter(|described| described.table() == table) {
            text.push('\n');
            text.push_str(&one(described));
        }
    }
    text.push_str(ALERTS);
    text
}

fn one(described: &Described) -> String {
    let key = &described.key;
    let mut help = key.help().split_whitespace().collect::<Vec<_>>().join(" ");
    let possible = key.possible();
    if key.kind != Kind::Switch && !possible.is_empty() {
        help.push_str(&format!(": {}", keys::alternatives(&possible)));
    }
    let mut text = wrapped(&help);
    let mut facts = match key.read_by_library {
        // Not the same thing: the words are in the help.
        true => format!("${} goes before it", key.variable),
        false => format!("${}", key.variable),
    };
    if described.table().is_none() {
        facts.push_str(&format!("; of {}", described.commands.join(", ")));
    }
    text.push_str(&wrapped(&facts));
    text.push_str(&format!("#{} = {}\n", key.name, written(key)));
    text
}

/// `text` as comment lines.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

/// The default as it is written in the file, or where there is none a value that could stand there.
fn written(key: &Key) -> String {
    let value = key.default().unwrap_or_else(|| sample(key));
    let value = match key.kind {
        Kind::Switch | Kind::Count => return value,
        _ if key.is_number() || value.parse::<u32>().is_ok() => value,
        _ => toml::Value::String(value).to_string(),
    };
    if key.kind == Kind::Many { format!("[{value}]") } else { value }
}

fn sample(key: &Key) -> String {
    let names = key.argument.get_value_names().unwrap_or_default();
    let name = names.first().map(ToString::to_string).unwrap_or_default();
    let mut candidates = key.possible();
    candidates.extend(name.split('|').map(str::to_owned));
    candidates.extend(["0.5", "1", "16000"].map(str::to_owned));
    let taken = candidates.iter().find(|candidate| key.check(&candidate.as_str().into()).is_ok());
    taken.cloned().unwrap_or(name)
}
