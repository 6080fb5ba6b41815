//! The connection between one task and the services: how a call becomes a request, and a request an
//! answer.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::time::Time;

use super::fault_injection::{CallFate, Target};
use super::{TaskId, World, WorldState, give_way};

/// One call, with what the world needs to know about it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The calling task.
    pub task: TaskId,
    /// The service.
    pub place: Target,
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
            Target::Pool(side) => write!(formatter, "{} {side} {}", self.task, self.operation),
            Target::Table | Target::Queue => write!(formatter, "{} {}", self.task, self.operation),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "t{}", self.0)
    }
}

/// A request that is signed and not executed yet.
pub struct SignedRequest {
    /// The call that it belongs to.
    pub call: Call,
    /// When it was signed: a server refuses it when the signature has expired
    /// (`LeaseOutlastsProcess`).
    pub signed: Time,
    /// Its effect.
    pub effect: Box<dyn FnOnce(&mut WorldState) + Send>,
}

/// A request that no task waits for any more.
pub struct InFlight {
    /// The request.
    pub request: SignedRequest,
    /// When it lands at the latest (`LeaseOutlastsWrite`).
    pub lands_by: Time,
}

/// The port error of a call that its pool always refuses.
fn refused(state: &mut WorldState, call: Call) -> Option<PortError> {
    let Target::Pool(side) = call.place else { return None };
    let kind = *state.pools.get(side).fails.get(call.operation)?;
    state.say(|| format!("{call}: refused, {kind:?}"));
    Some(PortError::new(kind, call.operation))
}

/// The connection of one task to the world.
#[derive(Clone)]
pub struct Connection {
    world: World,
    task: TaskId,
}

impl Connection {
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
    pub const fn call(&self, place: Target, operation: &'static str, changes: bool) -> Call {
        Call { task: self.task, place, operation, changes, deadline: None }
    }

    /// Makes a call: the request is sent, executed and answered, each in a turn of its own and with
    /// the injected faults. If the task is dropped meanwhile, what was done stays done.
    pub async fn make<T: Hash + Send + 'static>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut WorldState) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let answer = Arc::new(Mutex::new(None));
        let (number, fate) = self.send(call, Arc::clone(&answer), effect)?;
        self.remember(&(call.operation, fate));
        give_way().await;
        self.carry_out(call, number, fate)?;
        let turn = self.world.lock().fault_injection.rates.turn_before_answer;
        if turn && call.changes {
            give_way().await;
        }
        self.remember(&"answered");
        if fate == CallFate::AnswerLost {
            return Err(PortError::new(ErrorKind::NoAnswer, call.operation));
        }
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take().unwrap_or_else(|| Err(PortError::new(ErrorKind::NoAnswer, call.operation)))
    }

    fn remember(&self, what: &impl Hash) {
        if let Some(histories) = &mut self.world.lock().histories {
            histories.remember(self.task, what);
        }
    }

    fn send<T: Hash + Send + 'static>(
        &self,
        call: Call,
        answer: Arc<Mutex<Option<Result<T, PortError>>>>,
        effect: impl FnOnce(&mut WorldState) -> Result<T, PortError> + Send + 'static,
    ) -> Result<(u64, CallFate), PortError> {
        let mut guard = self.world.lock();
        let state = &mut *guard;
        let (now, signed) = (state.now, state.clock_of(self.task));
        if call.deadline.is_some_and(|deadline| signed > deadline) {
            return Err(PortError::new(ErrorKind::NotSent, call.operation));
        }
        let WorldState { fault_injection, chooser, .. } = state;
        let fate =
            fault_injection.fate(call.place, call.operation, call.changes, now, chooser.as_mut());
        let effect = Box::new(move |state: &mut WorldState| {
            let done = match refused(state, call) {
                Some(error) => Err(error),
                None => effect(state),
            };
            if let Some(histories) = &mut state.histories {
                histories.remember(call.task, &done);
            }
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        });
        let number = state.number_request();
        state.about_to_send.insert((self.task, number), SignedRequest { call, signed, effect });
        Ok((number, fate))
    }

    /// The request's own turn. Time may have passed since the deadline was checked: so a suspended
    /// worker sends late, and only the server's check of the signature is left
    /// (`LeaseOutlastsProcess`).
    fn carry_out(&self, call: Call, number: u64, fate: CallFate) -> Result<(), PortError> {
        let mut guard = self.world.lock();
        let state = &mut *guard;
        let request = state.about_to_send.remove(&(self.task, number));
        let Some(request) = request else {
            return Err(PortError::new(ErrorKind::NotSent, call.operation));
        };
        if state.now.since(request.signed) > limits::SIGNATURE_LIFE {
            state.say(|| format!("{call}: refused, the signature is too old"));
            return Err(PortError::new(ErrorKind::NotSent, call.operation));
        }
        if let Some(kind) = fate.error() {
            state.say(|| format!("{call}: {fate:?}"));
            match fate {
                CallFate::AnswerLost => {
                    (request.effect)(state);
                    return Ok(());
                }
                CallFate::LandsLate => {
                    let lands_by = state.now + limits::LANDING_TIME;
                    state.in_flight.push(InFlight { request, lands_by });
                }
                CallFate::Fine
                | CallFate::Throttled
                | CallFate::NotSent
                | CallFate::RequestLost => {}
            }
            return Err(PortError::new(kind, call.operation));
        }
        (request.effect)(state);
        Ok(())
    }
}
