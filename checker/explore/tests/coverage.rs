//! `docs/coverage.md` and its pictures show what `docs/coverage.json` says, and that is of the state
//! machines and configurations that there are now.
//!
//! `ha-checker coverage --document docs` makes all of them anew; `UPDATE_PICTURES=1` draws anew what
//! is in the figures. That searches take what the figures say is judged by `ha-checker check --coverage`.

mod kept;

use std::fs;
use std::path::Path;

use lockstep_explore::configuration::{self, Configuration, Expectation, Tier};
use lockstep_explore::coverage::diagram::Machine;
use lockstep_explore::coverage::pairs::Phase;
use lockstep_explore::coverage::{Counts, Coverage, Covered, document, figures};
use lockstep_world::Fault;

fn kept_figures() -> Coverage {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("docs/coverage.json"));
    let text = text.expect("`ha-checker coverage --document docs` writes it");
    figures::read(&text).expect("it is as it was written")
}

#[test]
fn the_document_shows_the_figures() {
    let files = document::files(&kept_figures()).into_iter();
    let wrong: Vec<String> = files
        .filter_map(|(name, now)| kept::compare(&format!("docs/{name}"), &now))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_figures_are_of_the_quick_tier_and_nothing_is_missing_in_them() {
    let coverage = kept_figures();
    let quick =
        |one: &Configuration| one.tier == Tier::Quick && one.expectation == Expectation::Holds;
    let all = configuration::all().into_iter().filter(quick);
    let names: Vec<String> = all.map(|one| one.name).collect();
    let kept: Vec<String> = coverage.each.iter().map(|one| one.name.clone()).collect();
    assert_eq!(
        kept, names,
        "`ha-checker coverage --document docs` counts anew"
    );
    assert_eq!(coverage.wrong(true), Vec::<String>::new());
}

#[test]
fn what_is_missing_and_what_is_strange_is_said() {
    let empty = Coverage::default();
    let unexplained = empty.wrong(true);
    assert!(
        unexplained
            .iter()
            .any(|line| line.contains("service: started → fence is never met"))
    );
    assert!(
        unexplained
            .iter()
            .any(|line| line.contains("fault power while running is never met"))
    );
    assert_eq!(empty.wrong(false), Vec::<String>::new());

    let mut counts = Counts::default();
    let state = |name| Machine::Service.state(name).expect("a state");
    counts.set_edge(Machine::Service, state("error"), state("started"), 1);
    counts.set_edge(Machine::Service, state("fence"), state("migrate"), 1);
    let mut strange = Coverage::default();
    strange.add(Covered {
        name: "l3/strange".to_owned(),
        hosts: 2,
        states: 1,
        counts,
    });
    let wrong = strange.wrong(false);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("error → started is taken and not allowed, first in l3/strange"));
    assert!(wrong[1].contains("fence → migrate is met 1 times, though it is said"));
}

#[test]
fn a_search_counts_what_it_takes() {
    let one = configuration::named("l3/start").expect("a configuration");
    let (found, covered) = one.cover(&lockstep_explore::search::Options::default(), |_| ());
    assert_eq!(found.states, covered.states);
    let edge = |machine: Machine, from: &str, to: &str| {
        let state = |name: &str| machine.state(name).expect("a state");
        covered.counts.edge(machine, state(from), state(to))
    };
    assert!(edge(Machine::Service, "request_start", "started") > 0);
    assert_eq!(
        edge(Machine::Service, "started", "fence"),
        0,
        "nothing fails"
    );
    assert!(edge(Machine::Crm, "wait_for_quorum", "master") > 0);
    let pairs = Fault::ALL
        .iter()
        .flat_map(|fault| Phase::ALL.map(|phase| (*fault, phase)));
    let met = pairs.filter(|(fault, phase)| covered.counts.pair(*fault, *phase) > 0);
    assert_eq!(met.count(), 0, "nothing fails");
}
