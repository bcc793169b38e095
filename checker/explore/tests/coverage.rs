//! What searches count of the state machines, and what is said of it. That they take what they must is
//! judged by `ha-checker check --coverage`.

use lockstep_explore::configuration;
use lockstep_explore::coverage::diagram::Machine;
use lockstep_explore::coverage::pairs::{FAULTS, Phase};
use lockstep_explore::coverage::{Counts, Coverage, Covered};

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
    let pairs = FAULTS
        .iter()
        .flat_map(|fault| Phase::ALL.map(|phase| (*fault, phase)));
    let met = pairs.filter(|(fault, phase)| covered.counts.pair(*fault, *phase) > 0);
    assert_eq!(met.count(), 0, "nothing fails");
}
