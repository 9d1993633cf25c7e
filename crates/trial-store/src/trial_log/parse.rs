//! A text, perhaps edited by hand, as a log.

use std::{collections::BTreeSet, fmt::Display, str::FromStr};

use serde::de::DeserializeOwned;

use super::{LoggedTrial, TrialLog};
use crate::{Cause, Indices, Measurement, Purpose, Question, Unresolved, Verdict};

/// A line of a log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the log, line {line}: {reason}")]
pub struct LogError {
    /// One-based.
    pub line: usize,
    /// What is wrong and what would be right.
    pub reason: String,
}

const HEADER: &str = "# npu-bisect log ";

impl TrialLog {
    /// Reads the text of a log.
    ///
    /// # Errors
    /// The first line that is neither a comment nor in the format that the type describes.
    pub fn parse(text: &[u8]) -> Result<Self, LogError> {
        let mut log = Self {
            tool: String::new(),
            seed: 0,
            configuration: std::collections::BTreeMap::default(),
            identities: std::collections::BTreeMap::default(),
            trials: Vec::new(),
        };
        let mut numbers = BTreeSet::new();
        for (index, bytes) in text.split(|&byte| byte == b'\n').enumerate() {
            let at = |reason: String| LogError { line: index + 1, reason };
            let line = std::str::from_utf8(bytes).map_err(|_| at("it is not UTF-8".to_owned()))?.trim();
            if index == 0 {
                check_header(line).map_err(at)?;
            } else {
                log.add_line(line, &mut numbers).map_err(at)?;
            }
        }
        Ok(log)
    }

    fn add_line(&mut self, line: &str, numbers: &mut BTreeSet<u32>) -> Result<(), String> {
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        if keyword.is_empty() || keyword.starts_with('#') {
            return Ok(());
        }
        match keyword {
            "tool" => self.tool = take_text(rest)?.0,
            "seed" => self.seed = number("seed", uncommented(rest))?,
            "config" => {
                let (name, value) = take_text(rest)?;
                let value = serde_json::from_str(value.trim())
                    .map_err(|error| format!("`{name}` has no JSON value: {error}"))?;
                self.configuration.insert(name, value);
            }
            "identity" => {
                let (role, value) = take_text(rest)?;
                let identity = uncommented(value)
                    .parse()
                    .map_err(|_| format!("`{role}` has no identity of 64 hexadecimal digits"))?;
                self.identities.insert(role, identity);
            }
            _ => {
                let trial = parse_trial(keyword, rest)?;
                if !numbers.insert(trial.number) {
                    return Err(format!("trial {} has a line above already", trial.number));
                }
                self.trials.push(trial);
            }
        }
        Ok(())
    }
}

fn check_header(line: &str) -> Result<(), String> {
    match line.strip_prefix(HEADER).map(str::trim) {
        Some("1") => Ok(()),
        Some(version) => Err(format!("log version `{version}` is not known; use the tool that wrote it")),
        None => Err(format!("it must be `{HEADER}1`, as `cargo xtask log` writes it")),
    }
}

fn parse_trial(keyword: &str, rest: &str) -> Result<LoggedTrial, String> {
    let verdict = match keyword {
        "ask" => None,
        word => Some(
            named::<Verdict>(word)
                .ok_or_else(|| format!("`{word}` is no verdict: use pass, fail, unresolved or ask"))?,
        ),
    };
    let (first, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut fields = Fields::default();
    let trial: u32 = number("the trial's number", first)?;
    if trial == 0 {
        return Err("trials are numbered from 1".to_owned());
    }
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with('#') {
            return fields.into_trial(trial, verdict);
        }
        let (name, value) = rest.split_once('=').ok_or_else(|| format!("`{rest}` is no `name=value`"))?;
        let (value, after) = take_text(value)?;
        fields.set(name, value)?;
        rest = after;
    }
}

/// The fields of a trial's line as they come.
#[derive(Default)]
struct Fields {
    seen: BTreeSet<String>,
    backend: Option<String>,
    cpu: Option<Indices>,
    samples: Option<u32>,
    repeat: u32,
    units: Indices,
    purpose: Option<Purpose>,
    measured: Option<Verdict>,
    measurement: Measurement,
    cause: Option<Cause>,
    detail: Option<String>,
}

impl Fields {
    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        if !self.seen.insert(name.to_owned()) {
            return Err(format!("`{name}` is there twice"));
        }
        match name {
            "backend" => self.backend = Some(value),
            "cpu" => self.cpu = Some(indices(name, &value)?),
            "units" => self.units = indices(name, &value)?,
            "samples" => self.samples = Some(number(name, &value)?),
            "repeat" => self.repeat = number(name, &value)?,
            "purpose" => self.purpose = Some(choice(name, &value)?),
            "score" => self.measurement.score = Some(number(name, &value)?),
            "error_power" => self.measurement.error_power = Some(number(name, &value)?),
            "seconds" => self.measurement.seconds = Some(number(name, &value)?),
            "clusters" => self.measurement.clusters = Some(number(name, &value)?),
            "ran" => {
                let (used, total) =
                    value.split_once('/').ok_or_else(|| format!("`ran={value}` is not `ran=USED/TOTAL`"))?;
                self.measurement.samples_used = number(name, used)?;
                self.measurement.samples_total = number(name, total)?;
            }
            "cause" => self.cause = Some(choice(name, &value)?),
            "detail" => self.detail = Some(value),
            "measured" => self.measured = Some(choice(name, &value)?),
            _ => return Err(format!("`{name}` is no field of a trial")),
        }
        Ok(())
    }

    fn into_trial(self, number: u32, verdict: Option<Verdict>) -> Result<LoggedTrial, String> {
        let missing = |name: &str| format!("`{name}=` is missing");
        let question = Question {
            backend: self.backend.ok_or_else(|| missing("backend"))?,
            cpu_ops: self.cpu.ok_or_else(|| missing("cpu"))?,
            samples: self.samples.ok_or_else(|| missing("samples"))?,
            repeat: self.repeat,
        };
        let mut measurement = self.measurement;
        measurement.unresolved = match (self.cause, self.detail) {
            (Some(cause), detail) => Some(Unresolved { cause, detail: detail.unwrap_or_default() }),
            (None, None) => None,
            (None, Some(_)) => return Err("`detail=` needs a `cause=`".to_owned()),
        };
        let purpose = self.purpose.unwrap_or(Purpose::Search);
        Ok(LoggedTrial { number, question, units: self.units, purpose, verdict, measured: self.measured, measurement })
    }
}

/// Takes a bare word or a JSON string off the front; returns what follows as well.
fn take_text(text: &str) -> Result<(String, &str), String> {
    if !text.starts_with('"') {
        let end = text.find(' ').unwrap_or(text.len());
        return if end == 0 {
            Err("a value is missing".to_owned())
        } else {
            Ok((text[..end].to_owned(), &text[end..]))
        };
    }
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    match strings.next() {
        Some(Ok(string)) => Ok((string, &text[strings.byte_offset()..])),
        _ => Err(format!("`{text}` does not begin with a whole string in double quotes")),
    }
}

fn uncommented(text: &str) -> &str {
    text.split(" #").next().unwrap_or_default().trim()
}

fn number<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("`{text}` is no value for {name}: {error}"))
}

fn indices(name: &str, text: &str) -> Result<Indices, String> {
    text.parse().map_err(|error| format!("{name}: {error}"))
}

fn choice<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, String> {
    named(text).ok_or_else(|| format!("`{text}` is no value for {name}"))
}

/// The variant that serde calls by this name.
fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}
