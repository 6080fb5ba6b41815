//! Chance: the only source of nondeterminism in a world.
//!
//! A decision about what happens next comes from a [`Chooser`]. A seed gives one world. A
//! depth-first chooser replays a prefix of choices and then takes the first option everywhere; it
//! gives all worlds, one after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Decides everything that is not determined.
pub trait Chooser: Send {
    /// Chooses one of `options` (at least one), numbered from zero. `what` names the question.
    fn choose(&mut self, options: usize, what: &'static str) -> usize;

    /// Chooses one of the options whose weight is not zero. Only a random chooser uses the weights.
    fn weigh(&mut self, weights: &[u32], what: &'static str) -> usize {
        let possible: Vec<usize> = (0..weights.len()).filter(|&at| weights[at] > 0).collect();
        assert!(!possible.is_empty(), "nothing to choose from: {what}");
        possible[self.choose(possible.len(), what)]
    }

    /// Whether something happens whose probability is one in `one_in`; never, if that is zero.
    fn happens(&mut self, one_in: u32, what: &'static str) -> bool {
        one_in > 0 && self.weigh(&[one_in - 1, 1], what) == 1
    }
}

/// A chooser whose choices all follow from a seed (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Seeded {
    state: u64,
}

impl Seeded {
    /// The chooser of that seed.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring worlds.
        let mut chooser = Self { state: seed ^ 0x5851_f42d_4c95_7f2d };
        chooser.draw();
        chooser
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The bias of a remainder is too small to show in a few thousand worlds.
        self.draw() % bound.max(1)
    }
}

impl Chooser for Seeded {
    fn choose(&mut self, options: usize, _what: &'static str) -> usize {
        if options < 2 {
            return 0;
        }
        usize::try_from(self.below(options as u64)).unwrap_or(0)
    }

    fn weigh(&mut self, weights: &[u32], what: &'static str) -> usize {
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        assert!(total > 0, "nothing to choose from: {what}");
        let mut left = self.below(total);
        for (at, &weight) in weights.iter().enumerate() {
            if left < u64::from(weight) {
                return at;
            }
            left -= u64::from(weight);
        }
        weights.len() - 1
    }
}

/// One question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The option that was taken.
    pub taken: usize,
    /// The number of options.
    pub options: usize,
    /// The question.
    pub what: &'static str,
}

/// A chooser that replays a prefix and takes the first option after that.
#[derive(Clone, Debug, Default)]
pub struct DepthFirst {
    prefix: Vec<usize>,
    answered: Vec<Answered>,
}

impl DepthFirst {
    /// Replays `prefix`, then takes the first option of everything.
    pub fn replaying(prefix: Vec<usize>) -> Self {
        Self { prefix, answered: Vec::new() }
    }

    /// Every question with a real choice, in order, with its answer.
    pub fn answered(&self) -> &[Answered] {
        &self.answered
    }

    /// Records that the later options of that choice lead nowhere else.
    pub fn settle(&mut self, at: usize) {
        if let Some(answer) = self.answered.get_mut(at) {
            answer.options = answer.taken + 1;
        }
    }

    /// The next prefix in depth-first order; `None` when all were seen.
    pub fn next_prefix(answered: &[Answered]) -> Option<Vec<usize>> {
        let last = answered.iter().rposition(|answer| answer.taken + 1 < answer.options)?;
        let mut prefix: Vec<usize> = answered[..=last].iter().map(|one| one.taken).collect();
        prefix[last] += 1;
        Some(prefix)
    }
}

impl Chooser for DepthFirst {
    fn choose(&mut self, options: usize, what: &'static str) -> usize {
        if options < 2 {
            return 0;
        }
        let taken = self.prefix.get(self.answered.len()).copied().unwrap_or(0);
        assert!(taken < options, "the prefix does not fit: {what}");
        self.answered.push(Answered { taken, options, what });
        taken
    }
}

/// A chooser that code outside the world shares, to read its answers at the end.
#[derive(Clone, Debug, Default)]
pub struct SharedChooser<C>(Arc<Mutex<C>>);

impl<C> SharedChooser<C> {
    /// Shares a chooser.
    pub fn new(chooser: C) -> Self {
        Self(Arc::new(Mutex::new(chooser)))
    }

    /// The chooser.
    pub fn lock(&self) -> MutexGuard<'_, C> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Chooser> Chooser for SharedChooser<C> {
    fn choose(&mut self, options: usize, what: &'static str) -> usize {
        self.lock().choose(options, what)
    }

    fn weigh(&mut self, weights: &[u32], what: &'static str) -> usize {
        self.lock().weigh(weights, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_choices() {
        let run = |seed| -> Vec<usize> {
            let mut chooser = Seeded::new(seed);
            (0..64).map(|_| chooser.weigh(&[1, 0, 5, 9], "test")).collect()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert!(!run(7).contains(&1), "an option without weight was taken");
    }

    #[test]
    fn depth_first_sees_every_combination_once() {
        let (mut prefix, mut seen) = (Some(Vec::new()), Vec::new());
        while let Some(replayed) = prefix {
            let mut chooser = DepthFirst::replaying(replayed);
            let first = chooser.choose(2, "first");
            let second = chooser.choose(if first == 0 { 3 } else { 1 }, "second");
            seen.push((first, second));
            prefix = DepthFirst::next_prefix(chooser.answered());
        }
        assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (1, 0)]);
    }
}
