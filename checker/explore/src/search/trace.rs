//! Ways through the state space, and how they are rebuilt from links.

use super::checked::Checked;
use super::engine::initial_states;
use super::fingerprint::{Fingerprint, Fingerprinter};
use super::links::{Links, Spot};
use super::worker::message_of;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A way through the state space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace<S, A> {
    /// Where it starts.
    pub start: S,
    /// The steps from there.
    pub steps: Vec<Step<S, A>>,
}

/// One step of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<S, A> {
    /// Which of the successors it is, counted from 0.
    pub choice: u16,
    /// What is done.
    pub action: A,
    /// The state it leads to.
    pub state: S,
}

impl<S, A> Trace<S, A> {
    /// The state it ends in.
    pub fn last(&self) -> &S {
        self.steps.last().map_or(&self.start, |step| &step.state)
    }

    /// The number of steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it has no steps.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether `model` allows this trace, step by step, from one of its initial
    /// states.
    pub fn replays<M>(&self, model: &M) -> bool
    where
        M: Checked<State = S, Action = A>,
        S: PartialEq,
        A: PartialEq,
    {
        if !initial_states(model).contains(&self.start) {
            return false;
        }
        let mut from = &self.start;
        let mut successors = Vec::new();
        for step in &self.steps {
            successors.clear();
            model.successors(from, &mut successors);
            let Some((action, state)) = successors.get(usize::from(step.choice)) else {
                return false;
            };
            if *action != step.action || *state != step.state {
                return false;
            }
            from = &step.state;
        }
        true
    }
}

/// Rebuilds traces by repeating the steps that the links name, and checks that
/// they lead through known states. What fails is kept as the reason why the
/// search as a whole can't be trusted.
pub(super) struct Rebuilder<'a, M, K> {
    model: &'a M,
    links: &'a Links,
    /// Whether a fingerprint is known.
    is_known: K,
    fingerprinter: Fingerprinter,
    failure: Option<String>,
}

type Rebuilt<M> = Trace<<M as stateright::Model>::State, <M as stateright::Model>::Action>;

impl<'a, M: Checked, K: Fn(Fingerprint) -> bool> Rebuilder<'a, M, K> {
    pub(super) fn new(model: &'a M, links: &'a Links, is_known: K) -> Self {
        Self {
            model,
            links,
            is_known,
            fingerprinter: Fingerprinter::default(),
            failure: None,
        }
    }

    /// Why a trace could not be rebuilt, if one couldn't.
    pub(super) fn failure(self) -> Option<String> {
        self.failure
    }

    /// A shortest way to a spot.
    pub(super) fn way_to(&mut self, spot: Spot) -> Option<Rebuilt<M>> {
        self.guarded(|this| this.rebuild(spot))
    }

    /// A shortest way to a spot where `property` was broken, judged again.
    pub(super) fn breach(&mut self, spot: Spot, property: usize) -> Option<Rebuilt<M>> {
        self.guarded(|this| {
            let trace = this.rebuild(spot)?;
            let mut broken = this.model.judge_state(trace.last());
            if let Some((last, before)) = trace.steps.split_last() {
                let from = before.last().map_or(&trace.start, |step| &step.state);
                broken |= this.model.judge_step(from, &last.action, &last.state);
            }
            if broken >> property & 1 == 1 {
                Ok(trace)
            } else {
                Err("a broken property holds when it is judged again".to_owned())
            }
        })
    }

    fn guarded(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<Rebuilt<M>, String>,
    ) -> Option<Rebuilt<M>> {
        let outcome = catch_unwind(AssertUnwindSafe(|| work(self)));
        match outcome.unwrap_or_else(|panic| Err(message_of(&*panic))) {
            Ok(trace) => Some(trace),
            Err(failure) => {
                self.failure.get_or_insert(failure);
                None
            }
        }
    }

    fn rebuild(&mut self, spot: Spot) -> Result<Rebuilt<M>, String> {
        let (state, last_choice) = match spot {
            Spot::Initial(state) => (state, None),
            Spot::Within { state, choice } => (state, choice),
        };
        let (root, choices) = self.links.way_to(state);
        let start = initial_states(self.model).into_iter().nth(root);
        let mut trace = Trace {
            start: start.ok_or("an initial state is missing")?,
            steps: Vec::with_capacity(choices.len() + 1),
        };
        self.expect_known(trace.last())?;
        for choice in choices {
            self.extend(&mut trace, choice)?;
            self.expect_known(trace.last())?;
        }
        if let Some(choice) = last_choice {
            self.extend(&mut trace, choice)?;
        }
        Ok(trace)
    }

    fn extend(&self, trace: &mut Rebuilt<M>, choice: u16) -> Result<(), String> {
        let mut successors = Vec::new();
        self.model.successors(trace.last(), &mut successors);
        let step = successors.into_iter().nth(usize::from(choice));
        let (action, state) =
            step.ok_or_else(|| format!("step {} has fewer successors", trace.len() + 1))?;
        trace.steps.push(Step {
            choice,
            action,
            state,
        });
        Ok(())
    }

    fn expect_known(&mut self, state: &M::State) -> Result<(), String> {
        let fingerprint = self.fingerprinter.of(state);
        if (self.is_known)(fingerprint) {
            Ok(())
        } else {
            Err("a step leads to a state that was never visited".to_owned())
        }
    }
}
