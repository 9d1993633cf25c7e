//! Random models and configs on their own: what must hold of them before Paddle Lite is asked.

use conformance::{Recipe, Subject, random_config, random_placement};
use op_graph::OpGraph;

fn recipes() -> impl Iterator<Item = Recipe> {
    let mut rng = fastrand::Rng::with_seed(11);
    std::iter::repeat_with(move || Recipe::random(&mut rng, 24)).take(150)
}

#[test]
fn every_random_model_round_trips_and_gives_a_graph() {
    let folder = tempfile::tempdir().unwrap();
    for recipe in recipes() {
        let subject = Subject::create(recipe, folder.path()).unwrap();
        let graph = subject.derived.unwrap_or_else(|refusal| panic!("{recipe:?}: {refusal}")).graph;
        assert!(graph.op_count() > recipe.steps, "{recipe:?} gives {} ops", graph.op_count());
        let loaded = Subject::load("loaded", subject.files).unwrap().derived.unwrap().graph;
        assert_eq!(loaded.records(), graph.records(), "{recipe:?}");
    }
}

#[test]
fn a_recipe_of_fewer_steps_begins_like_the_longer_one() {
    for recipe in recipes().filter(|recipe| recipe.steps > 2) {
        let ops = |recipe: Recipe| {
            let ops = recipe.model().program.blocks.remove(0).ops;
            let tail = ops.iter().rposition(|op| !matches!(op.op_type.as_str(), "scale" | "fetch"));
            ops[..=tail.unwrap_or_default()].to_vec()
        };
        let shorter = ops(Recipe { steps: recipe.steps - 1, ..recipe });
        assert_eq!(shorter, ops(recipe)[..shorter.len()], "{recipe:?}");
    }
}

#[test]
fn a_random_config_is_never_a_file_of_no_bytes() {
    let mut rng = fastrand::Rng::with_seed(5);
    for recipe in recipes().take(40) {
        let model = recipe.model();
        let graph: OpGraph = model.lite_program(&paddle_model::LiteOptions::default()).unwrap().graph;
        for _ in 0..20 {
            assert!(!random_config(&mut rng, &graph).is_empty());
            assert!(random_placement(&mut rng, &graph).iter().all(|op| op.index() < graph.op_count()));
        }
    }
}
