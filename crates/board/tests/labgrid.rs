//! Boards of a farm: real labgrid coordinator, exporter and client, and real sshd as the boards.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use board::{
    cancel::Cancel,
    transport::{Labgrid, Place, Transport, Trouble},
};
use common::LONG;
use test_kit::{LabgridFarm, find_labgrid};

fn board(farm: &LabgridFarm, place: Place) -> Labgrid {
    let board = Labgrid::new(place, Some(&farm.coordinator), &farm.ssh_options(), &Cancel::new());
    board.program(farm.program())
}

fn named(farm: &LabgridFarm) -> Labgrid {
    board(farm, Place::Named("board1".into()))
}

fn write(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).unwrap();
    path.to_path_buf()
}

#[test]
fn a_place_is_acquired_used_over_plain_ssh_and_released_by_name_and_by_tags() {
    let Some(farm) = LabgridFarm::start("a_place_is_acquired_used_over_plain_ssh_and_released") else { return };
    let tags = BTreeMap::from([("soc".to_owned(), "rv1126".to_owned())]);
    for place in [Place::Named("board1".into()), Place::Tagged { tags, patience: LONG }] {
        let board = board(&farm, place);
        assert_eq!(board.holds(), None);
        assert_eq!(board.shell(b"exit 42", LONG).unwrap().code, 42);
        assert_eq!(board.holds().as_deref(), Some("board1"));
        assert!(farm.is_held());
        let local = write(&farm.path().join("local"), "contents");
        let there = common::remote(&farm.path().join("there"));
        board.push(&local, &there, LONG).unwrap();
        let back = farm.path().join("back");
        board.pull(&[(there, back.clone())], 100, LONG).unwrap();
        assert_eq!(fs::read(back).unwrap(), b"contents");

        match named(&farm).shell(b"true", LONG).unwrap_err() {
            Trouble::Refused { output, .. } => assert!(output.contains("acquired"), "{output}"),
            other => panic!("{other}"),
        }
        assert!(farm.is_held(), "a second user's failure took the place away from the first");
        drop(board);
        assert!(!farm.is_held());
        assert!(!farm.client(&["reservations"]).1.contains("allocated"));
    }
}

#[test]
fn a_place_lost_with_the_coordinators_restart_is_acquired_again_on_reconnect() {
    let Some(mut farm) = LabgridFarm::start("a_place_lost_with_the_coordinators_restart_is_acquired_again") else {
        return;
    };
    let board = named(&farm);
    assert_eq!(board.shell(b"exit 1", LONG).unwrap().code, 1);
    farm.stop_daemons();
    farm.start_daemons();
    // One that is killed may not have written down its places yet.
    farm.create_place();
    assert!(!farm.is_held(), "this labgrid keeps acquisitions over a restart");
    board.reconnect();
    assert_eq!(board.shell(b"exit 2", LONG).unwrap().code, 2);
    assert!(farm.is_held());
}

#[test]
fn a_farm_that_is_not_there_is_trouble_in_bounded_time() {
    let Some(bin) = find_labgrid("a_farm_that_is_not_there_is_trouble_in_bounded_time") else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("127.0.0.1:{port}");
    let board = Labgrid::new(Place::Named("board1".into()), Some(&nowhere), &[], &Cancel::new());
    let trouble = board.program(bin.join("labgrid-client")).shell(b"true", Duration::from_secs(1)).unwrap_err();
    assert!(matches!(trouble, Trouble::Refused { .. }), "{trouble}");
}
