//! The arguments that say how events are written, and where.

use std::path::{Path, PathBuf};

use auricle::caption::Subtitles;
use auricle::sink::{Format, Output};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};

use super::Arguments;

/// The formats that a file's extension names.
const EXTENSIONS: [(&str, FormatArg); 4] =
    [("srt", FormatArg::Srt), ("vtt", FormatArg::Vtt), ("jsonl", FormatArg::Jsonl), ("txt", FormatArg::Text)];

/// Where and how events are written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// How to write to standard output, and to files whose name does not say it [default: pretty]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub format: Vec<FormatArg>,
    /// File to write to, created or emptied: .srt, .vtt, .jsonl or .txt; several may be given. Standard output then stays quiet, unless
    /// '-', which names it, is given too [default: -]
    #[arg(long, value_name = "PATH")]
    pub output: Vec<PathBuf>,
}

/// [`Format`], as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For eyes: captions that roll in place, or lines with times for files; as text where the output is no terminal
    Pretty,
    /// Plain lines: final captions, and sounds as [Dog] 00:12
    Text,
    /// For programs: one JSON object a line
    Jsonl,
    /// Subtitles for players, sounds as [dog]
    Srt,
    /// Subtitles for browsers (WebVTT)
    Vtt,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Pretty => Self::Pretty,
            FormatArg::Text => Self::Text,
            FormatArg::Jsonl => Self::Jsonl,
            FormatArg::Srt => Self::Subtitles(Subtitles::SubRip),
            FormatArg::Vtt => Self::Subtitles(Subtitles::WebVtt),
        }
    }
}

impl FormatArg {
    /// The extension of a file that is written so.
    pub fn extension(self) -> &'static str {
        let written = if self == Self::Pretty { Self::Text } else { self };
        EXTENSIONS.iter().find(|(_, format)| *format == written).map_or("txt", |(extension, _)| extension)
    }
}

impl OutputArgs {
    /// The outputs asked for, each with its format; `default` is the format where neither its name nor an argument says it. Wrong usage
    /// ends the program.
    pub fn outputs(&self, default: Format) -> Vec<(Format, Output)> {
        self.resolve(default).unwrap_or_else(|message| misuse(&message))
    }

    fn resolve(&self, default: Format) -> Result<Vec<(Format, Output)>, String> {
        let asked = match self.format[..] {
            [] => None,
            [format] => Some(format),
            _ => return Err("several --format go with --beside or --output-dir; else name a file for each with --output".into()),
        };
        if self.output.is_empty() {
            return Ok(vec![(asked.map_or(default, Format::from), Output::Stdout)]);
        }
        let mut outputs: Vec<(Format, Output)> = Vec::new();
        let mut told = None;
        for path in &self.output {
            let output = if path.as_os_str() == "-" { Output::Stdout } else { Output::File(path.clone()) };
            if outputs.iter().any(|(_, other)| *other == output) {
                return Err(format!("{output}: is named twice by --output"));
            }
            let named = if output == Output::Stdout { Named::Nothing } else { Named::by(path) };
            let format = match (named, asked) {
                (Named::Format(format), _) => {
                    told = Some((path, format));
                    format.into()
                }
                (_, Some(format)) => format.into(),
                (Named::Nothing, None) => default,
                (Named::Unknown, None) => {
                    let message = "is no extension of an output; there are .srt, .vtt, .jsonl and .txt, or say --format";
                    return Err(format!("{}: {message}", path.display()));
                }
            };
            outputs.push((format, output));
        }
        // A --format that nothing takes, and that is not what the names say, was meant for one of them.
        let taken = self.output.iter().any(|path| path.as_os_str() == "-" || !matches!(Named::by(path), Named::Format(_)));
        match (asked, told) {
            (Some(asked), Some((path, format))) if !taken && asked.extension() != format.extension() => {
                let wanted = path.with_extension(asked.extension());
                Err(format!(
                    "{}: is {} by its name; name it {}, or leave --format out",
                    path.display(),
                    format.extension(),
                    wanted.display()
                ))
            }
            _ => Ok(outputs),
        }
    }
}

/// What the name of a file says about its format.
enum Named {
    Format(FormatArg),
    Nothing,
    Unknown,
}

impl Named {
    fn by(path: &Path) -> Self {
        let Some(extension) = path.extension() else { return Self::Nothing };
        let known = EXTENSIONS.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
        known.map_or(Self::Unknown, |(_, format)| Self::Format(*format))
    }
}

/// Says what is wrong with the arguments and ends the program with exit code 2.
pub fn misuse(message: &str) -> ! {
    Arguments::command().error(ErrorKind::ArgumentConflict, message).exit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(format: &[FormatArg], output: &[&str]) -> Result<Vec<String>, String> {
        let arguments = OutputArgs { format: format.to_vec(), output: output.iter().map(PathBuf::from).collect() };
        let outputs = arguments.resolve(Format::Pretty)?;
        Ok(outputs.iter().map(|(format, output)| format!("{format} {output}")).collect())
    }

    #[test]
    fn names_say_formats_and_what_contradicts_them_is_told() {
        use FormatArg::{Jsonl, Pretty, Srt, Text, Vtt};
        assert_eq!(resolved(&[], &[]).unwrap(), ["pretty standard output"]);
        assert_eq!(resolved(&[Srt], &[]).unwrap(), ["srt standard output"]);
        let several = resolved(&[Jsonl], &["a.srt", "-", "b.VTT", "c.txt", "pipe"]).unwrap();
        assert_eq!(several, ["srt a.srt", "jsonl standard output", "vtt b.VTT", "text c.txt", "jsonl pipe"]);
        assert_eq!(resolved(&[], &["notes"]).unwrap(), ["pretty notes"]);
        assert_eq!(resolved(&[Srt], &["a.sub"]).unwrap(), ["srt a.sub"]);
        assert_eq!(resolved(&[Pretty], &["a.txt"]).unwrap(), ["text a.txt"]);
        assert_eq!(resolved(&[Text], &["a.txt"]).unwrap(), ["text a.txt"]);
        for (format, output, words) in [
            (&[] as &[_], ["a.doc"], [".srt, .vtt, .jsonl and .txt", "a.doc"]),
            (&[Vtt], ["a.srt"], ["a.srt: is srt by its name", "a.vtt"]),
            (&[Srt, Vtt], ["a.srt"], ["--beside", "--output"]),
        ] {
            let error = resolved(format, &output).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        assert!(resolved(&[], &["a.srt", "a.srt"]).unwrap_err().contains("twice"));
    }
}
