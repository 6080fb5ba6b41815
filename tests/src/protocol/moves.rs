//! The possible moves.

use super::run::ProtocolRun;
use crate::world::TaskId;

/// A possible move.
#[derive(Clone, Copy, Debug)]
pub enum Move {
    /// A task takes a turn.
    Turn(TaskId),
    /// A worker receives that message.
    Receive(u64),
    /// A person makes that edit.
    ScriptedEdit(usize),
    /// A worker crashes at its current position.
    Crash(TaskId),
    /// A message becomes visible again while a worker processes it.
    Repeat(u64),
    /// A message is lost.
    Lose(u64),
    /// A request in flight lands.
    Land(usize),
    /// Time runs on.
    Jump,
    /// Pending changes are sent again.
    Again,
    /// The operator announces a switch.
    Announce,
    /// The operator switches.
    Switch,
    /// The run ends.
    End,
}

impl ProtocolRun<'_> {
    /// Everything that can happen now. The first run takes the first of them.
    pub fn moves(&self) -> Vec<Move> {
        let due = self.scheduler.next_due();
        let state = self.scheduler.world.lock();
        let mut moves = Vec::new();
        let mut tasks: Vec<(TaskId, bool)> =
            self.scheduler.tasks.iter().map(|task| (task.id, task.is_worker())).collect();
        tasks.sort_unstable();
        let unsent = |task: TaskId| state.about_to_send.iter().find(|((id, _), _)| *id == task);
        let reads_control = |task: TaskId| {
            unsent(task).is_some_and(|(_, request)| request.call.operation == "control")
        };
        // After its answers, a capture only ends.
        let answered = |(task, worker): &&(TaskId, bool)| !worker && unsent(*task).is_none();
        let over = self.left.receptions == 0 && tasks.iter().all(|task| answered(&task));
        if let Some((task, _)) = tasks.iter().find(answered).filter(|_| self.reduced || over) {
            return vec![Move::Turn(*task)];
        }
        if self.reduced {
            // A task that waits for an answer, or reads what no task writes, comes first: often no
            // other move needs to be tried then.
            let private = |task| unsent(task).is_none() || reads_control(task);
            tasks.sort_unstable_by_key(|(task, _)| (!private(*task), *task));
        }
        let control = tasks.iter().find(|(task, _)| reads_control(*task));
        if let Some((task, _)) = control.filter(|_| self.small.jumps > 0) {
            return vec![Move::Turn(*task)];
        }
        let capture = tasks.iter().find(|(_, worker)| !worker);
        if let Some((task, _)) = capture.filter(|_| self.small.prompt) {
            return vec![Move::Turn(*task)];
        }
        moves.extend(tasks.iter().map(|(task, _)| Move::Turn(*task)));
        let workers = tasks.iter().filter(|(_, worker)| *worker).count();
        if workers < self.small.workers && self.left.receptions > 0 {
            moves.extend(state.queue.ready(state.now).into_iter().map(Move::Receive));
        }
        let idle = moves.is_empty();
        if idle && self.left.receptions == 0 {
            return vec![Move::End];
        }
        for (at, edit) in self.small.edits.iter().enumerate() {
            let first = self.left.edits[at]
                && !(0..at).any(|one| self.left.edits[one] && self.small.edits[one] == *edit);
            if first && state.pools.get(edit.side).living().next().is_some() {
                moves.push(Move::ScriptedEdit(at));
            }
        }
        if self.left.crashes > 0 {
            let workers = tasks.iter().filter(|(_, worker)| *worker);
            moves.extend(workers.map(|(task, _)| Move::Crash(*task)));
        }
        for message in state.queue.messages() {
            if message.out && self.left.repeats > 0 {
                moves.push(Move::Repeat(message.number));
            }
            if !message.out && self.left.losses > 0 {
                moves.push(Move::Lose(message.number));
            }
        }
        moves.extend((0..state.in_flight.len()).map(Move::Land));
        moves.extend(self.operator(&state));
        let pending = !state.queue.messages().is_empty() || !state.in_flight.is_empty();
        if idle && !pending {
            moves.push(if due.is_some() { Move::Again } else { Move::End });
        } else if idle || self.left.jumps > 0 {
            moves.push(Move::Jump);
        }
        moves
    }
}
