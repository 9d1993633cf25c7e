//! What a kind of board needs: the variables of its stack, and the drivers that are known to work. A file a kind; users write their own.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::Demo;

/// The profiles that come with this program, by name.
const KNOWN: [(&str, &str); 4] = [
    ("a311d", include_str!("../../profiles/a311d.toml")),
    ("imx8mp", include_str!("../../profiles/imx8mp.toml")),
    ("rv1126", include_str!("../../profiles/rv1126.toml")),
    ("s905d3", include_str!("../../profiles/s905d3.toml")),
];

/// A kind of board:
///
/// ```toml
/// drivers = ["6.4.4.3"]   # known to work; versions of Galcore
///
/// [env]                   # set for the runner; {trial} is the trial's folder on the board
/// LD_LIBRARY_PATH = "{trial}/lib:/vendor/lib"
///
/// [demo]                  # the runner is a program that prints its results; see `Demo`
/// command = "./runner {model} {input} {device}"
/// npu = "2"
/// cpu = "0"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Driver versions that are known to work; none where nothing is known.
    #[serde(default)]
    pub drivers: Vec<String>,
    /// Variables for the runner.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How the runner is called where it prints its results as FastDeploy's demos do.
    #[serde(default)]
    pub demo: Option<Demo>,
}

/// Why there is no such profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// It is neither known nor a file that can be read.
    #[error("find the profile {name}: it is not one of {known}, nor a file that can be read ({source})")]
    Unknown {
        /// As given.
        name: String,
        /// The names that come with this program.
        known: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is no profile; the text names line and column.
    #[error("read the profile {name}: {source}")]
    Malformed {
        /// As given.
        name: String,
        /// What is wrong and where.
        source: Box<toml::de::Error>,
    },
}

impl Profile {
    /// The profile of a name, or of a file.
    ///
    /// # Errors
    /// There is none, or it cannot be understood.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        let known = KNOWN.iter().find(|(its, _)| *its == name).map(|(_, text)| (*text).to_owned());
        let text = match known {
            Some(text) => text,
            None => std::fs::read_to_string(Path::new(name)).map_err(|source| {
                let known = KNOWN.map(|(name, _)| name).join(", ");
                ProfileError::Unknown { name: name.to_owned(), known, source }
            })?,
        };
        toml::from_str(&text)
            .map_err(|source| ProfileError::Malformed { name: name.to_owned(), source: Box::new(source) })
    }

    /// Is this the name of a profile that comes with this program, and not of a file?
    pub fn comes_along(name: &str) -> bool {
        KNOWN.iter().any(|(its, _)| *its == name)
    }
}

/// Is a driver's version one of these, or a build of one: `6.4.4.3.310723` of `6.4.4.3`?
pub(super) fn is_one_of(drivers: &[String], version: &str) -> bool {
    let is = |known: &String| {
        version.strip_prefix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    drivers.iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_that_comes_along_is_one_and_finds_the_pushed_libraries() {
        for (name, _) in KNOWN {
            let profile = Profile::load(name).unwrap();
            assert!(profile.env["LD_LIBRARY_PATH"].starts_with("{trial}/lib"), "{name}");
        }
    }

    #[test]
    fn a_users_own_file_is_a_profile_and_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Profile::load(path.to_str().unwrap()).map_err(|error| error.to_string())
        };
        assert_eq!(load("[env]\nA = \"1\"\n").unwrap().env["A"], "1");
        assert!(load("enw = 1\n").unwrap_err().contains("line 1"));
        assert!(Profile::load("a311x").unwrap_err().to_string().contains("a311d, imx8mp"));
    }
}
