//! The journal: what was whole comes back, what was torn is reported, what was damaged is refused.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{fs, io::Cursor, path::Path};

use common::{asked, clock, whole_run};
use proptest::prelude::*;
use trial_store::{Entry, Journal, Recovery, StoreError, Timestamp, recover};

/// The bytes of a journal with these events, and its entries.
fn written(events: Vec<trial_store::Event>) -> (Vec<u8>, Vec<Entry>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let clock = clock();
    let (mut journal, _) = Journal::open(&path).unwrap();
    let entries = events.into_iter().map(|event| journal.append(clock(), event).unwrap()).collect();
    (fs::read(&path).unwrap(), entries)
}

fn read(bytes: &[u8]) -> Result<Recovery, StoreError> {
    recover(Cursor::new(bytes), Path::new("journal.jsonl"))
}

/// Where the last whole line ends.
fn whole_len(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |position| position + 1)
}

#[test]
fn every_kind_of_event_reads_back_exactly() {
    let (bytes, entries) = written(whole_run());
    let recovery = read(&bytes).unwrap();
    assert_eq!(recovery.entries, entries);
    assert_eq!(recovery.good_len, bytes.len() as u64);
    assert_eq!(recovery.lost_tail, None);
}

#[test]
fn every_line_is_json_that_names_its_event() {
    let (bytes, entries) = written(whole_run());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(lines.len(), entries.len());
    for line in lines {
        let json: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert!(json["event"].is_string() && json["seq"].is_u64() && json["check"].is_string(), "{json}");
    }
}

#[test]
fn a_journal_cut_at_any_byte_keeps_every_whole_record_and_reports_the_rest() {
    let (bytes, entries) = written(whole_run());
    for cut in 0..=bytes.len() {
        let recovery = read(&bytes[..cut]).unwrap();
        let good = whole_len(&bytes[..cut]);
        let whole = bytes[..good].split_inclusive(|&byte| byte == b'\n').count();
        assert_eq!(recovery.entries, entries[..whole], "cut at byte {cut}");
        let lost = recovery.lost_tail.map(|tail| (tail.line, tail.offset, tail.bytes));
        let expected = (cut > good).then_some((whole as u64 + 1, good as u64, (cut - good) as u64));
        assert_eq!(lost, expected, "cut at byte {cut}");
    }
}

#[test]
fn a_torn_tail_is_cut_off_once_and_the_journal_goes_on_behind_it() {
    let (bytes, entries) = written(whole_run());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();

    let (mut journal, recovery) = Journal::open(&path).unwrap();
    assert!(recovery.lost_tail.is_some());
    let added = journal.append(Timestamp::from_millis(1), asked(9, [1])).unwrap();
    assert_eq!(added.seq, entries.len() as u64 - 1);

    let (_, again) = Journal::open(&path).unwrap();
    assert_eq!(again.lost_tail, None);
    assert_eq!(again.entries.split_last(), Some((&added, &entries[..entries.len() - 1])));
}

#[test]
fn pages_that_a_power_cut_left_zero_count_as_a_torn_tail() {
    let (bytes, entries) = written(whole_run());
    let recovery = read(&[bytes.as_slice(), &[0; 5000]].concat()).unwrap();
    assert_eq!(recovery.entries, entries);
    assert_eq!(recovery.lost_tail.map(|tail| tail.bytes), Some(5000));
}

#[test]
fn a_flipped_bit_in_the_middle_is_refused_with_its_line_and_byte() {
    let (bytes, _) = written(whole_run());
    let third = bytes.split_inclusive(|&byte| byte == b'\n').take(2).map(<[u8]>::len).sum::<usize>();
    let mut damaged = bytes.clone();
    damaged[third + 60] ^= 1;
    match read(&damaged).unwrap_err() {
        StoreError::Damaged { line, offset, .. } => assert_eq!((line, offset), (3, third as u64)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_missing_line_and_a_repeated_line_are_refused() {
    let (bytes, _) = written(whole_run());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let without = [&lines[..4], &lines[5..]].concat().concat();
    let repeated = [&lines[..5], &lines[4..]].concat().concat();
    for (bytes, line_number) in [(without, 5), (repeated, 6)] {
        match read(&bytes).unwrap_err() {
            StoreError::Damaged { line, .. } => assert_eq!(line, line_number),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_damaged_journal_is_left_as_it_is() {
    let (mut bytes, _) = written(whole_run());
    bytes[70] ^= 1;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Journal::open(&path), Err(StoreError::Damaged { .. })));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn infinite_and_missing_numbers_survive() {
    for number in [f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, -0.0, 0.1 + 0.2] {
        let event = common::answered(1, trial_store::Verdict::Pass, number);
        let (bytes, entries) = written(vec![event]);
        assert_eq!(read(&bytes).unwrap().entries, entries);
    }
}

#[test]
fn an_event_that_could_not_be_read_back_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let (mut journal, _) = Journal::open(&path).unwrap();
    let huge = common::unresolved(1, trial_store::Cause::Crashed, &"x".repeat(17 << 20));
    assert!(matches!(journal.append(Timestamp::from_millis(1), huge), Err(StoreError::TooLarge { .. })));
    journal.append(Timestamp::from_millis(1), asked(1, [1])).unwrap();
    assert_eq!(Journal::open(&path).unwrap().1.entries.len(), 1);
}

#[test]
fn an_endless_line_is_a_torn_tail_and_never_held_whole() {
    let (bytes, entries) = written(whole_run());
    let endless = std::io::Read::take(std::io::repeat(b'x'), 40 << 20);
    let reader = std::io::BufReader::new(std::io::Read::chain(bytes.as_slice(), endless));
    let recovery = recover(reader, Path::new("journal.jsonl")).unwrap();
    assert_eq!((recovery.entries, recovery.lost_tail.map(|tail| tail.bytes)), (entries, Some(40 << 20)));
}

#[test]
fn an_undamaged_event_of_a_later_tool_is_told_from_damage() {
    let (bytes, _) = written(vec![asked(1, [1])]);
    let line = String::from_utf8(bytes).unwrap().replace("trial_asked", "trial_dreamt");
    let body = line.trim_end().split_once(',').unwrap().1;
    let check = &trial_store::Identity::of_bytes(body.as_bytes()).to_string()[..16];
    let error = read(format!("{{\"check\":\"{check}\",{body}\n").as_bytes()).unwrap_err();
    assert!(matches!(error, StoreError::UnknownEntry { line: 1, .. }), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_recovery_panic_and_what_it_accepts_is_a_prefix(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(recovery) = read(&bytes) {
            prop_assert!(recovery.good_len <= bytes.len() as u64);
        }
    }

    #[test]
    fn a_changed_byte_is_never_read_as_another_history(
        position in any::<prop::sample::Index>(), flip in 1..=255_u8
    ) {
        let (bytes, entries) = written(whole_run());
        let mut changed = bytes.clone();
        changed[position.index(bytes.len())] ^= flip;
        if let Ok(recovery) = read(&changed) {
            prop_assert!(entries.starts_with(&recovery.entries));
            prop_assert!(recovery.lost_tail.is_some());
        }
    }
}
