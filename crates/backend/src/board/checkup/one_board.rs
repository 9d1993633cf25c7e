//! One board, from the first answer to a placement that takes effect. What fails ends the checks that need it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use board::{
    cancel::Cancel,
    pool::{BoardConfig, Identity, Visit, Way},
    transport::{Transport, Trouble, shell_ok},
    trial::{Artifact, Attempt, TOOLS, Trial},
};
use op_graph::{Placement, fused_units};

use super::{Finding, State};
use crate::{
    Device,
    board::{
        BoardProgram, Profile,
        backends::last_words,
        environment,
        printed::{self, Unprinted},
        profile::is_one_of,
        proof,
    },
};

/// How long a board may take for small things.
const QUICK: Duration = Duration::from_secs(30);
/// How long the runner may take to say that it was called without arguments.
const START: Duration = Duration::from_secs(60);
/// Below this a board refuses trials, kB; and below this little is left for outputs and logs.
const LEAST_KB: u64 = 1024;
const SCARCE_KB: u64 = 64 << 10;

/// What boards are examined with.
#[derive(Debug)]
pub struct Checkup {
    /// What their kind needs; by default that of the board's `soc`, where it has that name.
    pub profile: Option<Profile>,
    /// A model and the program that runs it; without one the board is not asked to run anything.
    pub program: Option<BoardProgram>,
    /// How long loading the model may take.
    pub deadline: Duration,
}

/// What was found on a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// The board.
    pub name: String,
    /// What it is, where it could be asked.
    pub identity: Option<Identity>,
    /// The checks, in their order.
    pub findings: Vec<Finding>,
}

/// Notes the checks of one board.
struct Examination<'a> {
    config: &'a BoardConfig,
    checkup: &'a Checkup,
    identity: Option<Identity>,
    findings: Vec<Finding>,
}

/// A failed check has been noted, and what comes after it makes no sense.
struct Hopeless;

impl Checkup {
    /// Examines a board. It ends by its deadlines, whatever the board does, and leaves nothing there but what later searches can use.
    pub fn examine(&self, config: &BoardConfig, cancel: &Cancel) -> Examined {
        let mut examination = Examination { config, checkup: self, identity: None, findings: Vec::new() };
        // What is hopeless has been noted.
        let _ = examination.go_through(cancel);
        Examined { name: config.name.clone(), identity: examination.identity, findings: examination.findings }
    }
}

