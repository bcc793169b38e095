//! Revisions in one of the orders that nobody can tell apart.
//!
//! Every write gives the store a new revision, so what happens on two hosts at once leaves behind
//! in which order it happened, for as long as anything remembers both revisions. But revisions are
//! compared in few ways only ([`Role`]): those of one record with each other, for being the same;
//! the moments that one process knows with each other, for which is later.
//!
//! So each revision is taken apart into what it is to records and what it is to each process,
//! unless something under way holds these together: an answer or a reading that will be compared
//! with all of them. All are put in the order in which they are met on a walk through the world,
//! except that what one process compares keeps its order. What behaves alike becomes the same
//! world, and that behaves as each of them did: what is compared compares as before, and whatever
//! is written next is later than all.

use lockstep_model::id::{Incarnation, LockId, RequestId, Revision};
use lockstep_model::record::Key;
use lockstep_model::visit::{Visit, Visitor};

use crate::state::World;

/// What a revision is compared with, by what shows it ([`Visitor`]).
#[derive(Clone, Copy)]
enum Role {
    /// A record's: with others of the same record, for being the same.
    Version,
    /// A moment: with others that the same process knows.
    Moment,
    /// The newest moment that a process knows of: with what is under way to it.
    Newest,
    /// When what is under way to a process was read or written: with all of these.
    UnderWay,
}

/// What is left of a revision when it is taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A record's.
    Version,
    /// The newest that a process knows of. It is compared with nothing but what is under way.
    Newest(usize),
    /// A moment that a process compares with others.
    Moment(usize),
    /// All that it is to a process that it is under way to, as a version too if it is an answer.
    UnderWay(usize),
    /// All that it is to anybody.
    Whole,
}

/// A revision, or a part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Met {
    revision: Revision,
    part: Part,
}

impl Met {
    /// Whether somebody compares the two for which is later.
    fn compares(self, other: Self) -> bool {
        match (self.part, other.part) {
            (Part::Version, _) | (_, Part::Version) => false,
            (Part::Whole, _) | (_, Part::Whole) => true,
            (Part::Newest(_), Part::Newest(_) | Part::Moment(_))
            | (Part::Moment(_), Part::Newest(_)) => false,
            (
                Part::Moment(one) | Part::UnderWay(one),
                Part::Moment(other) | Part::UnderWay(other) | Part::Newest(other),
            )
            | (Part::Newest(one), Part::UnderWay(other)) => one == other,
        }
    }
}

/// Which revisions are under way to whom, so that they can't be taken apart.
#[derive(Default)]
struct Parts {
    /// To this process.
    read: Vec<(Revision, usize)>,
    /// As the answer to its write.
    answers: Vec<(Revision, usize)>,
    /// Compared with what everybody knows.
    whole: Vec<Revision>,
    /// The process whose moments are met.
    process: usize,
}

impl Parts {
    fn of(&self, role: Role, revision: Revision) -> Met {
        let mine = (revision, self.process);
        let mut answers = self.answers.iter();
        let answer = answers.find(|(answer, _)| *answer == revision);
        let part = match role {
            _ if self.whole.contains(&revision) => Part::Whole,
            Role::Version => answer.map_or(Part::Version, |(_, to)| Part::UnderWay(*to)),
            Role::UnderWay => Part::UnderWay(self.process),
            Role::Newest | Role::Moment
                if self.read.contains(&mine) || self.answers.contains(&mine) =>
            {
                Part::UnderWay(self.process)
            }
            Role::Newest => Part::Newest(self.process),
            Role::Moment => Part::Moment(self.process),
        };
        Met { revision, part }
    }
}

/// A visitor that is told whose moments it is shown.
trait Enters: Visitor {
    fn enter(&mut self, process: usize);
}

impl Visitor for Parts {
    fn read_at(&mut self, revision: &mut Revision) {
        self.read.push((*revision, self.process));
    }
    fn applied_as(&mut self, revision: &mut Revision) {
        self.answers.push((*revision, self.process));
    }
}

