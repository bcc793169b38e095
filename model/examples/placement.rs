//! How long placement takes: `cargo run --release -p lockstep-model --example placement`.
//!
//! Clusters of three sizes, every service started on a node, a tenth of them bound to four nodes,
//! a tenth in pairs that stay together and a tenth in pairs that stay apart. Measured are the
//! question that every service raises in every round, the choice of the best node, the entry of a
//! changed state, the table of a whole round in its old buffers, and one look for the best move.

#![expect(clippy::disallowed_types, reason = "a stopwatch")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::hint::black_box;
use std::time::Instant as Stopwatch;

use lockstep_model::id::{NodeId, Ranks, ServiceId};
use lockstep_model::placement::affinity::{Affinity, Kind};
use lockstep_model::placement::balance::{Cluster, Method, Settings, rebalance};
use lockstep_model::placement::ratio::Ratio;
use lockstep_model::placement::state::{Guest, Managed, ServiceState};
use lockstep_model::placement::stats::{MicroCores, NodeStats, ServiceStats};
use lockstep_model::placement::usage::{Mode, Round, Table};
use lockstep_model::placement::{Preference, Request, Scratch, select};

/// About how long each measurement takes.
const AIM_NS: u128 = 200_000_000;

struct Bench {
    mode: Mode,
    online: Vec<NodeId>,
    node_stats: Vec<Option<NodeStats>>,
    node_ranks: Ranks,
    service_ranks: Ranks,
    guests: Vec<Guest>,
    stats: Vec<ServiceStats>,
    affinity: Affinity,
}

fn ids(count: u16) -> impl Iterator<Item = u16> {
    0..count
}

impl Bench {
    fn new(mode: Mode, nodes: u16, services: u16) -> Self {
        let node_names: Vec<String> = ids(nodes).map(|id| format!("node{id}")).collect();
        let service_names: Vec<String> = ids(services).map(|id| format!("vm:{id}")).collect();
        let guest = |id: u16| {
            Guest::Managed(Managed {
                state: ServiceState::Started,
                node: Some(NodeId(id % nodes)),
                target: None,
                running: true,
            })
        };
        let service_stats = |id: u16| ServiceStats {
            cpu_max: Some(MicroCores::from_whole(1 + u32::from(id) % 8)),
            mem_max_bytes: Some((1 + u64::from(id) % 7) << 30),
            cpu: Some(MicroCores(u64::from(id % 37) * 100_000)),
            mem_bytes: Some(u64::from(id % 41) << 27),
        };
        let node_stats = |id: u16| {
            Some(NodeStats {
                cpu_max: Some(MicroCores::from_whole(1024)),
                mem_max_bytes: Some(2 << 40),
                cpu: MicroCores(u64::from(id % 97) * 1_000_000),
                mem_bytes: u64::from(id % 89) << 31,
            })
        };
        Self {
            mode,
            online: ids(nodes).map(NodeId).collect(),
            node_stats: ids(nodes).map(node_stats).collect(),
            node_ranks: Ranks::of_names(&node_names),
            service_ranks: Ranks::of_names(&service_names),
            guests: ids(services).map(guest).collect(),
            stats: ids(services).map(service_stats).collect(),
            affinity: rules(nodes, services),
        }
    }

    fn fill(&self, table: &mut Table) {
        black_box(table.begin(Round {
            mode: self.mode,
            online: &self.online,
            ranks: &self.node_ranks,
            node_stats: Ok(&self.node_stats),
        }));
        for (id, (guest, stats)) in (0..).zip(self.guests.iter().zip(&self.stats)) {
            black_box(table.set(ServiceId(id), *guest, Some(stats)));
        }
    }

    fn request(&self, service: u16, preference: Preference) -> Request<'static> {
        let guest = self.guests[usize::from(service)];
        Request {
            service: ServiceId(service),
            node: guest.managed().and_then(|managed| managed.node),
            failed_nodes: &[],
            maintenance_node: None,
            failback: true,
            preference,
        }
    }
}

/// The rules that the head of this file speaks of. The fourth and fifth service of each ten have
/// partners in the next ten.
fn rules(nodes: u16, services: u16) -> Affinity {
    let mut affinity = Affinity::new();
    for id in ids(services) {
        match id % 10 {
            3 => {
                for step in 0..4 {
                    let node = NodeId((id + step) % nodes);
                    affinity.restrict(ServiceId(id), node, 0);
                }
            }
            4 if id + nodes < services => {
                affinity.relate(Kind::Positive, ServiceId(id), ServiceId(id + nodes));
            }
            5 if id + 1 < services => {
                affinity.relate(Kind::Negative, ServiceId(id), ServiceId(id + 1));
            }
            _ => {}
        }
    }
    affinity
}

/// Nanoseconds per call, with the number of the call passed in.
fn measure(mut call: impl FnMut(usize)) -> f64 {
    let mut calls = 1;
    loop {
        let watch = Stopwatch::now();
        for number in 0..calls {
            call(number);
        }
        let spent_ns = watch.elapsed().as_nanos();
        if spent_ns >= AIM_NS {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            return spent_ns as f64 / calls as f64;
        }
        calls *= 2;
    }
}

fn report(mode: Mode, nodes: u16, services: u16) {
    let bench = Bench::new(mode, nodes, services);
    let mut table = Table::new();
    bench.fill(&mut table);
    let mut scratch = Scratch::new();
    let service = |number: usize, every: usize, offset: usize| {
        let number = (number * every + offset) % bench.guests.len();
        u16::try_from(number).unwrap_or(0)
    };
    let mut ask = |preference, every, offset| {
        measure(|number| {
            let request = bench.request(service(number, every, offset), preference);
            black_box(select(&table, &bench.affinity, &request, &mut scratch));
        })
    };
    let all = ask(Preference::None, 1, 0);
    let plain = ask(Preference::None, 10, 0);
    let bound = ask(Preference::None, 10, 3);
    let related = ask(Preference::None, 10, 4);
    let best = ask(Preference::BestScore, 10, 0);
    let mut changing = table.clone();
    let change = measure(|number| {
        let id = service(number, 1, 0);
        let guest = bench.guests[usize::from(id)];
        black_box(changing.change(ServiceId(id), guest));
    });
    let rebuild = measure(|_| bench.fill(&mut changing));
    print!(
        "{nodes:5} {services:6} {:8} {all:8.1} {plain:8.1} {bound:8.1} {related:8.1} {best:11.0} \
         {change:8.1} {rebuild:12.0}",
        mode.name()
    );
    for method in [Method::Bruteforce, Method::Topsis] {
        if mode == Mode::Basic {
            print!("           -");
            continue;
        }
        let settings = Settings {
            enabled: true,
            method: Some(method),
            threshold: Ratio::ZERO,
            hold_rounds: Ratio::ZERO,
            margin: Ratio::ZERO,
        };
        let cluster = Cluster {
            table: &table,
            affinity: &bench.affinity,
            services: &bench.service_ranks,
        };
        let look = measure(|_| {
            black_box(rebalance(&settings, cluster, false, 0));
        });
        print!(" {look:11.0}");
    }
    println!();
}

fn main() {
    println!(
        "nodes    svc mode      staying    plain    bound  related        best   change      rebuild  \
         bruteforce      topsis   (ns)"
    );
    for (nodes, services) in [(3, 2), (29, 5000), (1000, 20_000)] {
        for mode in [Mode::Basic, Mode::Static, Mode::Dynamic] {
            report(mode, nodes, services);
        }
    }
}
