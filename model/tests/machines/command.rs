//! What a scenario consists of.

use std::str::FromStr;

use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::lrm::Leave;
use lockstep_model::record::Wanted;

/// One of the three machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Lrm,
    Mux,
    Contender,
}

/// What the next effect of a kind meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is not carried out and has no answer.
    Lost,
    /// It is carried out; its answer waits for `answer`.
    Held,
    /// It fails: a write is refused, an agent gives no clear answer, the device doesn't open.
    Failed,
}

/// A kind of effect that may meet a fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Write,
    Read,
    Job,
    Device,
    Timer,
}

/// A line of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A process begins.
    Start(Who),
    /// A process dies.
    Crash(Who),
    /// Ticks pass; whoever is due wakes, and all that follows happens at once.
    Tick(u64),
    /// Ticks pass and nobody wakes: all processes are stopped.
    Stall(u64),
    /// The next effect of this kind meets this fate.
    Meet(Fate, Target),
    /// The oldest answer that is held arrives.
    Answer,
    /// Somebody wants a service to run or not.
    Want(ServiceId, Wanted),
    /// The LRM is told to end.
    Leave(Leave),
    /// The contender may take the lock.
    Contend,
    /// The contender moves a service.
    Move(ServiceId, NodeId),
    /// The contender gives the lock back.
    LetGo,
    /// A service ends by itself.
    Ends(ServiceId),
    /// The multiplexer is asked to end.
    Terminate,
    /// A client without an LRM: attaches under a number.
    Attach(u64),
    /// It arms, as its arm of this number, until so many ticks from now.
    Arm(u64, u64),
    /// It extends that arm by a renewal of this number.
    Extend(u64, u64, u64),
    /// It disarms.
    Disarm(u64),
}

fn number(word: Option<&&str>) -> Result<u64, String> {
    let word = word.ok_or("a number is missing")?;
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

fn small(word: Option<&&str>) -> Result<u16, String> {
    u16::try_from(number(word)?).map_err(|_| "the number is too large".into())
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let target = |word: Option<&&str>| match word {
            Some(&"write") => Ok(Target::Write),
            Some(&"read") => Ok(Target::Read),
            Some(&"job") => Ok(Target::Job),
            Some(&"device") => Ok(Target::Device),
            Some(&"timer") => Ok(Target::Timer),
            other => Err(format!("{other:?} can't be lost, held or failed")),
        };
        let who = |word: Option<&&str>| match word {
            Some(&"lrm") => Ok(Who::Lrm),
            Some(&"mux") => Ok(Who::Mux),
            Some(&"contender") => Ok(Who::Contender),
            other => Err(format!("{other:?} is nobody")),
        };
        let (first, second, third) = (words.first(), words.get(1), words.get(2));
        Ok(match first.copied().unwrap_or_default() {
            "start" => Self::Start(who(second)?),
            "crash" => Self::Crash(who(second)?),
            "tick" => Self::Tick(number(second)?),
            "stall" => Self::Stall(number(second)?),
            "lose" => Self::Meet(Fate::Lost, target(second)?),
            "hold" => Self::Meet(Fate::Held, target(second)?),
            "fail" => Self::Meet(Fate::Failed, target(second)?),
            "answer" => Self::Answer,
            "want" => match third {
                Some(&"started") => Self::Want(ServiceId(small(second)?), Wanted::Started),
                Some(&"stopped") => Self::Want(ServiceId(small(second)?), Wanted::Stopped),
                other => return Err(format!("{other:?} can't be wanted")),
            },
            "leave" => match second {
                Some(&"restart") => Self::Leave(Leave::Restart),
                Some(&"stop") => Self::Leave(Leave::Stop),
                other => return Err(format!("{other:?} is no way to leave")),
            },
            "contend" => Self::Contend,
            "move" => Self::Move(ServiceId(small(second)?), NodeId(small(third)?)),
            "let-go" => Self::LetGo,
            "ends" => Self::Ends(ServiceId(small(second)?)),
            "terminate" => Self::Terminate,
            "attach" => Self::Attach(number(second)?),
            "arm" => Self::Arm(number(second)?, number(third)?),
            "extend" => Self::Extend(number(second)?, number(third)?, number(words.get(3))?),
            "disarm" => Self::Disarm(number(second)?),
            other => return Err(format!("{other:?} is no command")),
        })
    }
}
