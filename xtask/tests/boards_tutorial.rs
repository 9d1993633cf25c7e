//! The ten commands of `docs/boards.md`, run as they stand there: over adb's real client and server to a daemon that is a board, with the
//! real runner over a Paddle Lite that the simulator plays.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod boards;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use boards::{Lab, runner, said};
use test_kit::{AdbServer, Adbd, Age, fixtures, require_program};

const ENGLISH: &str = include_str!("../../docs/boards.md");
const CHINESE: &str = include_str!("../../docs/zh/boards.md");

/// How many of the model's samples the test uses.
const SAMPLES: usize = 4;

/// The first block of commands.
fn commands(page: &str) -> Vec<&str> {
    let block = page.split("```console\n").nth(1).unwrap();
    block.split("```").next().unwrap().lines().collect()
}

#[test]
fn the_ten_commands_of_the_page_lead_to_a_verified_config_beside_the_demos_model() {
    let test = "the_ten_commands_of_the_page_lead_to_a_verified_config_beside_the_demos_model";
    let (Some(compiler), Some(_)) = (require_program(test, "c++"), require_program(test, "cmake")) else { return };
    let Some(server) = AdbServer::start(test) else { return };
    let lab = Lab::new();
    let clone = lab.path("clone");
    let clone = Path::new(&clone);
    lay_out_sdk(clone, &compiler);
    lay_out_model(&clone.join("my_model"));
    lay_out_board(clone, &lab.path("data"));
    let path = format!("{}:{}", clone.join("bin").display(), std::env::var("PATH").unwrap());
    let board = Adbd::start_with(Age::Modern, &[("PATH", &path)]);
    let serial = format!("127.0.0.1:{}", board.port);
    server.adb(&["connect", &serial]);

    let mut last = String::new();
    for command in commands(ENGLISH) {
        let command = command.replace("SERIAL", &serial).replace("/data/local/tmp", &lab.path("data"));
        let output = Command::new("sh")
            .args(["-e", "-c", &command])
            .current_dir(clone)
            .env("PATH", &path)
            .env("ANDROID_ADB_SERVER_PORT", server.port.to_string())
            .output()
            .unwrap();
        last = said(&output);
        assert!(output.status.success(), "{command}\n{last}");
        if command.contains("> boards.toml") {
            // The board's default work folder is no folder of this machine.
            let entry = fs::read_to_string(clone.join("boards.toml")).unwrap();
            let work = format!("work = \"{}/npu-bisect\"\n", lab.path("data"));
            fs::write(clone.join("boards.toml"), entry + &work).unwrap();
        }
    }
    let config = fs::read_to_string(clone.join("runs/desk/subgraph.txt")).unwrap();
    assert!(config.lines().count() > 0);
    assert_eq!(config, fs::read_to_string(clone.join("runs/simulated/subgraph.txt")).unwrap());
    assert!(last.contains(&config), "the demo does not see the config: {last}");
    assert!(last.contains("ClassifyResult"));
}

#[test]
fn the_chinese_page_has_the_sections_the_commands_and_the_tables_of_the_english_one() {
    assert_eq!(commands(ENGLISH), commands(CHINESE));
    assert_eq!(commands(ENGLISH).len(), 10);
    let count = |page: &str, mark: &str| page.lines().filter(|line| line.starts_with(mark)).count();
    for mark in ["## ", "|", "```", "1. ", "- "] {
        assert_eq!(count(CHINESE, mark), count(ENGLISH, mark), "lines that start with {mark:?}");
    }
}

/// The folders that FastDeploy's SDK and its demo have.
fn lay_out_sdk(clone: &Path, compiler: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lite = repository.join("crates/backend/tests/paddle_lite");
    let sdk = clone.join("fastdeploy-timvx/third_libs/install/paddlelite");
    for folder in [sdk.join("include"), sdk.join("lib"), clone.join("install/lib")] {
        fs::create_dir_all(folder).unwrap();
    }
    symlink(repository.join("crates"), clone.join("crates")).unwrap();
    fs::write(clone.join("fastdeploy-timvx/toolchain.cmake"), "").unwrap();
    for header in ["paddle_api.h", "paddle_place.h"] {
        fs::copy(lite.join("include").join(header), sdk.join("include").join(header)).unwrap();
    }
    let library = sdk.join("lib/libpaddle_full_api_shared.so");
    let built = Command::new(compiler)
        .args(["-std=c++17", "-O1", "-fPIC", "-shared", "-DPADDLE_LITE_RELEASE=212"])
        .arg(format!("-DSIM_RUNNER=\"{}\"", runner().display()))
        .arg("-I")
        .arg(sdk.join("include"))
        .arg(lite.join("paddle_lite.cpp"))
        .arg("-o")
        .arg(&library)
        .status();
    assert!(built.unwrap().success());
    fs::copy(&library, clone.join("install/lib/libpaddle_full_api_shared.so")).unwrap();
}

/// A model that loses accuracy on the NPU, with few samples.
fn lay_out_model(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let from = fixtures().join("models/digits_seg");
    for file in ["pl_old/model.pdmodel", "pl_old/model.pdiparams", "data.toml"] {
        fs::copy(from.join(file), folder.join(Path::new(file).file_name().unwrap())).unwrap();
    }
    for (file, bytes_a_sample) in [("eval_u8_nhwc.npy", 64 * 64 * 3), ("eval_masks.npy", 64 * 64)] {
        let array = fs::read(from.join(file)).unwrap();
        let (head, data) = array.split_at(128);
        let head = String::from_utf8_lossy(&head[10..]).replace("(160,", &format!("({SAMPLES:3},"));
        fs::write(folder.join(file), [&array[..10], head.as_bytes(), &data[..SAMPLES * bytes_a_sample]].concat())
            .unwrap();
    }
}

/// What the board has: a demo that was put there, and a driver in its kernel's log. `cargo xtask` is the program under test.
fn lay_out_board(clone: &Path, data: &str) {
    let demo = Path::new(data).join("test");
    for folder in [clone.join("bin"), demo.join("models/my_model")] {
        fs::create_dir_all(folder).unwrap();
    }
    let script = |path: &Path, text: &str| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script(&clone.join("bin/cargo"), &format!("#!/bin/sh\nshift\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_xtask")));
    script(&clone.join("bin/dmesg"), "#!/bin/sh\necho '[    3.141592] Galcore version 6.4.4.3.310723'\n");
    script(&demo.join("infer_demo"), "#!/bin/sh\ncat \"$1/subgraph.txt\"\necho 'ClassifyResult('\n");
}
