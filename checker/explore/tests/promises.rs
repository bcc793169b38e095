//! What must happen in the world: that shortcuts change nothing about it, that its bounds hold as
//! safety and no less does, and that a run in which it never does can be carried out again.

use lockstep_explore::configuration::{Configuration, Judgement, brisk_kappa_one, named};
use lockstep_explore::lasso::{Lasso, Replay};
use lockstep_explore::promised::{Fates, Promised};
use lockstep_explore::search::{
    Ending, Limits, Live as _, Longest, Options, Overdue, Verdict, liveness, search,
};
use lockstep_explore::timeline::{layout, plain};
use lockstep_model::mutation::{Mask, Mutant};
use lockstep_world::leads::Leads;
use lockstep_world::{Action, Fault, Setup};

fn fates(setup: &Setup, leads: &[Leads]) -> (Promised, Fates) {
    let model = Promised::new(setup.clone(), leads);
    let found = liveness(&model, 2, &Limits::default(), |_| ());
    assert!(matches!(found.ending, Ending::Closed));
    (model, found)
}

fn holder(faults: &[Fault], mutants: Mask) -> Setup {
    let mut setup = Setup::holder_and_contender(&brisk_kappa_one(), mutants);
    setup.faults = faults.to_vec();
    setup.fault_budget = u8::from(!faults.is_empty());
    setup.fault_hosts = vec![0];
    setup
}

/// What is said of promises, apart from how large the space is.
fn said(fates: &Fates) -> Vec<(String, bool, bool, Longest)> {
    let promises = fates.promises.iter();
    promises
        .map(|promise| {
            let broken = promise.broken.is_some();
            (
                promise.name.clone(),
                promise.open > 0,
                broken,
                promise.longest,
            )
        })
        .collect()
}

/// Steps that commute taken at once: the same promises are kept, within the same time.
#[test]
fn the_reduction_changes_nothing() {
    let leads = [Leads::WantedRuns, Leads::SilentTaken];
    for (faults, mutants, broken) in [
        (&[Fault::Power][..], Mask::NONE, 0),
        (&[Fault::CrashMux], Mask::NONE, 0),
        (&[Fault::Power], Mask::only(Mutant::SilenceNotTimed), 1),
    ] {
        let setup = holder(faults, mutants);
        let (_, reduced) = fates(&setup, &leads);
        let whole = Setup {
            reduce: false,
            ..setup
        };
        let (_, whole) = fates(&whole, &leads);
        assert_eq!(said(&reduced), said(&whole));
        assert!(reduced.states < whole.states);
        let found = reduced.promises.iter().filter(|it| it.broken.is_some());
        assert_eq!(found.count(), broken, "{faults:?}");
    }
}

/// A silent lock is taken after T(1+ρ): the bound holds as safety, and one tick less doesn't.
#[test]
fn a_silent_lock_is_taken_in_time_and_no_sooner() {
    let setup = holder(&[Fault::Power], Mask::NONE);
    let timing = brisk_kappa_one();
    let silence = u32::try_from(timing.silence(timing.lock_ttl).0).expect("a few ticks");
    let (model, found) = fates(&setup, &[Leads::SilentTaken]);
    assert_eq!(found.promises[0].longest, Longest::Units(silence));
    for (bound, holds) in [(silence, true), (silence - 1, false)] {
        let overdue = Overdue::new(model.clone(), 0, bound);
        let verdict = search(&overdue, &Options::default(), |_| ()).verdict;
        assert_eq!(matches!(verdict, Verdict::Exhausted), holds, "{bound}");
        assert_eq!(matches!(verdict, Verdict::Violated { .. }), !holds);
    }
}

