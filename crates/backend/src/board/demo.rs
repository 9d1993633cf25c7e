//! Programs that know nothing of the trial protocol: FastDeploy's demos, and whatever prints its results as they do. They are called once
//! a sample, by a template, and what they print is their output.

use board::remote::quote;
use serde::Deserialize;

use crate::Device;

/// Stands in the output before what the program says of a sample.
pub(super) const MARK: &str = "npu-bisect: sample ";

/// How such a program is called for one sample, in a trial's folder.
///
/// | placeholder | becomes |
/// |---|---|
/// | `{model}` | the folder of the model, with a `subgraph.txt` in it |
/// | `{input}` | the sample's file |
/// | `{device}` | `npu` or `cpu`, as given here |
/// | `{config}` | the partition config, for a program that wants it named |
/// | `{cache}` | a folder for compiled models, empty at the start of each trial: its keys do not hold the partition (spec/paddle-lite.md B5) |
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    /// The command; it is split into words as a shell does, and not read by one.
    #[serde(default = "fastdeploy")]
    pub command: String,
    /// What `{device}` becomes for the NPU.
    #[serde(default = "npu")]
    pub npu: String,
    /// What it becomes for the CPU. A program whose command has no `{device}` always uses the NPU; then every op is forced to the CPU.
    #[serde(default = "cpu")]
    pub cpu: String,
}

fn fastdeploy() -> String {
    "./runner {model} {input}".to_owned()
}

fn npu() -> String {
    "timvx".to_owned()
}

fn cpu() -> String {
    "cpu".to_owned()
}

impl Default for Demo {
    fn default() -> Self {
        Self { command: fastdeploy(), npu: npu(), cpu: cpu() }
    }
}

impl Demo {
    /// Can it run without the NPU?
    pub(super) fn knows_devices(&self) -> bool {
        self.command.contains("{device}")
    }

    /// The words of the command.
    pub(super) fn words(&self) -> Option<Vec<String>> {
        shlex::split(&self.command).filter(|words| !words.is_empty())
    }

    /// A POSIX shell script that calls it for each sample (position and file), and ends at the first that fails.
    pub(super) fn script<'a>(
        &self,
        device: Device,
        more: &[String],
        samples: impl IntoIterator<Item = (usize, &'a str)>,
    ) -> Vec<u8> {
        let device = match device {
            Device::Cpu => &self.cpu,
            Device::Npu => &self.npu,
        };
        let words: Vec<String> = self.words().unwrap_or_default().into_iter().chain(more.iter().cloned()).collect();
        let mut script = b"mkdir -p cache\n".to_vec();
        for (sample, input) in samples {
            script.extend_from_slice(format!("echo '{MARK}{sample}'\n").as_bytes());
            for word in &words {
                let word = word.replace("{model}", "model").replace("{input}", input).replace("{device}", device);
                let word = word.replace("{config}", "subgraph.txt").replace("{cache}", "cache");
                script.extend_from_slice(&quote(word.as_bytes()));
                script.push(b' ');
            }
            script.extend_from_slice(b"|| exit\n");
        }
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_word_by_word_and_reaches_no_shell_unquoted() {
        let demo = Demo { command: "./runner {model} '{input}' \"$(x)\" --dev={device}".to_owned(), ..Demo::default() };
        let script = demo.script(Device::Cpu, &["--more".to_owned()], [(3, "input/a b.jpg")]);
        let expected = "mkdir -p cache\necho 'npu-bisect: sample 3'\n\
                        './runner' 'model' 'input/a b.jpg' '$(x)' '--dev=cpu' '--more' || exit\n";
        assert_eq!(String::from_utf8(script).unwrap(), expected);
        assert!(demo.knows_devices() && !Demo::default().knows_devices());
    }
}
