//! The cache: what was put is found by content, and a damaged one costs time, never a run.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;

use proptest::prelude::*;
use trial_store::{Cache, CacheKey, CacheScope, Identity, Measurement, StoreError};

fn scope() -> CacheScope {
    CacheScope {
        model: Identity::of_bytes(b"model"),
        inputs: Identity::of_bytes(b"inputs"),
        metric: Identity::of_bytes(b"metric"),
        device: Identity::of_bytes(b"device"),
    }
}

fn measured(score: f64) -> Measurement {
    Measurement { score: Some(score), samples_used: 8, samples_total: 8, ..Measurement::default() }
}

#[test]
fn a_measurement_is_found_by_another_run_of_the_same_content_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache/trials.redb");
    let key = scope().partition(b"conv2d:x,w:y\n", 0);
    Cache::open(&path).unwrap().0.put(key, &measured(0.97)).unwrap();

    let (cache, set_aside) = Cache::open(&path).unwrap();
    assert_eq!(set_aside, None);
    assert_eq!(cache.get(key).unwrap(), Some(measured(0.97)));
    let other = Identity::of_bytes(b"other");
    for scope in [
        CacheScope { model: other, ..scope() },
        CacheScope { inputs: other, ..scope() },
        CacheScope { metric: other, ..scope() },
        CacheScope { device: other, ..scope() },
    ] {
        assert_eq!(cache.get::<Measurement>(scope.partition(b"conv2d:x,w:y\n", 0)).unwrap(), None);
    }
    assert_eq!(cache.get::<Measurement>(scope().partition(b"conv2d:x,w:y\n", 1)).unwrap(), None);
    assert_eq!(cache.get::<Measurement>(scope().partition(b"relu:y:z\n", 0)).unwrap(), None);
}

#[test]
fn placements_with_the_same_clusters_share_a_key_and_others_do_not() {
    let key = |clusters: &[Vec<u32>]| scope().clusters(clusters, 0);
    assert_eq!(key(&[vec![1, 2], vec![5]]), key(&[vec![5], vec![2, 1]]));
    assert_ne!(key(&[vec![1, 2], vec![5]]), key(&[vec![1], vec![2, 5]]));
    assert_ne!(key(&[vec![1, 2]]), key(&[vec![1, 2], vec![]]));
}

#[test]
fn large_values_are_kept_too_and_a_value_of_another_type_counts_as_absent() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, _) = Cache::open(&dir.path().join("run.redb")).unwrap();
    let key = CacheKey::from(Identity::of_bytes(b"baseline outputs"));
    let outputs: Vec<f32> = (0_u16..20_000).map(f32::from).collect();
    assert_eq!(cache.get::<Vec<f32>>(key).unwrap(), None);
    cache.put(key, &outputs).unwrap();
    assert_eq!(cache.get(key).unwrap(), Some(outputs));
    assert_eq!(cache.get::<String>(key).unwrap(), None);
}

#[test]
fn a_second_user_of_the_cache_is_told_that_it_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trials.redb");
    let _first = Cache::open(&path).unwrap();
    assert!(matches!(Cache::open(&path), Err(StoreError::CacheBusy(_))));
}

#[test]
fn a_file_that_is_no_cache_is_set_aside_and_a_new_one_begun() {
    for content in [b"hello".to_vec(), vec![0; 10_000], vec![0xff; 10_000]] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trials.redb");
        fs::write(&path, &content).unwrap();
        let (cache, set_aside) = Cache::open(&path).unwrap();
        assert_eq!(fs::read(set_aside.unwrap().moved_to).unwrap(), content);
        let key = scope().partition(b"", 0);
        cache.put(key, &measured(1.0)).unwrap();
        assert_eq!(cache.get(key).unwrap(), Some(measured(1.0)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_cache_gives_what_was_put_or_nothing(
        positions in prop::collection::vec(any::<prop::sample::Index>(), 1..20), cut in prop::option::of(any::<prop::sample::Index>())
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trials.redb");
        let keys: Vec<CacheKey> = (0..50).map(|repeat| scope().partition(b"x", repeat)).collect();
        {
            let (cache, _) = Cache::open(&path).unwrap();
            for (score, &key) in keys.iter().enumerate() {
                cache.put(key, &measured(score as f64)).unwrap();
            }
        }
        let mut bytes = fs::read(&path).unwrap();
        // Most of a small database is free space; its head and its first pages are what can hurt.
        for position in &positions {
            let index = position.index(bytes.len().min(64 << 10));
            bytes[index] ^= 0x55;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, &bytes).unwrap();
        if let Ok((cache, _)) = Cache::open(&path) {
            for (score, &key) in keys.iter().enumerate() {
                if let Ok(Some(found)) = cache.get::<Measurement>(key) {
                    prop_assert_eq!(found, measured(score as f64));
                }
            }
        }
    }
}
