//! The accounts: a map in memory. A real service keeps them in its database.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use sec_tokens::PasswordHash;

/// More accounts than a demonstration needs; a map without an end is somebody's way to take all memory.
const MOST_USERS: usize = 10_000;

#[derive(Debug, Clone)]
pub struct User {
    /// Never changes and is never reused, unlike the name: what tokens and comments refer to.
    pub id: String,
    pub name: String,
    pub role: &'static str,
    pub password: PasswordHash,
}

#[derive(Debug, Default)]
pub struct Users(RwLock<HashMap<String, User>>);

#[derive(Debug, PartialEq, Eq)]
pub enum AddError {
    Taken,
    Full,
}

impl Users {
    /// Adds an account; names that differ only in case are one name.
    pub fn add(&self, name: &str, role: &'static str, password: PasswordHash) -> Result<User, AddError> {
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let key = name.to_ascii_lowercase();
        if users.contains_key(&key) {
            return Err(AddError::Taken);
        }
        if users.len() >= MOST_USERS {
            return Err(AddError::Full);
        }
        let user = User {
            id: format!("u{}", users.len() + 1),
            name: name.to_owned(),
            role,
            password,
        };
        users.insert(key, user.clone());
        Ok(user)
    }

    pub fn by_name(&self, name: &str) -> Option<User> {
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        users.get(&name.to_ascii_lowercase()).cloned()
    }

    pub fn by_id(&self, id: &str) -> Option<User> {
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        users.values().find(|user| user.id == id).cloned()
    }

    /// Replaces a hash whose parameters are out of date.
    pub fn set_password(&self, name: &str, password: PasswordHash) {
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = users.get_mut(&name.to_ascii_lowercase()) {
            user.password = password;
        }
    }
}
