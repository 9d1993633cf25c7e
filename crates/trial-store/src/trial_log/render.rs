//! A log as text.

use std::fmt::{self, Display};

use serde::Serialize;

use super::{LoggedTrial, TrialLog};
use crate::Verdict;

const PREAMBLE: &str = "\
# npu-bisect log 1
# Each line that begins with pass, fail or unresolved is the verdict of one trial. To correct a wrong one, change its
# first word; to have it asked again, change the word to `ask` or delete the line. Then: cargo xtask replay FILE
";

impl Display for TrialLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREAMBLE)?;
        writeln!(f, "tool {}", Text(&self.tool))?;
        writeln!(f, "seed {}", self.seed)?;
        for (name, value) in &self.configuration {
            writeln!(f, "config {} {value}", Text(name))?;
        }
        for (role, identity) in &self.identities {
            writeln!(f, "identity {} {identity}", Text(role))?;
        }
        self.trials.iter().try_for_each(|trial| writeln!(f, "{trial}"))
    }
}

impl Display for LoggedTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let question = &self.question;
        write!(f, "{} {}", self.verdict.map_or("ask".to_owned(), word), self.number)?;
        write!(f, " backend={} cpu={}", Text(&question.backend), question.cpu_ops)?;
        write!(f, " samples={}", question.samples)?;
        if question.repeat > 0 {
            write!(f, " repeat={}", question.repeat)?;
        }
        if !self.units.is_empty() {
            write!(f, " units={}", self.units)?;
        }
        write!(f, " purpose={}", word(self.purpose))?;
        let measurement = &self.measurement;
        field(f, "score", measurement.score)?;
        field(f, "error_power", measurement.error_power)?;
        if measurement.samples_used > 0 || measurement.samples_total > 0 {
            write!(f, " ran={}/{}", measurement.samples_used, measurement.samples_total)?;
        }
        field(f, "seconds", measurement.seconds)?;
        field(f, "clusters", measurement.clusters)?;
        if let Some(unresolved) = &measurement.unresolved {
            write!(f, " cause={} detail={}", word(unresolved.cause), Text(&unresolved.detail))?;
        }
        field(f, "measured", self.measured.map(word::<Verdict>))
    }
}

fn field(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {name}={value}"))
}

/// The name that serde gives a unit variant.
fn word<T: Serialize>(variant: T) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Text that is bare where it is a plain word, else a JSON string.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !self.0.is_empty() && self.0.bytes().all(plain) {
            return f.write_str(self.0);
        }
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}