impl Examination<'_> {
    fn go_through(&mut self, cancel: &Cancel) -> Result<(), Hopeless> {
        let cancel = cancel.child();
        let transport = match self.config.connect(&cancel) {
            Ok(transport) => transport,
            Err(trouble) => {
                return self.failed(
                    "answers",
                    &told(&trouble),
                    "free space and rights in the temporary folder of this machine",
                );
            }
        };
        self.answers(&*transport)?;
        self.tools(&*transport)?;
        self.driver(&*transport)?;
        let visit = match Visit::over(&transport, self.config, cancel) {
            Ok(visit) => visit,
            Err(trouble) => {
                return self.failed(
                    "work folder",
                    &told(&trouble),
                    "name a folder that can be written with `work` in boards.toml",
                );
            }
        };
        self.ok("work folder", self.config.work.clone());
        self.space(&visit)?;
        let Some(program) = &self.checkup.program else {
            self.skipped("runner", "give --runner, and the runner and a placement are tried too");
            return Ok(());
        };
        self.push(&visit, program.artifacts())?;
        if program.runner().demo.is_none() {
            self.runner_starts(&visit, program)?;
        } else if program.samples() == 0 {
            self.skipped("runner", "a demo needs an input: give --data, and it is run on the first sample");
            return Ok(());
        }
        self.placement_takes_effect(&visit, program)
    }

    fn answers(&mut self, transport: &dyn Transport) -> Result<(), Hopeless> {
        let started = Instant::now();
        match transport.shell(b"uname -m", QUICK) {
            Ok(reply) => {
                let machine = reply.text().trim().to_owned();
                self.ok(
                    "answers",
                    format!(
                        "{} in {:.2} s, a machine of type {machine}",
                        transport.label(),
                        started.elapsed().as_secs_f64()
                    ),
                );
                Ok(())
            }
            Err(trouble) => {
                let remedy = self.way_back(&trouble);
                self.failed("answers", &told(&trouble), &remedy)
            }
        }
    }

    /// What to try when the board does not answer.
    fn way_back(&self, trouble: &Trouble) -> String {
        match (trouble, &self.config.way) {
            (Trouble::Client(_), _) => "install the client program, or say with `program` in boards.toml where it is".to_owned(),
            (Trouble::Silent { .. }, _) => {
                "it, or the way to it, is frozen: reboot it or cut its power; with `reboot` and `power_cycle` in boards.toml a search does that itself".to_owned()
            }
            (_, Way::Ssh { ssh, options, .. }) => {
                let words: Vec<&str> = options.iter().map(String::as_str).chain([ssh.as_str()]).collect();
                format!("make this work by hand, without a password: ssh -o BatchMode=yes {} true", words.join(" "))
            }
            (_, Way::Adb { adb, .. }) => format!(
                "`adb devices` must list {adb} as `device`: look at the cable, at udev's rules, at the board's question whether it trusts this machine, and try `adb kill-server`"
            ),
            (_, Way::Labgrid { .. }) => {
                "`labgrid-client who` says who holds the place; give `coordinator` in boards.toml or LG_COORDINATOR".to_owned()
            }
            (_, Way::Local { .. }) => "this machine needs /bin/sh".to_owned(),
        }
    }

    fn tools(&mut self, transport: &dyn Transport) -> Result<(), Hopeless> {
        let script = format!(
            "for tool in {} sha256sum; do command -v $tool >/dev/null 2>&1 || echo $tool; done",
            TOOLS.join(" ")
        );
        let answer = match shell_ok(transport, "look for tools", script.as_bytes(), QUICK) {
            Ok(answer) => String::from_utf8_lossy(&answer).into_owned(),
            Err(trouble) => return self.failed("tools", &told(&trouble), "the board needs a POSIX shell"),
        };
        let missing: Vec<&str> = answer.split_whitespace().filter(|tool| *tool != "sha256sum").collect();
        if !missing.is_empty() {
            let found = format!("{} missing", missing.join(", "));
            return self.failed(
                "tools",
                &found,
                "busybox has all of them, and so have toybox and coreutils with util-linux: put one on PATH there",
            );
        }
        if answer.contains("sha256sum") {
            let remedy = "busybox has it; without it only the size of what was pushed is checked";
            self.note("tools", State::Warning, "sha256sum is missing".to_owned(), Some(remedy));
        } else {
            self.ok("tools", format!("{} and sha256sum", TOOLS.join(", ")));
        }
        Ok(())
    }

    fn driver(&mut self, transport: &dyn Transport) -> Result<(), Hopeless> {
        let identity = match Identity::of(self.config, transport) {
            Ok(identity) => identity,
            Err(trouble) => return self.failed("driver", &told(&trouble), "see `answers`"),
        };
        self.identity = Some(identity.clone());
        let missing: Vec<&str> =
            identity.libraries.iter().filter(|(_, hash)| hash.is_empty()).map(|(path, _)| path.as_str()).collect();
        if !missing.is_empty() {
            let remedy = "install them there, or correct `libraries` in boards.toml";
            self.note("libraries", State::Failed, format!("{} cannot be read there", missing.join(", ")), Some(remedy));
        }
        let by_soc = || Profile::load(&identity.soc).ok();
        let known = self.checkup.profile.clone().or_else(by_soc).map(|profile| profile.drivers).unwrap_or_default();
        if identity.driver.is_empty() {
            let remedy = "load the NPU's kernel module there (`modprobe galcore`); where it is another, let `driver_command` in boards.toml print its version";
            return self.failed("driver", &"no NPU driver is loaded", remedy);
        }
        let found = format!("{} (SoC {:?})", identity.driver, identity.soc);
        if known.is_empty() {
            self.ok("driver", format!("{found}; no list of known drivers for this kind, --profile names one"));
        } else if is_one_of(&known, &identity.driver) {
            self.ok("driver", format!("{found}, known to work"));
        } else {
            let remedy = format!(
                "known to work: {}; with another driver the stack may refuse or compute what this one does not",
                known.join(", ")
            );
            self.note("driver", State::Warning, found, Some(&remedy));
        }
        Ok(())
    }

    fn space(&mut self, visit: &Visit) -> Result<(), Hopeless> {
        let free = match visit.site().free_kb() {
            Ok(free) => free,
            Err(trouble) => return self.failed("free space", &told(&trouble), "the board needs `df -k`"),
        };
        let found = format!("{} MB in {}", free >> 10, self.config.work);
        let remedy = "clear the board, or name a folder on a larger file system with `work` in boards.toml";
        if free < LEAST_KB {
            return self.failed("free space", &found, remedy);
        }
        if free < SCARCE_KB {
            self.note("free space", State::Warning, found, Some(remedy));
        } else {
            self.ok("free space", found);
        }
        Ok(())
    }

    fn push(&mut self, visit: &Visit, artifacts: &[Artifact]) -> Result<(), Hopeless> {
        let bytes: u64 = artifacts.iter().map(|artifact| artifact.bytes).sum();
        match visit.site().ensure(artifacts) {
            Ok(pushed) => {
                self.ok("push", format!("{} files, {} MB; {pushed} were new there", artifacts.len(), bytes >> 20));
                Ok(())
            }
            Err(trouble) => {
                self.failed("push", &told(&trouble), "runner, libraries and model must fit there, and arrive whole")
            }
        }
    }

    /// Called without arguments, every runner says that it cannot run that: then it has started.
    fn runner_starts(&mut self, visit: &Visit, program: &BoardProgram) -> Result<(), Hopeless> {
        let trial = Trial {
            id: "start".to_owned(),
            config: None,
            artifacts: program.artifacts().to_vec(),
            config_copies: Vec::new(),
            argv: vec!["./runner".to_owned()],
            env: environment(&program.runner().env),
            deadline: START,
            wants_manifest: false,
        };
        let remedy = "build the runner for the board's processor, and give every library that it links with --libraries, and with \
                      --profile or --board-env the LD_LIBRARY_PATH that finds them";
        match attempt(visit, &trial) {
            Ok((Attempt::Untestable(_), _)) => {
                self.ok("runner", "starts".to_owned());
                Ok(())
            }
            Ok((attempt, said)) => self.failed("runner", &format!("{}: {said}", attempt.ending()), remedy),
            Err(reason) => self.failed("runner", &reason, remedy),
        }
    }

    fn placement_takes_effect(&mut self, visit: &Visit, program: &BoardProgram) -> Result<(), Hopeless> {
        // Two lines, where the model has such a unit: forcing a whole unit is what stacks refuse least.
        let units = fused_units(program.graph(), program.candidates());
        let Some(unit) = units.iter().min_by_key(|unit| unit.len().abs_diff(2)) else {
            self.skipped("placement", "no op of the model can run on the NPU");
            return Ok(());
        };
        let placement: Placement = unit.iter().copied().collect();
        let config = match program.config(&placement) {
            Ok(config) => config,
            Err(error) => return self.failed("placement", &told(&error), "try another model with --model"),
        };
        let lines =
            config.as_ref().map_or(0, |text| text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count());
        // A runner only loads the model; a demo cannot do that alone.
        let samples: &[usize] = if program.samples() == 0 { &[] } else { &[0] };
        let mut trial = program.trial(Device::Npu, config, samples, self.checkup.deadline);
        "placement".clone_into(&mut trial.id);
        let scratch = match tempfile::tempdir() {
            Ok(scratch) => scratch,
            Err(error) => {
                return self.failed("placement", &told(&error), "free space in the temporary folder of this machine");
            }
        };
        let remedy = "the stack must read the config: a Paddle Lite of 2.10 or later with NNAdapter's verisilicon_timvx, and none of \
                      its variables in the way (`cargo xtask capture` shows what it prints)";
        let attempt = match visit.run(&trial, scratch.path()) {
            Ok(attempt) => attempt,
            Err(error) => return self.failed("placement", &told(&error), remedy),
        };
        let (end, evidence) = (attempt.ending(), attempt.evidence());
        match proof::check(program.graph(), &program.clustering(&placement), &evidence.stdout) {
            Ok(()) if matches!(attempt, Attempt::Ran(_)) => {
                self.ok("placement", format!("a config of {lines} lines takes effect"));
                if program.runner().demo.is_some() { self.result_is_printed(&evidence.stdout) } else { Ok(()) }
            }
            Ok(()) => {
                let found = format!(
                    "a config of {lines} lines takes effect, but loading ended badly: {end}: {}",
                    last_words(evidence)
                );
                self.note(
                    "placement",
                    State::Warning,
                    found,
                    Some("a stack may refuse this placement; if it refuses all, look at its driver and libraries"),
                );
                Ok(())
            }
            Err(reason) => self.failed("placement", &format!("{reason}; {end}: {}", last_words(evidence)), remedy),
        }
    }

    fn result_is_printed(&mut self, stdout: &Path) -> Result<(), Hopeless> {
        match printed::read(stdout, 1) {
            Ok(_) => {
                self.ok("result", "one is printed for the first sample".to_owned());
                Ok(())
            }
            Err(Unprinted::Nothing(reason) | Unprinted::Damaged(reason)) => {
                let remedy = "the demo must take the model and the input as --demo hands them over, and print its result as FastDeploy's do";
                self.failed("result", &reason, remedy)
            }
        }
    }

    fn ok(&mut self, check: &'static str, found: String) {
        self.note(check, State::Ok, found, None);
    }

    fn skipped(&mut self, check: &'static str, found: &str) {
        self.note(check, State::Skipped, found.to_owned(), None);
    }

    fn failed(&mut self, check: &'static str, found: &dyn std::fmt::Display, remedy: &str) -> Result<(), Hopeless> {
        self.note(check, State::Failed, found.to_string(), Some(remedy));
        Err(Hopeless)
    }

    fn note(&mut self, check: &'static str, state: State, found: String, remedy: Option<&str>) {
        let (board, remedy) = (Some(self.config.name.clone()), remedy.map(str::to_owned));
        self.findings.push(Finding { board, check, state, found, remedy });
    }
}

/// An error's text, which is a fragment, for people.
fn told(error: &dyn std::fmt::Display) -> String {
    format!("failed to {error}")
}

/// What a trial did, and the last that it said.
fn attempt(visit: &Visit, trial: &Trial) -> Result<(Attempt, String), String> {
    let scratch = tempfile::tempdir().map_err(|error| told(&error))?;
    let attempt = visit.run(trial, scratch.path()).map_err(|error| told(&error))?;
    let said = last_words(attempt.evidence());
    Ok((attempt, said))
}