/// Without an end to a pause nothing has to happen: a fault that lasts is an excuse, one that is
/// over is none.
#[test]
fn excuses_are_needed() {
    let (model, _) = fates(&holder(&[], Mask::NONE), &[Leads::WantedRuns]);
    let world = &stateright::Model::init_states(&model)[0];
    let standing = |change: fn(&mut lockstep_world::World)| {
        let mut world = world.clone();
        change(&mut world);
        let promises = model.promises(&world);
        (promises.made, promises.kept)
    };
    assert_eq!(standing(|_| ()), (1, 0));
    assert_eq!(standing(|world| world.hosts[0].isolated = true), (1, 1));
    assert_eq!(standing(|world| world.store.down = true), (1, 1));
    assert_eq!(
        standing(|world| world.hosts[0].lrms[0].paused = true),
        (1, 1)
    );
    // Somebody starts it again: no excuse, only no time that counts.
    assert_eq!(standing(|world| world.hosts[0].lrms.clear()), (1, 0));
}

/// A mutant's configuration with the lasso that was found in it.
fn found(name: &str) -> (Configuration, Lasso) {
    let configuration = named(name).expect("a configuration of this name");
    let fates = configuration.keep(&Options::default(), |_| ());
    let fates = fates.expect("something must happen in it");
    assert_eq!(configuration.judge_fates(&fates), Judgement::AsExpected);
    let model = Promised::new(configuration.setup.clone(), &configuration.leads());
    let (_, broken) = fates.first_broken().expect("a promise that is not kept");
    let lasso = Lasso::new(configuration.clone(), model.promises_made()[0], broken);
    (configuration, lasso)
}

#[test]
fn a_lasso_is_written_and_replays() {
    let (_, lasso) = found("mutant/silence-not-timed");
    let text = lasso.to_json().expect("JSON");
    let again = Lasso::from_json(&text).expect("it was just written");
    assert_eq!(again.to_json().expect("JSON"), text);
    let Replay::AsStated(story) = again.replay() else {
        panic!("{:?}", again.replay());
    };
    let told = layout(&story, 120, &plain);
    for part in [
        "never kept: silent-taken on host 1",
        "repeats for ever",
        "repeat for ever",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_lasso_that_is_none_is_told_so() {
    type Change = fn(&mut Lasso);
    let (_, lasso) = found("mutant/silence-not-timed");
    let cases: &[(Change, &str)] = &[
        (|it| it.prefix.truncate(it.prefix.len() - 1), "come back"),
        // Nobody sleeps for ever while time passes: the run stops, and needn't.
        (|it| it.cycle.clear(), "not fair: time"),
        (|it| it.made = 0, "isn't made"),
        (|it| it.made = 1_000_000, "isn't made"),
        (|it| it.promise.leads = Leads::LeavingEnds, "nobody makes"),
    ];
    for (change, part) in cases {
        let mut lasso = lasso.clone();
        change(&mut lasso);
        match lasso.replay() {
            Replay::Differs(_, why) => assert!(why.contains(part), "{why}: not {part}"),
            other @ (Replay::AsStated(_) | Replay::Impossible(_)) => panic!("{part}: {other:?}"),
        }
    }
    let mut kept = lasso.clone();
    kept.mutants = Mask::NONE;
    assert!(!matches!(kept.replay(), Replay::AsStated(_)));
    let mut impossible = lasso;
    impossible.prefix.insert(0, Action::Reset { host: 0 });
    assert!(matches!(impossible.replay(), Replay::Impossible(_)));
}

#[test]
fn what_is_no_lasso_is_refused() {
    let (_, lasso) = found("mutant/silence-not-timed");
    let text = lasso.to_json().expect("JSON");
    for (from, to, part) in [
        ("lockstep-lasso", "lockstep", "expected 'lockstep-lasso'"),
        (
            "\"version\": 1",
            "\"version\": 2",
            "are 'lockstep-lasso' and 2",
        ),
        (
            "\"silent-taken\"",
            "\"silence\"",
            "nothing leads to 'silence'",
        ),
        (
            "mutant/silence",
            "mutant/silent",
            "no configuration is called",
        ),
        ("\"made\"", "\"more\"", "unknown field `more`"),
    ] {
        let broken = text.replacen(from, to, 1);
        let refused = Lasso::from_json(&broken).expect_err(part);
        assert!(refused.message.contains(part), "{}", refused.message);
    }
}
