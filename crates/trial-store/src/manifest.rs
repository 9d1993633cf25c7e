//! `run.json`: what a run was asked to do, and on which content.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Identity, StoreError, Timestamp};

/// The version of the run directory's format. A change that an older tool would misread raises it.
pub const FORMAT_VERSION: u32 = 1;

/// Enough to repeat the run, and to tell whether a resumed one is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the tool that wrote it.
    pub format: u32,
    /// Name and version of that tool.
    pub tool: String,
    /// When the run was created; [`crate::RunDir::create`] sets it.
    pub created: Timestamp,
    /// The seed of everything random.
    pub seed: u64,
    /// Every parameter, by the name of its flag.
    #[serde(default)]
    pub configuration: BTreeMap<String, serde_json::Value>,
    /// What the run works on, by role: `model`, `params`, `log`, `inputs`, `labels`, `device`, ….
    #[serde(default)]
    pub identities: BTreeMap<String, Identity>,
}

impl Manifest {
    /// A manifest of the present format with nothing configured yet.
    pub fn new(tool: &str, seed: u64) -> Self {
        Self {
            format: FORMAT_VERSION,
            tool: tool.to_owned(),
            created: Timestamp::default(),
            seed,
            configuration: BTreeMap::new(),
            identities: BTreeMap::new(),
        }
    }

    /// What differs between this recorded manifest and the one that a resumed run would have, by name; the tool's
    /// version and the time of creation do not count. Empty: the run may go on.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        let (recorded, wanted) = (self.facts(), now.facts());
        let names: std::collections::BTreeSet<&String> = recorded.keys().chain(wanted.keys()).collect();
        for name in names {
            let (recorded, now) = (recorded.get(name), wanted.get(name));
            if recorded != now {
                differences.push(Difference { name: name.clone(), recorded: recorded.cloned(), now: now.cloned() });
            }
        }
        differences
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let configuration = self.configuration.iter().map(|(name, value)| (name.clone(), value.to_string()));
        let identities =
            self.identities.iter().map(|(role, identity)| (format!("content of {role}"), identity.to_string()));
        configuration.chain(identities).chain([("seed".to_owned(), self.seed.to_string())]).collect()
    }

    /// Reads the text of `run.json`; `path` is for messages.
    ///
    /// # Errors
    /// [`StoreError::Format`] for a version that this tool does not know, [`StoreError::Manifest`] for anything else
    /// that no tool wrote.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u64,
        }
        let wrong = |error: &serde_json::Error| StoreError::Manifest {
            path: path.to_owned(),
            line: error.line(),
            reason: error.to_string(),
        };
        let found = serde_json::from_slice::<Versioned>(text).map_err(|error| wrong(&error))?.format;
        if found == 0 || found > u64::from(FORMAT_VERSION) {
            return Err(StoreError::Format { path: path.to_owned(), found, known: FORMAT_VERSION });
        }
        serde_json::from_slice(text).map_err(|error| wrong(&error))
    }
}

/// One thing that a resumed run would do otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The parameter, or `content of` and a role.
    pub name: String,
    /// What the run was started with; none where it was not given.
    pub recorded: Option<String>,
    /// What it would go on with.
    pub now: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "not given".to_owned());
        write!(f, "{}: was {}, is {}", self.name, show(&self.recorded), show(&self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_each_parameter_and_content_that_changed() {
        let mut before = Manifest::new("npu-bisect 0.1.0", 7);
        before.configuration.insert("threshold".into(), 0.99.into());
        before.configuration.insert("strategy".into(), "qsplit".into());
        before.identities.insert("model".into(), Identity::of_bytes(b"old"));
        let mut now =
            Manifest { tool: "npu-bisect 0.2.0".into(), created: Timestamp::from_millis(5), ..before.clone() };
        assert_eq!(before.differences(&now), []);

        now.configuration.insert("threshold".into(), 0.98.into());
        now.configuration.remove("strategy");
        now.identities.insert("model".into(), Identity::of_bytes(b"new"));
        let texts: Vec<String> = before.differences(&now).iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3);
        assert!(texts[0].starts_with("content of model: was "), "{texts:?}");
        assert_eq!(texts[1..], ["strategy: was \"qsplit\", is not given", "threshold: was 0.99, is 0.98"]);
    }

    #[test]
    fn a_manifest_of_a_later_format_is_refused_by_its_version_not_by_its_shape() {
        let error = Manifest::parse(br#"{"format":9,"anything":[]}"#, Path::new("run.json")).unwrap_err();
        assert!(matches!(error, StoreError::Format { found: 9, .. }), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&bytes, Path::new("run.json"));
        }
    }
}
