//! One step of whichever machine an input is for.

use lockstep_model::config::Config;
use lockstep_model::contender::Contender;
use lockstep_model::event::{Effects, Event};
use lockstep_model::lrm::Lrm;
use lockstep_model::time::Instant;
use lockstep_model::watchdog::Multiplexer;

use crate::bench::{Effect, Input};

/// Gives an input to the machine that it is for, and collects what it says; `None`: nobody there.
pub(crate) fn step(
    config: &Config,
    now: Instant,
    input: &Input,
    lrm: &mut Option<Lrm>,
    mux: &mut Option<Multiplexer>,
    contender: &mut Option<Contender>,
) -> Option<(Vec<Effect>, Vec<Event>)> {
    match input.clone() {
        Input::Lrm(input) => {
            let (machine, mut out) = (lrm.as_mut()?, Effects::new());
            machine.step(config, now, input, &mut out);
            machine.check().expect("the LRM's invariants hold");
            Some(wrapped(out, Effect::Lrm))
        }
        Input::Mux(input) => {
            let (machine, mut out) = (mux.as_mut()?, Effects::new());
            machine.step(config, now, input, &mut out);
            machine
                .check(config)
                .expect("the multiplexer's invariants hold");
            Some(wrapped(out, Effect::Mux))
        }
        Input::Contender(input) => {
            let (machine, mut out) = (contender.as_mut()?, Effects::new());
            machine.step(config, now, input, &mut out);
            machine.check().expect("the contender's invariants hold");
            Some(wrapped(out, Effect::Contender))
        }
    }
}

fn wrapped<E>(out: Effects<E>, wrap: fn(E) -> Effect) -> (Vec<Effect>, Vec<Event>) {
    (out.effects.into_iter().map(wrap).collect(), out.events)
}
