//! What becomes of promises.
use lockstep_explore::configuration::named;
use lockstep_explore::promised::Promised;
use lockstep_explore::search::{Limits, liveness};
use lockstep_explore::timeline::{Story, layout, plain};
use lockstep_world::leads::Leads;

fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().expect("a name");
    let leads: Vec<Leads> = args.map(|n| Leads::named(&n).expect("leads")).collect();
    let c = named(&name).expect("named");
    let leads = if leads.is_empty() {
        Leads::ALL.to_vec()
    } else {
        leads
    };
    let model = Promised::new(c.setup.clone(), &leads);
    let found = liveness(&model, 1, &Limits::default(), |_| ());
    println!(
        "{name}: {} states {} steps {:.1}s {} bytes",
        found.states, found.steps, found.seconds, found.peak_bytes
    );
    for p in &found.promises {
        println!(
            "  {} open {} longest {:?} broken {}",
            p.name,
            p.open,
            p.longest,
            p.broken.is_some()
        );
        if let Some(b) = &p.broken {
            let mut actions: Vec<_> = b
                .lasso
                .prefix
                .steps
                .iter()
                .map(|s| s.action.clone())
                .collect();
            println!(
                "   made {} prefix {} cycle {}",
                b.made,
                actions.len(),
                b.lasso.cycle.len()
            );
            actions.extend(b.lasso.cycle.iter().map(|s| s.action.clone()));
            let story = Story::of(model.setup(), &actions).expect("story");
            println!("{}", layout(&story, 150, &plain));
            println!(
                "cycle: {:?}",
                b.lasso.cycle.iter().map(|s| &s.action).collect::<Vec<_>>()
            );
        }
    }
}