impl Enters for Parts {
    fn enter(&mut self, process: usize) {
        self.process = process;
    }
}

/// A request's number in its process.
#[derive(Clone, Copy)]
struct Numbered {
    process: Incarnation,
    number: u64,
    /// Whether it is compared for its order.
    ordered: bool,
}

impl Numbered {
    fn is(&self, process: Incarnation, number: u64) -> bool {
        self.process == process && self.number == number
    }
}

/// Notes revisions and requests in the order in which they are met.
struct Meet {
    met: Vec<Met>,
    parts: Parts,
    requests: Vec<Numbered>,
}

impl Meet {
    fn meet(&mut self, role: Role, revision: Revision) {
        let met = self.parts.of(role, revision);
        if !self.met.contains(&met) {
            self.met.push(met);
        }
    }

    fn note(&mut self, process: Incarnation, number: u64, ordered: bool) {
        match self.requests.iter_mut().find(|it| it.is(process, number)) {
            Some(known) => known.ordered |= ordered,
            None => self.requests.push(Numbered {
                process,
                number,
                ordered,
            }),
        }
    }
}

impl Visitor for Meet {
    fn revision(&mut self, revision: &mut Revision) {
        self.meet(Role::Moment, *revision);
    }
    fn revision_under(&mut self, _: Key, revision: &mut Revision) {
        self.meet(Role::Version, *revision);
    }
    fn term_began(&mut self, _: Key, revision: &mut Revision) {
        self.meet(Role::Moment, *revision);
    }
    fn horizon(&mut self, revision: &mut Revision) {
        self.meet(Role::Newest, *revision);
    }
    fn read_at(&mut self, revision: &mut Revision) {
        self.meet(Role::UnderWay, *revision);
    }
    fn applied_as(&mut self, revision: &mut Revision) {
        self.meet(Role::UnderWay, *revision);
    }
    fn request(&mut self, process: Incarnation, number: &mut u64) {
        self.note(process, *number, true);
    }
    fn label(&mut self, process: Incarnation, number: &mut u64) {
        self.note(process, *number, false);
    }
    fn author(&mut self, _: &mut RequestId) {}
}

impl Enters for Meet {
    fn enter(&mut self, process: usize) {
        self.parts.process = process;
    }
}

/// Replaces each revision and each request's number by its new place.
struct Place {
    order: Vec<Met>,
    parts: Parts,
    requests: Vec<Numbered>,
}

impl Place {
    fn place(&self, role: Role, revision: &mut Revision) {
        let met = self.parts.of(role, *revision);
        if let Some(at) = self.order.iter().position(|one| *one == met) {
            revision.0 = at as u64 + 1;
        }
    }
}

impl Visitor for Place {
    fn revision(&mut self, revision: &mut Revision) {
        self.place(Role::Moment, revision);
    }
    fn revision_under(&mut self, _: Key, revision: &mut Revision) {
        self.place(Role::Version, revision);
    }
    fn term_began(&mut self, _: Key, revision: &mut Revision) {
        self.place(Role::Moment, revision);
    }
    fn horizon(&mut self, revision: &mut Revision) {
        self.place(Role::Newest, revision);
    }
    fn read_at(&mut self, revision: &mut Revision) {
        self.place(Role::UnderWay, revision);
    }
    fn applied_as(&mut self, revision: &mut Revision) {
        self.place(Role::UnderWay, revision);
    }
    fn request(&mut self, process: Incarnation, number: &mut u64) {
        let mut requests = self.requests.iter();
        if let Some(at) = requests.position(|it| it.is(process, *number)) {
            *number = at as u64 + 1;
        }
    }
    fn author(&mut self, request: &mut RequestId) {
        *request = RequestId {
            process: Incarnation(0),
            number: 0,
        };
    }
}

