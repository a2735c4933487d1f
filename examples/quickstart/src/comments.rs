//! The comments: a bounded list in memory.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use sec_sanitize::SafeHtml;
use serde::Serialize;

/// The oldest go first.
const MOST_COMMENTS: usize = 1_000;

#[derive(Debug, Clone, Serialize)]
pub struct Comment {
    pub id: u64,
    /// The author's id.
    #[serde(skip)]
    pub owner: String,
    pub author: String,
    /// Sanitised when it came in: the type says so.
    pub body: SafeHtml,
}

#[derive(Debug, Default)]
pub struct Comments(RwLock<(u64, VecDeque<Comment>)>);

impl Comments {
    pub fn add(&self, owner: &str, author: &str, body: SafeHtml) -> Comment {
        let mut comments = self.0.write().unwrap_or_else(PoisonError::into_inner);
        comments.0 += 1;
        let comment = Comment {
            id: comments.0,
            owner: owner.to_owned(),
            author: author.to_owned(),
            body,
        };
        if comments.1.len() == MOST_COMMENTS {
            comments.1.pop_front();
        }
        comments.1.push_back(comment.clone());
        comment
    }

    /// The newest, newest first, older than a given one where one is given.
    pub fn page(&self, before: Option<u64>, most: usize) -> Vec<Comment> {
        let comments = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let older = |comment: &&Comment| before.is_none_or(|before| comment.id < before);
        comments
            .1
            .iter()
            .rev()
            .filter(older)
            .take(most)
            .cloned()
            .collect()
    }

    pub fn get(&self, id: u64) -> Option<Comment> {
        let comments = self.0.read().unwrap_or_else(PoisonError::into_inner);
        comments.1.iter().find(|comment| comment.id == id).cloned()
    }

    pub fn remove(&self, id: u64) -> bool {
        let mut comments = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = comments.1.len();
        comments.1.retain(|comment| comment.id != id);
        comments.1.len() < before
    }
}
