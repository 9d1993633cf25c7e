//! Builds what the tests run. What a compiler or an emulator is missing for is skipped.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use backend::board::Runner;

/// A way to run on some processor what was compiled for it.
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) compiler: &'static str,
    /// The emulator, where this machine is another.
    pub(crate) emulator: Option<&'static str>,
    /// Where the emulator finds the processor's C library.
    root: &'static str,
}

pub(crate) const NATIVE: Machine = Machine { name: "native", compiler: "c++", emulator: None, root: "/" };

pub(crate) const MACHINES: [Machine; 3] = [
    NATIVE,
    Machine {
        name: "aarch64",
        compiler: "aarch64-linux-gnu-g++",
        emulator: Some("qemu-aarch64"),
        root: "/usr/aarch64-linux-gnu",
    },
    Machine {
        name: "armv7",
        compiler: "arm-linux-gnueabihf-g++",
        emulator: Some("qemu-arm"),
        root: "/usr/arm-linux-gnueabihf",
    },
];

pub(crate) fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

pub(crate) fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
}

/// The simulator as a runner.
pub(crate) fn sim_runner() -> Runner {
    Runner { program: env!("CARGO_BIN_EXE_sim-runner").into(), ..Runner::default() }
}

/// The same program built for aarch64 and emulated; it is linked statically, without a C compiler.
pub(crate) fn emulated_sim_runner(test: &str) -> Option<Runner> {
    const TARGET: &str = "aarch64-unknown-linux-musl";
    if std::env::var_os("NPU_BISECT_WITHOUT_AARCH64").is_some() {
        return None; // continuous integration has said so
    }
    test_kit::require_program(test, "qemu-aarch64")?;
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output().unwrap();
    if !Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir() {
        test_kit::skip(test, &format!("the Rust target {TARGET} is not installed"));
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aarch64");
    succeed(
        Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "backend", "--bin", "sim-runner", "--target", TARGET])
            // The build takes longer than the few trials: little is optimised.
            .args(["--config", "profile.dev.opt-level=0", "--config", "profile.dev.package.'*'.opt-level=0"])
            .args(["--config", "profile.dev.package.int8-sim.opt-level=1"])
            .envs([("CARGO_PROFILE_DEV_DEBUG", "false"), ("CARGO_INCREMENTAL", "0")])
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld")
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    let program = target.join(TARGET).join("debug/sim-runner");
    Some(Runner { program: emulated(&program, "qemu-aarch64", "/"), ..Runner::default() })
}

/// `npu-runner` built with its own build file against the tests' Paddle Lite; once in a process, because it is in use from then on.
pub(crate) fn npu_runner(test: &str, machine: &Machine) -> Option<Runner> {
    static BUILT: Mutex<BTreeMap<&str, Runner>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !built.contains_key(machine.name) {
        built.insert(machine.name, build(test, machine)?);
    }
    built.get(machine.name).cloned()
}

fn build(test: &str, machine: &Machine) -> Option<Runner> {
    let compiler = test_kit::require_program(test, machine.compiler)?;
    let cmake = test_kit::require_program(test, "cmake")?;
    if let Some(emulator) = machine.emulator {
        test_kit::require_program(test, emulator)?;
    }
    let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join("npu-runner").join(machine.name);
    let (sdk, build) = (at.join("sdk"), at.join("build"));
    for part in ["include", "lib"] {
        fs::create_dir_all(sdk.join(part)).unwrap();
    }
    for header in ["paddle_api.h", "paddle_place.h"] {
        fs::copy(folder("tests/paddle_lite/include").join(header), sdk.join("include").join(header)).unwrap();
    }
    succeed(
        Command::new(&compiler)
            .args(["-std=c++17", "-O1", "-fPIC", "-shared", "-DPADDLE_LITE_RELEASE=210", "-o"])
            .arg(sdk.join("lib/libpaddle_full_api_shared.so"))
            .arg(folder("tests/paddle_lite/paddle_lite.cpp"))
            .arg("-I")
            .arg(sdk.join("include")),
    );
    let definition = |name: &str, value: &Path| format!("-D{name}={}", value.display());
    succeed(
        Command::new(&cmake)
            .arg("-S")
            .arg(folder("runner"))
            .arg("-B")
            .arg(&build)
            .arg(definition("PADDLE_LITE_DIR", &sdk))
            .arg(definition("CMAKE_CXX_COMPILER", &compiler)),
    );
    succeed(Command::new(&cmake).arg("--build").arg(&build));
    let program = build.join("npu-runner");
    Some(Runner {
        program: machine.emulator.map_or(program.clone(), |emulator| emulated(&program, emulator, machine.root)),
        libraries: Some(sdk.join("lib")),
        env: vec![
            ("LD_LIBRARY_PATH".into(), "{trial}/lib".into()),
            ("SIM_RUNNER".into(), env!("CARGO_BIN_EXE_sim-runner").into()),
        ],
        ..Runner::default()
    })
}

/// A script that runs a program in an emulator.
fn emulated(program: &Path, emulator: &str, root: &str) -> PathBuf {
    let script = program.with_extension("sh");
    fs::write(&script, format!("#!/bin/sh\nexec {emulator} -L {root} '{}' \"$@\"\n", program.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}
