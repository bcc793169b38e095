//! What a scenario consists of.

use std::str::FromStr;

use lockstep_model::id::{NodeId, ServiceId};
use lockstep_model::lrm::Leave;
use lockstep_model::record::{MoveKind, Wanted};

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
    /// A write stays under way until `deliver`.
    Delayed,
}

/// A kind of effect that may meet a fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Write,
    /// A write that moves a service.
    Location,
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
    /// The oldest write that is delayed reaches the store.
    Deliver,
    /// The manager orders this, with so many restarts and a time-out in seconds.
    Order(ServiceId, Wanted, Option<u32>, Option<u64>),
    /// A service of node 1 is to come, or has come, here.
    Arrive(ServiceId, MoveKind, NodeId),
    /// Node 1's LRM holds its lock, guarded, or has lost it.
    Peer(bool),
    /// People asked for maintenance of node 0, and to disarm.
    Ask { maintenance: bool, disarm: bool },
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

fn kind(word: Option<&&str>) -> Option<MoveKind> {
    match word {
        Some(&"live") => Some(MoveKind::Live),
        Some(&"cold") => Some(MoveKind::Stopped),
        Some(&"before-start") => Some(MoveKind::BeforeStart),
        _ => None,
    }
}

/// `started restarts 2`, `stopped restarts 0 within 30`, `live to 1` …
fn order(service: ServiceId, words: &[&str]) -> Result<Command, String> {
    let after = |word: &str| {
        let at = words.iter().position(|it| *it == word)?;
        Some(number(words.get(at + 1)))
    };
    let restarts = after("restarts").transpose()?;
    let restarts = restarts.map(|it| u32::try_from(it).expect("a small number"));
    let target = after("to").transpose()?.unwrap_or(1);
    let target = NodeId(u16::try_from(target).expect("a small number"));
    let wanted = match (words.first(), kind(words.first())) {
        (_, Some(kind)) => Wanted::Moved { target, kind },
        (Some(&"started"), _) => Wanted::Started,
        (Some(&"stopped"), _) => Wanted::Stopped,
        (Some(&"untouched"), _) => Wanted::Untouched,
        (Some(&"ignored"), _) => Wanted::Ignored,
        (Some(&"fenced"), _) => Wanted::Fenced,
        (other, _) => return Err(format!("{other:?} can't be ordered")),
    };
    let timeout = after("within").transpose()?;
    Ok(Command::Order(service, wanted, restarts, timeout))
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
            Some(&"location") => Ok(Target::Location),
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
            "delay" => Self::Meet(Fate::Delayed, target(second)?),
            "deliver" => Self::Deliver,
            "answer" => Self::Answer,
            "order" => order(
                ServiceId(small(second)?),
                words.get(2..).unwrap_or_default(),
            )?,
            "arrive" => {
                let kind = kind(third).ok_or("in which state?")?;
                Self::Arrive(
                    ServiceId(small(second)?),
                    kind,
                    NodeId(small(words.get(3))?),
                )
            }
            "peer" => Self::Peer(second == Some(&"guarded")),
            "ask" => Self::Ask {
                maintenance: words.contains(&"maintenance"),
                disarm: words.contains(&"disarm"),
            },
            "want" => match third {
                Some(&"started") => Self::Want(ServiceId(small(second)?), Wanted::Started),
                Some(&"stopped") => Self::Want(ServiceId(small(second)?), Wanted::Stopped),
                other => return Err(format!("{other:?} can't be wanted")),
            },
            "leave" => match second {
                Some(&"restart") => Self::Leave(Leave::Restart),
                Some(&"stop") => Self::Leave(Leave::Stop),
                Some(&"freeze") => Self::Leave(Leave::StopAndFreeze),
                Some(&"migrate") => Self::Leave(Leave::Migrate),
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