impl Enters for Place {
    fn enter(&mut self, process: usize) {
        self.parts.process = process;
    }
}

/// The new order: of those that nothing has to come before, the one that was met first.
fn ordered(mut met: Vec<Met>) -> Vec<Met> {
    let mut order = Vec::with_capacity(met.len());
    while !met.is_empty() {
        let first = |at: &usize| {
            let it = met[*at];
            let before = |other: &Met| other.compares(it) && other.revision < it.revision;
            !met.iter().any(before)
        };
        // The least of all has nothing before it, so there is one.
        let next = (0..met.len()).find(first).unwrap_or(0);
        order.push(met.remove(next));
    }
    order
}

/// The same for requests. The last of a process, its next one's, stays the last.
fn numbered(mut met: Vec<Numbered>) -> Vec<Numbered> {
    let mut order = Vec::with_capacity(met.len());
    while !met.is_empty() {
        let first = |at: &usize| {
            let it = met[*at];
            let before = |other: &Numbered| {
                it.process == other.process
                    && other.number != it.number
                    && match it.ordered && other.ordered {
                        true => other.number < it.number,
                        false => is_last(&met, it),
                    }
            };
            !met.iter().any(before)
        };
        let next = (0..met.len()).find(first).unwrap_or(0);
        order.push(met.remove(next));
    }
    order
}

fn is_last(met: &[Numbered], it: Numbered) -> bool {
    let mut others = met.iter().filter(|other| other.process == it.process);
    others.all(|other| other.number <= it.number)
}

impl World {
    /// Puts revisions in one order, and forgets who wrote grants and beats, which nobody asks.
    pub(crate) fn reorder(&mut self) {
        let mut parts = Parts::default();
        self.walk(&mut parts);
        self.add_whole(&mut parts);
        let mut met = Meet {
            met: Vec::with_capacity(24),
            parts,
            requests: Vec::with_capacity(16),
        };
        self.walk(&mut met);
        let mut place = Place {
            order: ordered(met.met),
            parts: met.parts,
            requests: numbered(met.requests),
        };
        self.walk(&mut place);
        // Whatever is written next is later than all of them.
        self.store.revision = Revision(place.order.len() as u64 + 1);
    }

    /// What starts and moves are judged by is compared with what LRMs have read; of one LRM alone it
    /// is one of its moments.
    fn add_whole(&self, parts: &mut Parts) {
        for lock in &self.store.locks {
            let homes = self
                .hosts
                .iter()
                .filter(|host| LockId::Agent(host.node) == lock.lock);
            if homes.map(|host| host.lrms.len()).sum::<usize>() > 1 {
                parts.whole.push(lock.taken);
            }
            parts.whole.push(lock.unready);
        }
    }

    /// Visits what has revisions, having said before each process which it is.
    fn walk(&mut self, visitor: &mut impl Enters) {
        let mut process = 0;
        let mut known = Vec::new();
        for host in &mut self.hosts {
            let first = process;
            for lrm in &mut host.lrms {
                visitor.enter(process);
                lrm.visit(visitor);
                known.push(lrm.incarnation);
                process += 1;
            }
            if let Some(contender) = &mut host.contender {
                visitor.enter(process);
                contender.visit(visitor);
                known.push(contender.incarnation);
                process += 1;
            }
            host.mux.visit(visitor);
            host.workers.visit(visitor);
            host.agents.visit(visitor);
            let mut locks = self.store.locks.iter_mut();
            if let Some(lock) = locks.find(|lock| lock.lock == LockId::Agent(host.node)) {
                visitor.enter(first);
                lock.visit(visitor);
            }
        }
        self.store.entries.visit(visitor);
        for delayed in &mut self.store.delayed {
            // Whoever has died compares nothing any more.
            let of = known.iter().position(|one| *one == delayed.from);
            visitor.enter(of.unwrap_or(usize::MAX));
            delayed.visit(visitor);
        }
    }
}
