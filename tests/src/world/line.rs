//! The connection between one task and the services: how a call becomes a request, and a request an
//! answer.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits;
use poolbridge_core::time::Time;

use super::weather::{Fate, Place};
use super::{State, TaskId, World, give_way};

/// One call, with what the world needs to know about it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The calling task.
    pub task: TaskId,
    /// The service.
    pub place: Place,
    /// The operation's name at AWS.
    pub operation: &'static str,
    /// Whether it changes anything there.
    pub changes: bool,
    /// It is not sent after this time.
    pub deadline: Option<Time>,
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Pool(side) => write!(formatter, "{} {side} {}", self.task, self.operation),
            Place::Table | Place::Queue => write!(formatter, "{} {}", self.task, self.operation),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "t{}", self.0)
    }
}

/// A request that is signed and not executed yet.
pub struct Request {
    /// The call that it belongs to.
    pub call: Call,
    /// When it was signed: a server refuses it when the signature has expired
    /// (`LeaseOutlastsProcess`, R7).
    pub signed: Time,
    /// Its effect.
    pub effect: Box<dyn FnOnce(&mut State) + Send>,
}

/// A request that no task waits for any more.
pub struct InFlight {
    /// The request.
    pub request: Request,
    /// When it lands at the latest (`LeaseOutlastsWrite`, R5).
    pub lands_by: Time,
}

/// The port error of a call that its pool always refuses.
fn refused(state: &mut State, call: Call) -> Option<Fault> {
    let Place::Pool(side) = call.place else { return None };
    let kind = *state.pools.get(side).fails.get(call.operation)?;
    state.say(|| format!("{call}: refused, {kind:?}"));
    Some(Fault::new(kind, call.operation))
}

/// The connection of one task to the world.
#[derive(Clone)]
pub struct Line {
    world: World,
    task: TaskId,
}

impl Line {
    /// The connection of that task.
    pub const fn new(world: World, task: TaskId) -> Self {
        Self { world, task }
    }

    /// The task.
    pub const fn task(&self) -> TaskId {
        self.task
    }

    /// The world.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// A call of this task.
    pub const fn call(&self, place: Place, operation: &'static str, changes: bool) -> Call {
        Call { task: self.task, place, operation, changes, deadline: None }
    }

    /// Makes a call: the request is sent, executed and answered, each in a turn of its own and with
    /// the injected faults. If the task is dropped meanwhile, what was done stays
    /// done.
    pub async fn make<T: Hash + Send + 'static>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut State) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let answer = Arc::new(Mutex::new(None));
        let (number, fate) = self.send(call, Arc::clone(&answer), effect)?;
        self.remember(&(call.operation, fate));
        give_way().await;
        self.carry_out(call, number, fate)?;
        let turn = self.world.lock().weather.climate.turn_before_answer;
        if turn && call.changes {
            give_way().await;
        }
        self.remember(&"answered");
        if fate == Fate::AnswerLost {
            return Err(Fault::new(FaultKind::NoAnswer, call.operation));
        }
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take().unwrap_or_else(|| Err(Fault::new(FaultKind::NoAnswer, call.operation)))
    }

    fn remember(&self, what: &impl Hash) {
        if let Some(histories) = &mut self.world.lock().histories {
            histories.remember(self.task, what);
        }
    }

    fn send<T: Hash + Send + 'static>(
        &self,
        call: Call,
        answer: Arc<Mutex<Option<Result<T, Fault>>>>,
        effect: impl FnOnce(&mut State) -> Result<T, Fault> + Send + 'static,
    ) -> Result<(u64, Fate), Fault> {
        let mut guard = self.world.lock();
        let state = &mut *guard;
        let (now, signed) = (state.now, state.clock_of(self.task));
        if call.deadline.is_some_and(|deadline| signed > deadline) {
            return Err(Fault::new(FaultKind::NotSent, call.operation));
        }
        let State { weather, chooser, .. } = state;
        let fate = weather.fate(call.place, call.operation, call.changes, now, chooser.as_mut());
        let effect = Box::new(move |state: &mut State| {
            let done = match refused(state, call) {
                Some(fault) => Err(fault),
                None => effect(state),
            };
            if let Some(histories) = &mut state.histories {
                histories.remember(call.task, &done);
            }
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        });
        let number = state.number_request();
        state.about_to_send.insert((self.task, number), Request { call, signed, effect });
        Ok((number, fate))
    }

    /// The request's own turn. Time may have passed since the deadline was checked: so a suspended
    /// worker sends late, and only the server's check of the signature is left
    /// (`LeaseOutlastsProcess`, R7).
    fn carry_out(&self, call: Call, number: u64, fate: Fate) -> Result<(), Fault> {
        let mut guard = self.world.lock();
        let state = &mut *guard;
        let request = state.about_to_send.remove(&(self.task, number));
        let Some(request) = request else {
            return Err(Fault::new(FaultKind::NotSent, call.operation));
        };
        if state.now.since(request.signed) > limits::SIGNATURE_LIFE {
            state.say(|| format!("{call}: refused, the signature is too old"));
            return Err(Fault::new(FaultKind::NotSent, call.operation));
        }
        if let Some(kind) = fate.fault() {
            state.say(|| format!("{call}: {fate:?}"));
            match fate {
                Fate::AnswerLost => {
                    (request.effect)(state);
                    return Ok(());
                }
                Fate::LandsLate => {
                    let lands_by = state.now + limits::LANDING_TIME;
                    state.in_flight.push(InFlight { request, lands_by });
                }
                Fate::Fine | Fate::Throttled | Fate::NotSent | Fate::RequestLost => {}
            }
            return Err(Fault::new(kind, call.operation));
        }
        (request.effect)(state);
        Ok(())
    }
}
