//! What is asked of the table without locks, and what it saw.

use super::packed::{Packed, Take, Word};
use super::slot::{Hold, Mark};
use crate::Answer;

/// What a decision saw, or left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) answer: Answer,
    pub(crate) word: Word,
    pub(crate) shared: bool,
    pub(crate) hold: Hold,
}

/// What a decision answered and left, for who never gives anything back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) answer: Answer,
    pub(crate) word: Word,
    pub(crate) shared: bool,
}

/// One question to the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) rule: &'a Packed,
    pub(crate) now: u64,
    pub(crate) cost: u64,
    pub(crate) take: Take,
    /// Whether the hold is kept for a refund; a bucket then reads one cache line more.
    pub(crate) refundable: bool,
}

impl Ask<'_> {
    #[inline]
    pub(super) fn takes(&self, answer: Answer) -> bool {
        match self.take {
            Take::Never => false,
            Take::IfItFits => answer == Answer::Admit,
            Take::Always | Take::Saturating => true,
        }
    }

    #[inline]
    pub(super) fn apply(&self, word: Word) -> (Word, Mark) {
        let saturating = self.take == Take::Saturating;
        self.rule.take(word, self.now, self.cost, saturating)
    }
}
